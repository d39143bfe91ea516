"""TLS as a county switches it on: the commands, a device with its certificate, one with an exception, one revoked."""

import ssl
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import httpx
import pytest
from pydicom.data import get_testdata_file

from tests.gateway.lab.listening import Hl7Line, oru
from tests.journeys.gateways import Gateway, get_json, run_dcmtk, wait_for
from tests.servers import free_ports

CT = Path(str(get_testdata_file("CT_small.dcm")))


@pytest.fixture(scope="module")
def county(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A demonstration county where TLS is required, and DEMO_CT has its certificate."""
    folder = tmp_path_factory.mktemp("tls")
    with Gateway(folder / "gateway-data", dicom_tls_port=free_ports(1)[0]) as gateway:
        for words in (["migrate"], ["certificate", "authority"], ["certificate", "issue", "DEMO_CT"],
                      ["certificate", "issue", "DEMO_LAB"]):  # fmt: skip
            ran = gateway.run(*words)
            assert ran.returncode == 0, ran.stderr
        said = gateway.run("certificate", "gateway", "127.0.0.1").stdout
        printed = dict(line.split("=", 1) for line in said.splitlines() if line.startswith("GATEWAY_TLS_"))
        gateway.set(**{name.removeprefix("GATEWAY_").lower(): value for name, value in printed.items()})
        gateway.set(dicom_require_tls=True)
        yield gateway.start()


def over_tls(gateway: Gateway, calling: str = "DEMO_CT") -> str:
    folder = gateway.data_dir / "DEMO_CT"
    options = ["-v", "+tls", folder / "key.pem", folder / "certificate.pem", "+cf", folder / "authority.pem"]
    port = gateway.settings.dicom_tls_port
    return run_dcmtk("storescu", port, CT, options=map(str, options), calling=calling).stdout


def plain(gateway: Gateway) -> str:
    return run_dcmtk("storescu", gateway.dicom_port, CT, options=["-v"]).stdout


@pytest.fixture(scope="module")
def it(county: Gateway) -> Iterator[httpx.Client]:
    client = county.sign_in("it")
    yield client
    client.close()


def wait_until_shown(it: httpx.Client, cause: str, county: Gateway) -> None:
    def shown() -> bool:
        return cause in {row["cause"] for row in get_json(it, "/api/v1/system/refusals")}

    wait_for(shown, 30, f"the IT page shows {cause}", county.log)


def test_a_device_with_its_certificate_stores(county: Gateway) -> None:
    assert "Received Store Response (Success)" in over_tls(county)


def test_an_analyser_with_its_certificate_is_acknowledged_and_counted(
    county: Gateway, it: httpx.Client
) -> None:
    folder = county.data_dir / "DEMO_LAB"
    context = ssl.create_default_context(cafile=folder / "authority.pem")
    with Hl7Line(county.settings.mllp_tls_port, tls=context) as line:
        assert line.ask(oru()) == ""  # known by its address: the line is closed, nothing is answered
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    with Hl7Line(county.settings.mllp_tls_port, tls=context) as line:
        assert "MSA|AA|1" in line.ask(oru())

    wait_until_shown(it, "certificate_missing", county)
    listeners = get_json(it, "/api/v1/system")["listeners"]
    assert {"hl7", "hl7-tls", "astm", "astm-tls"} <= {one["name"] for one in listeners}


def test_another_devices_title_with_that_certificate_is_rejected(county: Gateway, it: httpx.Client) -> None:
    assert "Calling AE Title Not Recognized" in over_tls(county, calling="DEMO_DR")
    wait_until_shown(it, "certificate_wrong", county)


def test_without_encryption_it_needs_an_exception(county: Gateway, it: httpx.Client) -> None:
    assert "Rejected Permanent" in plain(county)
    wait_until_shown(it, "tls_required", county)

    admin = county.sign_in("admin")
    devices = get_json(admin, "/api/v1/devices")["items"]
    (device,) = (one["id"] for one in devices if one["ae_title"] == "DEMO_CT")
    changed = admin.patch(
        f"/api/v1/devices/{device}",
        json={"tls_exception": "plain", "tls_exception_reason": "旧设备",
              "tls_exception_until": str(date.today() + timedelta(days=5))},  # noqa: DTZ011
    )  # fmt: skip
    assert changed.status_code == 200, changed.text

    admin.close()

    wait_for(lambda: "(Success)" in plain(county), 30, "the exception is known at the door", county.log)
    assert "exception_ending" in {fault["code"] for fault in get_json(it, "/api/v1/system")["faults"]}


def test_a_revoked_certificate_is_refused_without_a_restart(county: Gateway, it: httpx.Client) -> None:
    ran = county.run("certificate", "revoke", "DEMO_CT")
    assert ran.returncode == 0, ran.stderr

    wait_for(lambda: "(Success)" not in over_tls(county), 30, "the revocation is known", county.log)
    wait_until_shown(it, "certificate_revoked", county)
