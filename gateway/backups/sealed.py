"""Keys in a backup: one file, encrypted with a passphrase that is nowhere in the backup.

AES-256-GCM under a key by scrypt (RFC 7914; cost as OWASP advises for 2026: N = 2^17, r = 8, p = 1, 128 MB).
"""

import io
import secrets
import tarfile
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from adapters.errors import Malformed

_MAGIC = b"SCGKEYS1"
_SALT_BYTES, _NONCE_BYTES = 16, 12
_COST = 1 << 17


class WrongPassphrase(Exception):
    """The passphrase does not open the keys, or somebody changed them."""


def seal(folder: Path, passphrase: str) -> bytes:
    """Every file of a folder of keys."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                tar.add(path, path.relative_to(folder).as_posix())
    salt, nonce = secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(_NONCE_BYTES)
    return _MAGIC + salt + nonce + _cipher(passphrase, salt).encrypt(nonce, packed.getvalue(), _MAGIC)


def unseal(data: bytes, passphrase: str) -> dict[str, bytes]:
    """The files by their names. Raises WrongPassphrase; Malformed when it is no sealed folder."""
    head = len(_MAGIC) + _SALT_BYTES + _NONCE_BYTES
    if not data.startswith(_MAGIC) or len(data) < head:
        raise Malformed("no sealed keys")
    salt, nonce = data[len(_MAGIC) : len(_MAGIC) + _SALT_BYTES], data[head - _NONCE_BYTES : head]
    try:
        packed = _cipher(passphrase, salt).decrypt(nonce, data[head:], _MAGIC)
    except InvalidTag as error:
        raise WrongPassphrase from error
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        return {one.name: _content(tar, one) for one in tar.getmembers() if one.isfile()}


def _cipher(passphrase: str, salt: bytes) -> AESGCM:
    return AESGCM(Scrypt(salt=salt, length=32, n=_COST, r=8, p=1).derive(passphrase.encode()))


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    if file is None or member.name.startswith("/") or ".." in member.name.split("/"):
        raise Malformed("sealed keys with a name that is none")
    return file.read()
