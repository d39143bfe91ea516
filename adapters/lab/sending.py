"""Sending ASTM messages over TCP as an analyser does, one after the other (LIS1-A §8)."""

import socket
import time
from collections.abc import Iterable, Iterator

from adapters.errors import Malformed, PeerRejected, PeerUnreachable
from adapters.lab.framing import write_frames
from adapters.lab.link import Delivered, Event, Link, LinkSettings, Say, Undelivered

_READ_BYTES = 65_536


def send(
    messages: Iterable[bytes], host: str, port: int, *, settings: LinkSettings | None = None
) -> Iterator[None]:
    """Send each message, its records ended by CR; yields when its last frame was acknowledged.

    Raises PeerUnreachable when the line breaks or nobody answers, PeerRejected when frames or bids are refused,
    Malformed for a message without a record.
    """
    settings = settings or LinkSettings(is_analyser=True)
    try:
        with socket.create_connection((host, port), timeout=settings.reply_s) as line:
            link = Link(settings)
            for message in messages:
                frames = write_frames(message)
                if not frames:
                    raise Malformed("a message without a record cannot be sent")
                _deliver(line, link, frames)
                yield
    except OSError as error:
        raise PeerUnreachable(f"{host}:{port}: {error}") from error


def _deliver(line: socket.socket, link: Link, frames: list[bytes]) -> None:
    events = link.send(frames, time.monotonic())
    while not _is_over(line, events):
        events = _wait(line, link)


def _is_over(line: socket.socket, events: list[Event]) -> bool:
    over = False
    for event in events:
        match event:
            case Say(data):
                line.sendall(data)
            case Delivered():
                over = True
            case Undelivered(cause):
                raise PeerRejected(cause)
            case _:  # what the peer has to say itself is not heard here
                pass
    return over


def _wait(line: socket.socket, link: Link) -> list[Event]:
    """What comes, or what follows from nothing coming in time."""
    deadline, now = link.deadline, time.monotonic()
    line.settimeout(max(0.01, deadline - now) if deadline is not None else None)
    try:
        received = line.recv(_READ_BYTES)
    except TimeoutError:
        return link.tick(time.monotonic())
    if not received:
        raise ConnectionError("closed before it answered")
    return link.receive(received, time.monotonic())
