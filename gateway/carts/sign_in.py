"""Who may sign in as a device: by the account and password that stand in the listeners' snapshot.

Guessing is slowed by account and by address, as it is for people; all of it in memory, for there may be no database.
"""

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from gateway import accounts as people
from gateway.carts.accounts import Account, Accounts
from gateway.snapshot import same_address

log = structlog.get_logger()

ACCOUNT_TRIES, ADDRESS_TRIES = 5, 20
FIRST_DELAY_S, LONGEST_DELAY_S = 30.0, 900.0
FORGOTTEN_S = 3600.0
SHOWN_S = 900.0  # so long IT sees that a device could not sign in
MOST_SUBJECTS = 10_000


@dataclass(slots=True)
class _Failures:
    count: int = 0
    last_at: float = 0.0
    locked_until: float = 0.0


class Doorkeeper:
    """Admits devices. For any thread."""

    def __init__(self, accounts: Accounts, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._accounts, self._clock = accounts, clock
        self._lock = threading.Lock()
        self._failures: dict[str, _Failures] = {}
        self._key = secrets.token_bytes(32)
        self._right: dict[str, tuple[str, bytes]] = {}  # a password that was right costs no argon2 again

    def admit(self, name: str, password: str, address: str) -> Account | None:
        """The device, or None; never says why."""
        now = self._clock()
        subjects = {f"account:{name[:64]}": ACCOUNT_TRIES, f"address:{address}": ADDRESS_TRIES}
        with self._lock:
            account = (self._accounts.read() or {}).get(name)
            if any(self._failures.get(one, _Failures()).locked_until > now for one in subjects):
                return None
        if account is not None and self._is_right(account, password) and _is_at_home(account, address):
            with self._lock:
                for one in subjects:
                    self._failures.pop(one, None)
            return account
        if account is None:
            people.is_password(password, None)
        log.warning("ftp_login_failed", account=name[:64] if account else "", address=address)
        self._note_failure(subjects, now, known=account is not None)
        return None

    def failing(self, now: float) -> list[str]:
        """The accounts that could not sign in lately, and have not since."""
        with self._lock:
            return sorted(
                subject.partition(":")[2]
                for subject, one in self._failures.items()
                if subject.startswith("account:") and now - one.last_at < SHOWN_S
            )

    def _is_right(self, account: Account, password: str) -> bool:
        if account.password_hash is None:
            return people.is_password(password, None)
        digest = hmac.digest(self._key, password.encode(), hashlib.sha256)
        known = self._right.get(account.name)
        if known is not None and known[0] == account.password_hash and hmac.compare_digest(known[1], digest):
            return True
        if not people.is_password(password, account.password_hash):
            return False
        self._right[account.name] = account.password_hash, digest
        return True

    def _note_failure(self, subjects: dict[str, int], now: float, *, known: bool) -> None:
        with self._lock:
            if len(self._failures) > MOST_SUBJECTS:
                self._failures.clear()
            for subject, tries in subjects.items():
                if subject.startswith("account:") and not known:
                    continue  # names that somebody makes up must not fill our memory
                one = self._failures.setdefault(subject, _Failures())
                if now - one.last_at > FORGOTTEN_S:
                    one.count = 0
                one.count, one.last_at = one.count + 1, now
                if one.count >= tries:
                    one.locked_until = now + min(FIRST_DELAY_S * 2 ** (one.count - tries), LONGEST_DELAY_S)


def _is_at_home(account: Account, address: str) -> bool:
    return account.address is None or same_address(account.address, address)
