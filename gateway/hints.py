"""A hint between the processes of one tree: something may be due, look sooner than you would."""

import os
import select


class Hint:
    """Made before the fork; set by anybody, waited for by one. Losing one costs only time."""

    def __init__(self) -> None:
        self._handle = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._handle, select.POLLIN)

    def set(self) -> None:
        os.eventfd_write(self._handle, 1)

    def wait(self, timeout_s: float) -> bool:
        """Whether it was set, since the last time or within so long."""
        if not self._poll.poll(timeout_s * 1000):
            return False
        try:
            os.eventfd_read(self._handle)
        except BlockingIOError:  # somebody else was told
            return False
        return True
