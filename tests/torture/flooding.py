"""Peers that wear a listener out, as a process of its own: `python -m tests.torture.flooding KIND PORT`.

It says a line once it has reached the listener.
"""

import random
import socket
import sys
import time
from collections.abc import Callable, Iterator

from tests.adapters.dicom import wire
from tests.adapters.dicom.wire import Peer, p_data

SEED = 20261122
IDLE = 1000
OPENED_PER_S = 100
EACH_STATE = 25
FLOODER = b"DEMO_DR"  # another device than the one that has studies to send


def stay_silent(port: int) -> None:
    """A thousand connections that say nothing; whoever is cut comes again."""
    held = [connect(port) for _ in range(IDLE)]
    while True:
        held = [one if is_open(one) else connect(port) for one in held]
        time.sleep(0.2)


def drip(port: int) -> None:
    """Slow-loris in every state: a byte now and then, of whatever comes next."""
    lines = [(start(port), endless) for start, endless in STATES.values() for _ in range(EACH_STATE)]
    while True:
        for at, (connection, endless) in enumerate(lines):
            try:
                connection.sendall(next(endless))
            except OSError:
                start, again = list(STATES.values())[at // EACH_STATE]
                lines[at] = start(port), again
        time.sleep(0.5)


def open_and_drop(port: int) -> None:
    """A hundred connections a second, every other one with an association, gone at once."""
    began, count = time.monotonic(), 0
    while True:
        connection = connect(port)
        if count % 2:
            Peer(connection).send(wire.associate_rq(calling=FLOODER))
        connection.close()
        count += 1
        time.sleep(max(0.0, began + count / OPENED_PER_S - time.monotonic()))


def send_garbage(port: int) -> None:
    """Random bytes, some behind a good beginning."""
    chance = random.Random(SEED)
    while True:
        connection = connect(port)
        try:
            if chance.random() < 0.5:
                Peer(connection).send(wire.associate_rq(calling=FLOODER))
            connection.sendall(chance.randbytes(chance.randint(1, 100_000)))
        except OSError:
            continue  # cut, as it should be
        finally:
            connection.close()
        time.sleep(0.01)


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def is_open(connection: socket.socket) -> bool:
    try:
        return connection.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False


def _associated(port: int) -> socket.socket:
    connection = connect(port)
    peer = Peer(connection)
    peer.send(wire.associate_rq(calling=FLOODER))
    peer.read_pdu()  # accepted, or one too many of this device
    return connection


def _in_a_command(port: int) -> socket.socket:
    connection = _associated(port)
    Peer(connection).send(p_data(3, 1, wire.store_rq()[:10]))
    return connection


def _in_a_data_set(port: int) -> socket.socket:
    connection = _associated(port)
    Peer(connection).send(p_data(3, 3, wire.store_rq()))
    return connection


def _bytes_of(message: bytes) -> Iterator[bytes]:
    while True:
        yield from (bytes([byte]) for byte in message)


def _of(piece: bytes) -> Iterator[bytes]:
    while True:
        yield piece


# How it gets there, and what it drips.
STATES: dict[str, tuple[Callable[[int], socket.socket], Iterator[bytes]]] = {
    "awaiting a request": (connect, _bytes_of(wire.associate_rq(calling=FLOODER)[:-1])),
    "established": (_associated, _bytes_of(p_data(1, 3, wire.echo_rq()))),
    "in a command": (_in_a_command, _of(p_data(3, 1, b"\0"))),
    "in a data set": (_in_a_data_set, _of(p_data(3, 0, b"\0\0"))),
}
KINDS = {"silent": stay_silent, "drip": drip, "drop": open_and_drop, "garbage": send_garbage}

if __name__ == "__main__":
    connect(int(sys.argv[2])).close()
    print("begun", flush=True)
    KINDS[sys.argv[1]](int(sys.argv[2]))
