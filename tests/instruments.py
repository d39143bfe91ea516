"""An analyser on an ASTM line, as the tests need it: one that keeps to LIS1-A, and one that does not.

Written from the standard and without the code it is used against: what both got wrong alike would not be seen.
"""

import random
import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from typing import Self

STX, ETX, EOT, ENQ, ACK, NAK, ETB = b"\x02", b"\x03", b"\x04", b"\x05", b"\x06", b"\x15", b"\x17"

RESULTS = (
    "H|\\^&|||BC-5300^Mindray^5300^01.02^1^RE-7A001234||||||||LIS2-A2|20261122080000",
    "P|1||7001||张^三||19700102|M",
    "O|1|K26112200017||^^^WBC\\^^^RBC|R||20261122074500||||N||||||||||||||F",
    "R|1|^^^WBC|6.21|10*9/L|4.0 to 10.0|N||F||li||20261122080500|1234",
    "R|2|^^^RBC|3.10|10*12/L|4.0 to 5.5|L||F||li||20261122080500|1234",
    "C|1|I|edta^platelet clumps|I",
    "L|1|N",
)


def frame(number: int, text: bytes, *, end: bytes = ETX) -> bytes:
    body = b"%d" % (number % 8) + text + end
    return STX + body + b"%02X" % (sum(body) % 256) + b"\r\n"


def frames(records: Iterable[str], *, encoding: str = "utf-8") -> list[bytes]:
    """One record in each frame."""
    return [frame(at, record.encode(encoding) + b"\r") for at, record in enumerate(records, 1)]


class NoisyFrames:
    """Frames on a line that loses bytes and doubles them; what is sent again is sent over the same line."""

    def __init__(self, made: Iterable[bytes], noise: random.Random, *, one_in: int = 2) -> None:
        self._made, self._noise, self._one_in = list(made), noise, one_in

    def __iter__(self) -> Iterator["NoisyFrame"]:
        return (NoisyFrame(one, self._noise, self._one_in) for one in self._made)


class NoisyFrame:
    """One frame; each time it is sent it comes out otherwise."""

    def __init__(self, made: bytes, noise: random.Random, one_in: int) -> None:
        self._made, self._noise, self._one_in = made, noise, one_in

    def __bytes__(self) -> bytes:
        """At most one byte is lost or doubled: a sum does not see the same byte lost here and doubled there."""
        if self._noise.randrange(self._one_in):
            return self._made
        at, times = self._noise.randrange(len(self._made)), self._noise.choice((0, 2))
        return self._made[:at] + self._made[at : at + 1] * times + self._made[at + 1 :]


class Instrument:
    """One end of a line, in plain blocking calls."""

    def __init__(self, port: int, *, tls: ssl.SSLContext | None = None, patience_s: float = 5.0) -> None:
        plain = socket.create_connection(("127.0.0.1", port), timeout=patience_s)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = tls.wrap_socket(plain, server_hostname="localhost") if tls else plain
        self.patience_s = patience_s

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def say(self, *data: bytes) -> None:
        self.socket.sendall(b"".join(data))

    def hear(self, size: int = 1, *, within_s: float | None = None) -> bytes:
        """So many bytes; b"" when the line is closed or nothing comes in time."""
        self.socket.settimeout(self.patience_s if within_s is None else within_s)
        try:
            return self.socket.recv(size)
        except TimeoutError:
            return b""

    def ask(self, *data: bytes) -> bytes:
        """Say this, and hear the answer of one byte."""
        self.say(*data)
        return self.hear()

    def hears_nothing(self, *, for_s: float = 0.15) -> bool:
        return self.hear(within_s=for_s) == b""

    def send(self, records: Iterable[str] = RESULTS, *, encoding: str = "utf-8") -> bytes:
        """A message as the standard wants it; the answers it got, in one string."""
        return self.send_frames(frames(records, encoding=encoding))

    def send_frames(self, made: Iterable[bytes] | NoisyFrames) -> bytes:
        answers = self.ask(ENQ)
        if answers != ACK:
            return answers
        for one in made:
            for _ in range(6):
                answer = self.ask(bytes(one))
                answers += answer
                if answer in (ACK, b""):
                    break
            else:
                break
        self.say(EOT)
        return answers

    def take(self) -> list[bytes]:
        """A message that the host sends: the texts of its frames, with every checksum checked."""
        assert self.hear() == ENQ
        texts: list[bytes] = []
        answer = ACK
        while True:
            self.say(answer)
            one = self._hear_frame()
            if one == EOT:
                return texts
            body, digits, end = one[1:-4], one[-4:-2], one[-2:]
            assert (one[:1], end) == (STX, b"\r\n")
            assert digits == b"%02X" % (sum(body) % 256)
            assert body[:1] == b"%d" % ((len(texts) + 1) % 8)
            texts.append(body[1:])

    def _hear_frame(self) -> bytes:
        heard = self.hear()
        while heard != EOT and not heard.endswith(b"\r\n"):
            more = self.hear()
            assert more, f"the frame stopped after {heard!r}"
            heard += more
        return heard

    def dribble(self, data: bytes, *, pause_s: float = 0.0) -> None:
        """Byte by byte."""
        for at in range(len(data)):
            self.say(data[at : at + 1])
            time.sleep(pause_s)
