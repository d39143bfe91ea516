"""A multipart body in every way that it may be written and cut (RFC 2046 5.1)."""

import random
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.dicom.multipart import MultipartReader, read_media_type
from adapters.errors import Malformed

Parts = list[tuple[Mapping[str, str], bytes]]


def read(body: bytes, boundary: str = "b", sizes: int = 1 << 20) -> Parts:
    """The parts of a body that arrives so many bytes at a time."""
    parts: list[tuple[Mapping[str, str], bytearray]] = []
    ended = []
    reader = MultipartReader(
        boundary,
        begin=lambda headers: parts.append((headers, bytearray())),
        data=lambda view: _extend(parts, view),
        end=lambda: ended.append(len(parts)),
    )
    for start in range(0, len(body), sizes):
        reader.feed(body[start : start + sizes])
    reader.finish()
    assert ended == list(range(1, len(parts) + 1))
    return [(headers, bytes(data)) for headers, data in parts]


ONE = b"\r\nContent-Type: application/dicom\r\n\r\none\r\n--b"
BODIES = {
    "plain": b"--b" + ONE + b"\r\n\r\ntwo\r\n--b--\r\n",
    "a preamble": b"This is a message.\r\nIgnore this.\r\n--b" + ONE + b"\r\n\r\ntwo\r\n--b--",
    "an empty line before": b"\r\n--b" + ONE + b"\r\n\r\ntwo\r\n--b--\r\n",
    "an epilogue": b"--b" + ONE + b"\r\n\r\ntwo\r\n--b--\r\nBye.\r\n--b\r\n\r\nthree",
    "blanks behind boundaries": b"--b \t" + ONE + b"  \r\n\r\ntwo\r\n--b--  \r\n",
    "strange spelling": b"--b\r\ncontent-type:application/dicom  \r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n",
    "a preamble that resembles": b"--bb\r\n--b-\r\n x--b\r\n--b" + ONE + b"\r\n\r\ntwo\r\n--b--",
}
RESEMBLING = (
    b"--b",
    b"\r\n--",
    b"\r\n--a",
    b"\r\n--bx",
    b"\n--b\n",
    b"\n--b--\n",
    b"\r\r\n",
    b"x--b--\r\n",
    b"\r\n-",
)


@pytest.mark.parametrize("sizes", [1, 2, 3, 7, 1 << 20])
@pytest.mark.parametrize("name", list(BODIES))
def test_every_way_to_write_it_gives_the_same_parts(name: str, sizes: int) -> None:
    assert read(BODIES[name], sizes=sizes) == [({"content-type": "application/dicom"}, b"one"), ({}, b"two")]


@pytest.mark.parametrize("sizes", [1, 5, 1 << 20])
@pytest.mark.parametrize("inside", RESEMBLING)
def test_bytes_that_resemble_a_boundary_belong_to_their_part(inside: bytes, sizes: int) -> None:
    body = b"--b\r\n\r\n" + inside + b"\r\n--b\r\n\r\n" + inside * 2 + b"\r\n--b--\r\n"

    assert [data for _, data in read(body, sizes=sizes)] == [inside, inside * 2]


def test_a_boundary_of_any_characters_that_are_allowed() -> None:
    boundary = "gc0pJq0M:08jU534c0p'()+_,-./=? x"
    body = f"--{boundary}\r\n\r\none\r\n--{boundary}--\r\n".encode()

    assert read(body, boundary) == [({}, b"one")]


def test_every_cut_before_the_end_is_malformed() -> None:
    body = BODIES["plain"]
    for size in range(len(body) - 2):  # the CRLF behind the last boundary may be missing
        with pytest.raises(Malformed):
            read(body[:size])


@pytest.mark.parametrize("boundary", ["", "x" * 257, "ü"])
def test_a_boundary_that_is_none_is_malformed(boundary: str) -> None:
    with pytest.raises(Malformed):
        read(b"", boundary)


def test_a_body_without_its_boundary_is_given_up_soon() -> None:
    reader = MultipartReader("b", begin=lambda _: None, data=lambda _: None, end=lambda: None)

    with pytest.raises(Malformed):
        for _ in range(100):
            reader.feed(bytes(4096))


def test_headers_without_end_are_malformed() -> None:
    with pytest.raises(Malformed):
        read(b"--b\r\n" + b"X: y\r\n" * 1000 + b"\r\n\r\n--b--")
    with pytest.raises(Malformed):
        read(b"--b\r\nX: " + b"y" * 100_000 + b"\r\n\r\n\r\n--b--")


@settings(max_examples=150, deadline=None)
@given(
    files=st.lists(st.binary(max_size=60) | st.sampled_from([b"\r\n--", b"--b\r\n", b"\r"]), max_size=4),
    sizes=st.integers(1, 50),
    preamble=st.sampled_from([b"", b"\r\n", b"hello\r\n"]),
)
def test_what_was_put_in_comes_out(files: list[bytes], sizes: int, preamble: bytes) -> None:
    boundary = "never-in-a-part"
    body = preamble + b"".join(b"--%s\r\n\r\n%s\r\n" % (boundary.encode(), file) for file in files)

    assert [data for _, data in read(body + b"--%s--" % boundary.encode(), boundary, sizes)] == files


def test_mutated_bodies_end_in_parts_or_malformed() -> None:
    chance = random.Random(24)
    bodies = list(BODIES.values())
    refused = 0
    for _ in range(3000):
        body = bytearray(chance.choice(bodies))
        for _ in range(chance.randint(1, 6)):
            place = chance.randrange(len(body))
            with_what = chance.choice([b"", b"\r\n", b"-", b"b", b"--b\r\n", b":", bytes(2)])
            body[place : place + chance.randint(0, 3)] = with_what
        try:
            read(bytes(body), sizes=chance.randint(1, 40))
        except Malformed:
            refused += 1
    assert 0 < refused < 3000


@pytest.mark.parametrize(
    ("text", "name", "parameters"),
    [
        ("application/dicom", "application/dicom", {}),
        ('Multipart/Related; Type="a/b"; Boundary=x', "multipart/related", {"type": "a/b", "boundary": "x"}),
        ('a/b;boundary="a;b=\\"c";type=c/d', "a/b", {"boundary": 'a;b="c', "type": "c/d"}),
        ("a/b ; x = y ;", "a/b", {"x": "y"}),
    ],
)
def test_media_types(text: str, name: str, parameters: dict[str, str]) -> None:
    read_type = read_media_type(text)

    assert (read_type.name, read_type.parameters) == (name, parameters)


@pytest.mark.parametrize("text", ["", "application", "a/b c", 'a/b; x="y', "a/b; =x"])
def test_what_is_no_media_type(text: str) -> None:
    with pytest.raises(Malformed):
        read_media_type(text)


def _extend(parts: list[tuple[Mapping[str, str], bytearray]], view: memoryview) -> None:
    parts[-1][1].extend(view)
