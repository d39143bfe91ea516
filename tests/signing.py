"""What signatures are tested with: a SoftHSM2 token, a time-stamping authority and an SM2 authority by `openssl`."""

import contextlib
import http.server
import os
import secrets
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pkcs11
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pkcs11 import Attribute
from pkcs11.util.rsa import decode_rsa_private_key
from pkcs11.util.x509 import decode_x509_certificate

from tests.servers import need

SOFTHSM = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "123456"


@dataclass(frozen=True, kw_only=True)
class SoftToken:
    """A token of SoftHSM2. The module reads where its tokens lie from the environment."""

    label: str
    module: Path = SOFTHSM
    pin: str = PIN

    def put(
        self, label: str, certificate_pem: bytes, key_pem: bytes, *, key_label: str = "", id: bytes = b""
    ) -> None:
        """A key and its certificate, as the authority that hands out tokens puts them there."""
        key = serialization.load_pem_private_key(key_pem, None)
        der = key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        certificate = x509.load_pem_x509_certificate(certificate_pem)
        names = {Attribute.LABEL: label, Attribute.ID: id}
        with (
            pkcs11.lib(str(self.module))
            .get_token(token_label=self.label)
            .open(user_pin=self.pin, rw=True) as session
        ):
            if isinstance(key, rsa.RSAPrivateKey):
                private = decode_rsa_private_key(der)
                session.create_object(
                    {**private, **names, Attribute.LABEL: key_label or label, Attribute.TOKEN: True}
                )
            session.create_object(
                {
                    **decode_x509_certificate(certificate.public_bytes(serialization.Encoding.DER)),
                    **names,
                    Attribute.TOKEN: True,
                }
            )


def make_token(folder: Path) -> SoftToken:
    """A new token in a folder of its own; later ones of this process lie beside it."""
    need("softhsm2-util", "Debian's package softhsm2")
    if "SOFTHSM2_CONF" not in os.environ:
        (folder / "tokens").mkdir()
        (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\n")
        os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
    token = SoftToken(label=f"token-{secrets.token_hex(4)}")
    init = [
        "softhsm2-util",
        "--init-token",
        "--free",
        "--label",
        token.label,
        "--so-pin",
        "87654321",
        "--pin",
        PIN,
    ]
    _run(*init)
    pkcs11.lib(str(SOFTHSM)).reinitialize()
    return token


@dataclass(kw_only=True)
class StampAuthority:
    """A time-stamping authority: `openssl ts` behind a small HTTP server. What it answers can be spoilt."""

    folder: Path
    certificate_pem: bytes
    url: str = ""
    away: bool = False
    answer: bytes | None = None
    asked: int = 0
    seen: list[str | None] = field(default_factory=list)

    def reply(self, query: bytes) -> bytes:
        self.asked += 1
        if self.answer is not None:
            return self.answer
        (self.folder / "query.tsq").write_bytes(query)
        _run(
            "openssl", "ts", "-reply", "-config", "ts.cnf", "-queryfile", "query.tsq", "-out", "reply.tsr",
            cwd=self.folder,
        )  # fmt: skip
        return (self.folder / "reply.tsr").read_bytes()


TS_CONFIG = """
[tsa]
default_tsa = county
[county]
serial = serial
signer_cert = tsa.pem
certs = tsa.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


@contextlib.contextmanager
def stamp_authority(folder: Path) -> Iterator[StampAuthority]:
    """It answers on loopback until the block ends."""
    need("openssl", "Debian's package openssl")
    _run(
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "tsa.key", "-out", "tsa.pem",
        "-days", "3650", "-subj", "/O=NTSC/CN=County TSA", "-addext", "extendedKeyUsage=critical,timeStamping",
        "-addext", "keyUsage=critical,digitalSignature", cwd=folder,
    )  # fmt: skip
    (folder / "serial").write_text("01\n")
    (folder / "ts.cnf").write_text(TS_CONFIG)
    authority = StampAuthority(folder=folder, certificate_pem=(folder / "tsa.pem").read_bytes())

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            authority.seen.append(self.headers["Authorization"])
            if authority.away:
                self.send_error(503)
                return
            content = authority.reply(query)
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    authority.url = f"http://127.0.0.1:{server.server_address[1]}/tsa"
    try:
        yield authority
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass(frozen=True, kw_only=True)
class Sm2Authority:
    """An SM2 root and an institution certified by it, as files of `openssl`."""

    folder: Path

    @property
    def root_pem(self) -> bytes:
        return self.read("root.pem")

    @property
    def certificate_pem(self) -> bytes:
        return self.read("seal.pem")

    @property
    def key_pem(self) -> bytes:
        return self.read("seal.key")

    def read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()


IDENTIFIER = "distid:1234567812345678"


def sm2_authority(folder: Path, *, now: datetime) -> Sm2Authority:
    """Valid from a year before `now`."""
    need("openssl", "Debian's package openssl")
    for name in ("root", "seal"):
        _run("openssl", "genpkey", "-algorithm", "SM2", "-out", f"{name}.key", cwd=folder)
    (folder / "ca.cnf").write_text(
        "[ca]\ndefault_ca = c\n[c]\ndatabase = index.txt\nserial = ca.serial\nnew_certs_dir = .\ndefault_md = sm3\n"
        "policy = p\nunique_subject = no\n[p]\norganizationName = optional\ncommonName = supplied\n"
        "[root]\nbasicConstraints = critical,CA:true\nkeyUsage = critical,keyCertSign\n"
        "[leaf]\nbasicConstraints = critical,CA:false\nkeyUsage = critical,digitalSignature,nonRepudiation\n"
    )
    (folder / "index.txt").write_text("")
    (folder / "ca.serial").write_text("01\n")
    since, until = (f"{at:%Y%m%d%H%M%SZ}" for at in (now - timedelta(days=365), now + timedelta(days=3650)))
    subjects = {"root": "/O=SM2/CN=SM2 root", "seal": "/O=县人民医院/CN=县人民医院电子签章"}
    for name, extensions in (("root", "root"), ("seal", "leaf")):
        _run("openssl", "req", "-new", "-key", f"{name}.key", "-sm3", "-sigopt", IDENTIFIER, "-utf8",
             "-subj", subjects[name], "-out", f"{name}.csr", cwd=folder)  # fmt: skip
        signer = (
            ["-selfsign", "-keyfile", "root.key"]
            if name == "root"
            else ["-cert", "root.pem", "-keyfile", "root.key"]
        )
        _run("openssl", "ca", "-batch", "-config", "ca.cnf", "-utf8", "-in", f"{name}.csr", "-out", f"{name}.pem", "-notext",
             "-startdate", since, "-enddate", until, "-extensions", extensions, "-vfyopt", IDENTIFIER,
             "-sigopt", IDENTIFIER, *signer, cwd=folder)  # fmt: skip
    return Sm2Authority(folder=folder)


def _run(*command: str, cwd: Path | None = None) -> bytes:
    done = subprocess.run(command, cwd=cwd, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout
