"""What the settings say of signing: the token, the time-stamping authority, the seal, and the chain of certificates."""

from asn1crypto import pem  # type: ignore[import-untyped]

from adapters.reports.signing.pades import read_certificate, read_certificates
from adapters.reports.signing.port import CannotSign, Cause, Seal
from adapters.reports.signing.sm2 import Sm2Seal
from adapters.reports.signing.stamping import TimeStampServer
from adapters.reports.signing.token import Token
from gateway.settings import Settings
from gateway.signing_files import read_file

LONGEST_CHAIN = 5


def get_token(settings: Settings) -> Token:
    """The token on which people's keys lie. Raises CannotSign where none is set."""
    if settings.pkcs11_module is None or settings.pkcs11_label is None or settings.pkcs11_pin is None:
        raise CannotSign(Cause.TOKEN_NOT_SET)
    return Token(
        module=settings.pkcs11_module,
        label=settings.pkcs11_label,
        pin=settings.pkcs11_pin,
        refused_pin=settings.data_dir / "keys" / "refused-pin",
    )


def find_stamper(settings: Settings) -> TimeStampServer | None:
    if settings.timestamp_url is None:
        return None
    return TimeStampServer(settings.timestamp_url, timeout_s=settings.timestamp_timeout_s)


def find_seal(settings: Settings) -> Seal | None:
    """The institution's seal, read anew each time: files are renewed while we run. Raises CannotSign."""
    if settings.sm2_certificate is None or settings.sm2_key is None:
        return None
    return Sm2Seal(read_file(settings.sm2_certificate), read_file(settings.sm2_key))


def chain_of(settings: Settings, certificate_pem: bytes) -> list[bytes]:
    """The issuers of a certificate, as far as the settings name them: whoever verifies needs them at hand."""
    if settings.signing_roots is None:
        return []
    known = read_certificates(read_file(settings.signing_roots))
    chain, last = [], read_certificate(certificate_pem)
    for _ in range(LONGEST_CHAIN):
        issuer = next((one for one in known if one.subject == last.issuer), None)
        if issuer is None or issuer == last:
            break
        chain.append(issuer)
        last = issuer
    return [bytes(pem.armor("CERTIFICATE", issuer.dump())) for issuer in chain]
