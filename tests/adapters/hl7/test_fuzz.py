"""Whatever comes, only the protocol's negative answers come out, and the next good message is served."""

import os
import random
import time
from contextlib import suppress

import pytest

from adapters.errors import Malformed
from adapters.hl7.reading import read_attachment, read_message
from tests.adapters.hl7 import messages
from tests.adapters.hl7.memory import Peer, Server
from tests.adapters.hl7.messages import msa, oru

SECONDS = 120.0 if os.environ.get("GATEWAY_LONG_TESTS") else 2.0
SEED = 20261122
SEEDS = [
    messages.MINDRAY_CHEMISTRY, messages.MINDRAY_CHEMISTRY_CONTROLS, messages.MINDRAY_HAEMATOLOGY,
    messages.MINDRAY_HAEMATOLOGY_CONTROL, messages.LAW_RESULTS, messages.LAW_QUESTION, messages.MINDRAY_QUESTION,
    messages.MINDRAY_HAEMATOLOGY_QUESTION, messages.oru("1"),
]  # fmt: skip
SALT = [b"|", b"^", b"~", b"\\", b"&", b"\r", b"\n", b"\x0b", b"\x1c", b"\x1c\r", b"\x00", b"\xff", b"\xe5\xbc", b"\x8a",
        b"\x1b$B", b"\\X", b"\\.br\\", b"\\M2442\\", b"MSH|", b"OBX|1|ED|X||^a^b^Base64^", b"SPM|", b"SAC|",
        b"9" * 50]  # fmt: skip


def spoil(chance: random.Random, raw: bytes) -> bytes:
    """Bytes changed, cut, doubled, moved and put in."""
    body = bytearray(raw)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(body) + 1)
        match chance.randrange(5):
            case 0:
                body[at:at] = chance.choice(SALT)
            case 1:
                del body[at : at + chance.randint(1, 40)]
            case 2:
                body[at : at + 1] = bytes([chance.randrange(256)])
            case 3:
                body[at:at] = body[chance.randrange(len(body) + 1) :][:60]
            case _:
                del body[at:]
        if not body:
            body += b"M"
    return bytes(body)


def test_reading_gives_a_message_or_says_what_is_wrong() -> None:
    chance, until, read = random.Random(SEED), time.monotonic() + SECONDS, 0
    while time.monotonic() < until:
        raw = spoil(chance, chance.choice(SEEDS))
        try:
            message = read_message(raw, character_set=chance.choice((None, "GBK", "UTF-8")))
        except Malformed:
            continue
        read += 1
        positions = [
            one.position
            for specimen in message.specimens
            for one in (*specimen.results, *specimen.attachments)
        ]
        assert len(positions) == len(set(positions)) == message.results, raw
        for attachment in (one for specimen in message.specimens for one in specimen.attachments):
            with suppress(Malformed):
                read_attachment(raw, attachment.position)
    assert read > 100


def test_a_listener_under_noise_answers_in_its_protocol_and_serves_on() -> None:
    chance, until = random.Random(SEED + 1), time.monotonic() + SECONDS
    codes: set[str] = set()
    number = 0
    with Server(maximum_bytes=100_000, silence_s=60) as server:
        while time.monotonic() < until:
            with Peer(server.port) as peer:
                for _ in range(20):
                    number += 1
                    noise = (
                        b"\x0b"
                        + spoil(chance, chance.choice(SEEDS))
                        + chance.choice((b"\x1c\r", b"\x1c", b"", b"\r"))
                    )
                    good = oru(f"GOOD-{number}")
                    peer.send(noise + b"\r\x1c\r" + b"\x0b" + good + b"\x1c\r")
                    codes |= hear_until(peer, f"GOOD-{number}")
        assert not server.laboratory.doors[-1].tls
        assert server.mllp.counters.refusals["207"] == 0  # that is what a bug of ours is answered with
        assert (
            sum(1 for body in server.bodies if body.startswith(b"MSH|^~\\&|LAB|") and b"GOOD-" in body)
            == number
        )
    assert codes <= {"AA", "AE", "AR", "CA", "CE", "CR"} and {"AE", "AR"} <= codes


def hear_until(peer: Peer, control_id: str) -> set[str]:
    """The codes of all answers up to that of the good message, which is accepted."""
    codes = set()
    while True:
        answer = peer.hear()
        if b"MSA" not in answer:
            assert b"OML" in answer or b"DSR" in answer, answer
            continue
        separator = (
            chr(answer[3]).encode() if answer[3] < 0x80 else answer[3:].decode("utf-8", "ignore")[0].encode()
        )
        code, number = answer.split(b"\rMSA" + separator)[1].split(separator)[:2]
        codes.add(code[:2].decode())
        if (code[:2], number.split(b"\r")[0]) == (b"AA", control_id.encode()):
            return codes


@pytest.mark.parametrize(
    "raw", [b"", b"\r", b"MSH", b"MSH|", b"MSH|^~\\&", b"\xff\xfe", b"MSH|^~\\&|" + b"|" * 100_000]
)
def test_a_message_that_is_hardly_one_is_refused(raw: bytes) -> None:
    with Server() as server, Peer(server.port) as peer:
        assert msa(peer.ask(raw))[0] == "AE"
        assert msa(peer.ask(oru("1"))) == ["AA", "1"]
