"""Over what a device may connect: TLS, certificates, exceptions."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from adapters.dicom.ports import AssociationRefused, Certificate, Tls
from gateway.connecting import Policy, check_connection, read_certificate_name

NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)  # in the county
TODAY = "2026-11-22"
FINGERPRINT = "ab" * 32
OPEN, STRICT = Policy(asks_for_certificates=True), Policy(asks_for_certificates=True, require_tls=True)
BARE = Tls(version="TLSv1.3")


def shown(common_name: str, *, subject: str | None = None, fingerprint: str = FINGERPRINT) -> Tls:
    certificate = Certificate(
        fingerprint=fingerprint, subject=subject or f"CN={common_name}", common_name=common_name
    )
    return Tls(version="TLSv1.3", certificate=certificate)


def device(*certificates: str, exception: str = "none", until: str = "") -> dict[str, Any]:
    return {
        "device_id": "d",
        "certificates": list(certificates),
        "tls_exception": exception,
        "tls_exception_until": until,
    }


def verdict(known: dict[str, Any], tls: Tls | None, policy: Policy, *, now: datetime = NOON) -> str:
    try:
        check_connection("CT1", known, tls, policy, now=now)
    except AssociationRefused as refusal:
        assert (refusal.result, refusal.source) == (1, 1)
        assert refusal.device.get("device_id") == known.get("device_id")
        return f"{refusal.cause} {refusal.reason}"
    return "let in"


@pytest.mark.parametrize(
    ("known", "tls", "policy", "expected"),
    [
        (device(), None, OPEN, "let in"),
        (device(FINGERPRINT), None, OPEN, "let in"),
        (device(), None, STRICT, "tls_required 1"),
        ({}, None, STRICT, "tls_required 1"),
        (device(exception="plain", until=TODAY), None, STRICT, "let in"),
        (device(exception="no_certificate", until=TODAY), None, STRICT, "tls_required 1"),
        (device(exception="plain", until="2026-11-21"), None, STRICT, "exception_over 1"),
        (device(), shown("CT1"), STRICT, "let in"),
        (device(), shown("CT2"), STRICT, "certificate_wrong 3"),
        (device(), shown("CT2"), OPEN, "certificate_wrong 3"),
        ({}, shown("CT1"), STRICT, "let in"),
        ({}, shown("CT2"), STRICT, "certificate_wrong 3"),
        (device(), BARE, OPEN, "certificate_missing 3"),
        ({}, BARE, OPEN, "certificate_missing 3"),
        (device(), BARE, Policy(), "let in"),
        (device(FINGERPRINT), BARE, Policy(), "certificate_missing 3"),
        (device(exception="no_certificate", until=TODAY), BARE, STRICT, "let in"),
        (device(exception="plain", until=TODAY), BARE, STRICT, "let in"),
        (device(exception="no_certificate", until="2026-11-21"), BARE, OPEN, "exception_over 3"),
        (device(exception="no_certificate", until=TODAY), shown("CT2"), OPEN, "certificate_wrong 3"),
        (device(FINGERPRINT), shown("SOMETHING"), OPEN, "let in"),
        (device("cd" * 32), shown("CT1"), OPEN, "certificate_wrong 3"),
        (device("cd" * 32, FINGERPRINT), shown("CT1"), OPEN, "let in"),
        (device("O=东乡,CN=US 1"), shown("US 1", subject="CN=US 1,O=东乡"), OPEN, "let in"),
        (device("CN=US 1"), shown("US 1", subject="CN=US 1,O=东乡"), OPEN, "certificate_wrong 3"),
    ],
)
def test_who_may_come_how(known: dict[str, Any], tls: Tls | None, policy: Policy, expected: str):
    assert verdict(known, tls, policy) == expected


def test_an_exception_lasts_until_the_end_of_its_last_day_in_the_county():
    known = device(exception="plain", until=TODAY)
    midnight = datetime(2026, 11, 22, 16, 0, tzinfo=UTC)

    assert verdict(known, None, STRICT, now=midnight - timedelta(seconds=1)) == "let in"
    assert verdict(known, None, STRICT, now=midnight) == "exception_over 1"


def test_a_snapshot_of_an_older_version_lets_devices_in_as_before():
    assert verdict({"device_id": "d"}, None, OPEN) == "let in"
    assert verdict({"device_id": "d"}, shown("CT1"), OPEN) == "let in"


@pytest.mark.parametrize(
    ("pasted", "kept"),
    [
        ("AB:" * 31 + "AB", FINGERPRINT),
        (f"sha256 Fingerprint={'AB:' * 31}AB", FINGERPRINT),
        (f" {FINGERPRINT.upper()} ", FINGERPRINT),
        ("CN=CT1", "CN=CT1"),
        ("subject=CN = CT1, O = 东乡", "CN=CT1,O=东乡"),
    ],
)
def test_certificates_are_named_as_other_programs_print_them(pasted: str, kept: str):
    assert read_certificate_name(pasted) == kept


@pytest.mark.parametrize("pasted", ["", "CT1", "ab" * 31, "CN", "=x", "NOSUCH=x"])
def test_what_names_no_certificate_is_not_taken(pasted: str):
    with pytest.raises(ValueError, match=r".*"):
        read_certificate_name(pasted)


def test_the_day_may_be_a_date():
    from gateway.connecting import ends_at

    assert ends_at(date(2026, 11, 22)) == ends_at("2026-11-22")
