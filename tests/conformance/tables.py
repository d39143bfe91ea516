"""The tables of the DICOM conformance statement, out of the code: `python -m tests.conformance.tables` writes them."""

from pathlib import Path

from pydicom.uid import UID_dictionary

from adapters.dicom.association import Config
from adapters.dicom.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from adapters.dicom.negotiation import STORAGE_CLASSES, VERIFICATION
from adapters.dicom.tls import SUITES_OF_TLS_1_2, TlsFiles, TlsServer
from adapters.dicom.transfer_syntaxes import ENCODINGS, Encoding
from gateway.settings import Settings

STATEMENT = Path(__file__).resolve().parents[2] / "docs" / "conformance" / "dicom.md"
TABLES = STATEMENT.with_name("dicom-tables.md")
_HEAD = """# DICOM conformance: tables

Written out of the code by `python -m tests.conformance.tables`; a test compares them. The statement is [dicom.md](dicom.md).
"""
# Registered after pydicom's table was made.
_NEWER_NAMES = {
    "1.2.840.10008.1.2.4.110": "JPEG XL Lossless",
    "1.2.840.10008.1.2.4.111": "JPEG XL JPEG Recompression",
    "1.2.840.10008.1.2.4.112": "JPEG XL",
    "1.2.840.10008.1.2.8.1": "Deflated Image Frame Compression",
}


def write_tables() -> str:
    """All of them, as Markdown."""
    parts = (_HEAD, _limits(), _tls(), _transfer_syntaxes(), _sop_classes())
    return "\n".join(parts)


def name_of(uid: str) -> str:
    """As the dictionary has it."""
    known = UID_dictionary.get(uid)
    return known[0].replace("|", "/") if known else _NEWER_NAMES.get(uid, "")


def _limits() -> str:
    settings, config = Settings.model_construct(), Config()  # the defaults, whatever the environment says
    rows = (
        ("Port, plain", settings.dicom_port, "GATEWAY_DICOM_PORT"),
        ("Port, TLS (once there is a certificate)", settings.dicom_tls_port, "GATEWAY_DICOM_TLS_PORT"),
        ("AE title", settings.dicom_ae_title, "GATEWAY_DICOM_AE_TITLE"),
        ("Called AE title checked", settings.dicom_check_called_ae_title, "GATEWAY_DICOM_CHECK_CALLED_AE_TITLE"),
        ("TLS required", settings.dicom_require_tls, "GATEWAY_DICOM_REQUIRE_TLS"),
        ("Unknown storage classes accepted", settings.dicom_accept_unknown_storage,
         "GATEWAY_DICOM_ACCEPT_UNKNOWN_STORAGE"),
        ("Associations at once, in all", settings.dicom_max_associations, "GATEWAY_DICOM_MAX_ASSOCIATIONS"),
        ("Associations at once, of one device", settings.dicom_max_associations_per_peer,
         "GATEWAY_DICOM_MAX_ASSOCIATIONS_PER_PEER"),
        ("Idle association ended after (s)", settings.dicom_idle_timeout_s, "GATEWAY_DICOM_IDLE_TIMEOUT_S"),
        ("ARTIM (s)", config.artim_s, ""),
        ("Maximum PDU length received", config.maximum_length, ""),
        ("Implementation Class UID", IMPLEMENTATION_CLASS_UID, ""),
        ("Implementation Version Name", IMPLEMENTATION_VERSION_NAME, ""),
    )  # fmt: skip
    lines = [
        f"| {name} | {_say(value)} | {f'`{setting}`' if setting else ''} |" for name, value, setting in rows
    ]
    return _table("Defaults", "| what | value | setting |", lines)


def _tls() -> str:
    lines = [f"| TLS 1.2 | {suite} |" for suite in SUITES_OF_TLS_1_2]
    lines += [f"| TLS 1.3 | {suite} |" for suite in suites_of_tls_1_3()]
    return _table("Cipher suites", "| version | suite |", lines)


def suites_of_tls_1_3() -> list[str]:
    """As OpenSSL offers them in the context that the listener uses."""
    import tempfile

    from tests.adapters.dicom.tls_files import Pki

    with tempfile.TemporaryDirectory() as folder:
        pki = Pki(Path(folder))
        offered = TlsServer(TlsFiles(certificate=pki.certificate, key=pki.key)).context().get_ciphers()
    return sorted(str(one["name"]) for one in offered if str(one["name"]).startswith("TLS_"))


def _transfer_syntaxes() -> str:
    lines = [
        f"| {name_of(uid)} | {uid} | {_encoding(encoding)} |"
        for uid, encoding in sorted(ENCODINGS.items(), key=lambda item: _numbers(item[0]))
    ]
    return _table("Transfer syntaxes", "| name | UID | elements |", lines)


def _sop_classes() -> str:
    lines = [
        f"| {name_of(uid)} | {uid} | no | yes |"
        for uid in sorted({VERIFICATION, *STORAGE_CLASSES}, key=_numbers)
    ]
    return _table("SOP classes on associations that others open", "| name | UID | SCU | SCP |", lines)


def _table(title: str, head: str, lines: list[str]) -> str:
    rule = "|" + "---|" * (head.count("|") - 1)
    return "\n".join([f"## {title}", "", head, rule, *lines, ""])


def _encoding(encoding: Encoding) -> str:
    vr = "implicit VR" if encoding.implicit_vr else "explicit VR"
    order = "big endian" if encoding.big_endian else "little endian"
    return f"{vr}, {order}{', deflated' if encoding.deflated else ''}"


def _say(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _numbers(uid: str) -> tuple[int, ...]:
    return tuple(map(int, uid.split(".")))


if __name__ == "__main__":
    TABLES.write_text(write_tables(), encoding="utf-8")
