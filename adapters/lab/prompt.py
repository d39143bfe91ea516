"""Acknowledging what a peer sent at once, where nothing is answered that would carry the acknowledgement.

A sender that leaves Nagle's algorithm on (RFC 896), as most analysers do, sends no second short segment before the
first is acknowledged. Where it waits for no answer (behind EOT, inside a message that it writes in parts) a kernel
that delays its acknowledgement (RFC 1122 §4.2.3.2) costs it 40 ms each time.
"""

import asyncio
import socket

_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux


def acknowledge(transport: asyncio.BaseTransport) -> None:
    """What was read until now. It is not remembered: the kernel goes back to delaying by itself."""
    connection = transport.get_extra_info("socket")
    if _QUICKACK is not None and connection is not None and connection.fileno() >= 0:
        connection.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
