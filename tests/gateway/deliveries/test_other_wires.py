"""Reports by C-STORE to an Orthanc, by webhook to an HTTP server, by mail to an SMTP server with TLS."""

import base64
import hashlib
import hmac
import json
import shutil
import ssl
import threading
from collections.abc import Iterator
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult
from pydicom import dcmread

from adapters.errors import Unavailable
from gateway.audit import Actor
from gateway.deliveries.endpoints import Tried, try_endpoint
from gateway.deliveries.looking import resend
from gateway.deliveries.rows import Endpoint, EndpointWire
from gateway.directory import FieldErrors
from gateway.runtime import Runtime
from gateway.sealing import unseal
from tests.adapters.dicom.tls_files import Pki
from tests.conformance.peers import running_orthanc
from tests.conftest import Clock
from tests.gateway.deliveries.conftest import PDF, Post
from tests.servers import free_ports
from worklists.reports import Report

MAIL = {"host": "mail", "sender": "a@b.cn", "recipients": ["c@d.cn"]}
SECRET = "whsec_" + base64.b64encode(b"a key of thirty-two bytes or so!").decode()


@pytest.fixture
def database_url(sqlite_schema: Path, tmp_path: Path) -> str:
    """Of one kind: what differs by database is tested with HL7."""
    shutil.copyfile(sqlite_schema, tmp_path / "gateway.sqlite3")
    return f"sqlite:///{tmp_path / 'gateway.sqlite3'}"


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with running_orthanc(tmp_path_factory.mktemp("orthanc")) as client:
        yield client


def stored(orthanc: httpx.Client) -> dict[str, bytes]:
    """What it keeps, by modality."""
    files = [orthanc.get(f"/instances/{one}/file").content for one in orthanc.get("/instances").json()]
    return {dcmread(BytesIO(file)).Modality: file for file in files}


def test_a_pacs_gets_document_and_text_once_however_often_they_are_sent(
    runtime: Runtime, post: Post, orthanc: httpx.Client
) -> None:
    for one in orthanc.get("/instances").json():
        orthanc.delete(f"/instances/{one}")
    port = orthanc.get("/system").json()["DicomPort"]
    settings = {"called_ae_title": "ORTHANC", "within_s": 20}
    sr = post.endpoint(EndpointWire.DICOM_SR, port, name="SR", settings=settings)
    post.endpoint(EndpointWire.DICOM_PDF, port, name="PDF", settings={**settings, "character_set": "GB18030"})
    report_id = post.sign()
    assert try_endpoint(runtime, Actor(name="it"), sr) == Tried(reached=True, answer="C-ECHO 0000")
    post.send()
    post.send()
    assert [(one.state.value, one.answer) for one in post.deliveries()] == [("sent", "0000")] * 2
    for one in post.deliveries():
        resend(runtime, Actor(name="it"), one.id)
    post.send()
    post.send()

    assert post.states() == ["sent", "sent"]
    kept = stored(orthanc)
    assert len(orthanc.get("/instances").json()) == 2
    pdf, text = dcmread(BytesIO(kept["DOC"])), dcmread(BytesIO(kept["SR"]))
    text.decode()
    assert pdf.EncapsulatedDocument.startswith(PDF)
    assert [pdf.PatientName.ideographic, text.PatientName.ideographic] == ["仇^明"] * 2
    assert text.ContentSequence[-1].ContentSequence[0].TextValue == "心肺膈未见明显异常。"
    with runtime.reading() as session:
        study_uid = session.get_one(Report, report_id).examination.study_instance_uid
    assert pdf.StudyInstanceUID == text.StudyInstanceUID == study_uid


class Receiver(ThreadingHTTPServer):
    """Keeps what is posted; answers as it is told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Posted)
        self.posted: list[tuple[dict[str, str], bytes]] = []
        self.status, self.location = 200, ""


class _Posted(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing on the terminal of who runs the tests; what was posted is kept."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def tls(pki: Pki) -> ssl.SSLContext:
    """Of a server at 127.0.0.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.certificate, pki.key)
    return context


def hook(post: Post, receiver: Receiver, *, scheme: str = "http", **settings: Any) -> None:
    url = f"{scheme}://127.0.0.1:{receiver.server_port}/hook?from=county"
    stated = {"url": url, "within_s": 5, "allow_plain": scheme == "http", **settings}
    post.add(EndpointWire.WEBHOOK, stated, secret=SECRET)


def test_a_webhook_is_signed_and_a_repeat_is_known_by_its_key(
    runtime: Runtime, post: Post, receiver: Receiver
) -> None:
    hook(post, receiver)
    report_id = post.sign()
    post.send()
    [delivery] = post.deliveries()
    resend(runtime, Actor(name="it"), delivery.id)
    post.send()

    (headers, body), (again, same) = receiver.posted
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mac = hmac.new(b"a key of thirty-two bytes or so!", signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(mac).decode()}"
    assert (headers["idempotency-key"], body) == (again["idempotency-key"], same)
    said = json.loads(body)
    assert (said["type"], said["report_id"]) == ("report.signed", str(report_id))
    assert "patient" not in said
    assert "仇" not in body.decode()
    assert post.states() == ["sent"]


def test_a_webhook_with_the_report_goes_by_verified_tls(
    post: Post, receiver: Receiver, tls: ssl.SSLContext, pki: Pki
) -> None:
    receiver.socket = tls.wrap_socket(receiver.socket, server_side=True)
    hook(post, receiver, scheme="https", content="report", authorities_pem=pki.authority.read_text())
    post.sign()
    post.send()

    said = json.loads(receiver.posted[0][1])
    assert said["patient"]["name"] == "仇明"
    assert base64.b64decode(said["document"]["base64"]).startswith(PDF)
    assert post.states() == ["sent"]


def test_a_certificate_that_nobody_vouches_for_gets_nothing(
    runtime: Runtime, post: Post, receiver: Receiver, tls: ssl.SSLContext
) -> None:
    receiver.socket = tls.wrap_socket(receiver.socket, server_side=True)
    hook(post, receiver, scheme="https", content="report")
    post.sign()
    post.send()

    [delivery] = post.deliveries()
    assert receiver.posted == []
    assert (delivery.state.value, "certificate is not believed" in delivery.answer) == ("pending", True)


@pytest.mark.parametrize(
    ("status", "state", "waits"),
    [(204, "sent", False), (302, "pending", True), (401, "pending", True), (422, "refused", False), (500, "pending", False)],
)  # fmt: skip
def test_only_2xx_is_sent_and_no_redirect_is_followed(
    runtime: Runtime, post: Post, receiver: Receiver, status: int, state: str, waits: bool
) -> None:
    with Receiver() as elsewhere:
        threading.Thread(target=elsewhere.serve_forever, daemon=True).start()
        receiver.status, receiver.location = status, f"http://127.0.0.1:{elsewhere.server_port}/"
        hook(post, receiver)
        post.sign()
        post.send()
        elsewhere.shutdown()

    [delivery] = post.deliveries()
    with runtime.reading() as session:
        endpoint = session.get_one(Endpoint, delivery.endpoint_id)
    assert (delivery.state.value, endpoint.retry_at is not None) == (state, waits)
    assert (len(receiver.posted), elsewhere.posted) == (1, [])


@pytest.mark.parametrize(
    ("wire", "stated", "field"),
    [
        (EndpointWire.HL7_ORU, {"host": "169.254.169.254", "port": 2575}, "settings.host"),
        (EndpointWire.HL7_ORU, {"host": "his;rm", "port": 2575}, "settings.host"),
        (EndpointWire.HL7_ORU, {"host": "his", "port": 0}, "settings.port"),
        (EndpointWire.HL7_ORU, {"host": "his"}, "settings.port"),
        (EndpointWire.WEBHOOK, {"url": "http://his/hook"}, "settings.allow_plain"),
        (EndpointWire.WEBHOOK, {"url": "http://his/", "allow_plain": True, "content": "report"}, "settings.content"),
        (EndpointWire.WEBHOOK, {"url": "https://user:word@his/"}, "settings.url"),
        (EndpointWire.WEBHOOK, {"url": "file:///etc/passwd"}, "settings.url"),
        (EndpointWire.WEBHOOK, {"url": "https://his/hook"}, "secret"),
        (EndpointWire.DICOM_SR, {"host": "pacs", "port": 104}, "settings.called_ae_title"),
        (EndpointWire.MAIL, {**MAIL, "recipients": ["x\r\nBcc: y@z.cn"]}, "settings.recipients.0"),
        (EndpointWire.MAIL, {**MAIL, "recipients": []}, "settings.recipients"),
        (EndpointWire.MAIL, {**MAIL, "security": "none"}, "settings.security"),
    ],
)  # fmt: skip
def test_what_leads_nowhere_or_elsewhere_is_not_entered(
    post: Post, wire: EndpointWire, stated: dict[str, Any], field: str
) -> None:
    with pytest.raises(FieldErrors) as refused:
        post.add(wire, stated)
    assert list(refused.value.reasons) == [field]


class Mailbox:
    """What an SMTP server took; it knows one account and one recipient that it will not take."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if address.startswith("nobody"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:  # noqa: N802
        self.messages.append(envelope.original_content)
        return "250 kept"


def check_account(server: SMTP, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=(data.login, data.password) == (b"gateway", b"mail-password-1"), handled=False)


def test_mail_says_that_there_is_a_report_and_of_whom_it_does_not(
    runtime: Runtime, post: Post, tls: ssl.SSLContext, pki: Pki, clock: Clock
) -> None:
    [port], box = free_ports(1), Mailbox()
    controller = Controller(
        box, hostname="127.0.0.1", port=port, tls_context=tls, require_starttls=True, auth_required=True,
        authenticator=check_account,
    )  # fmt: skip
    controller.start()
    settings = {
        "host": "127.0.0.1", "port": port, "within_s": 10, "username": "gateway", "sender": "gateway@county.cn",
        "recipients": ["his@east.cn"], "authorities_pem": pki.authority.read_text(),
    }  # fmt: skip
    try:
        right = post.add(EndpointWire.MAIL, settings, secret="mail-password-1", name="right")
        wrong = post.add(EndpointWire.MAIL, settings, secret="another", name="wrong account")
        post.add(EndpointWire.MAIL, {**settings, "recipients": ["his@east.cn", "nobody@east.cn"]},
                 secret="mail-password-1", name="wrong recipient")  # fmt: skip
        post.add(
            EndpointWire.MAIL,
            {**settings, "authorities_pem": ""},
            secret="mail-password-1",
            name="unknown authority",
        )
        assert try_endpoint(runtime, Actor(name="it"), right).reached
        assert not try_endpoint(runtime, Actor(name="it"), wrong).reached
        assert box.messages == []
        post.sign()
        while post.send():
            pass
    finally:
        controller.stop()

    with runtime.reading() as session:
        found = {session.get_one(Endpoint, one.endpoint_id).name: one for one in post.deliveries()}
    assert {name: one.state.value for name, one in found.items()} == {
        "right": "sent", "wrong account": "pending", "wrong recipient": "refused", "unknown authority": "pending",
    }  # fmt: skip
    assert "535" in found["wrong account"].answer
    assert "certificate is not believed" in found["unknown authority"].answer
    [raw] = box.messages
    mail = message_from_bytes(raw, policy=policy.default)
    text = f"{mail['Subject']}\n{mail.get_content()}"  # type: ignore[attr-defined]
    assert post.report(found["right"].report_id).number in text
    assert "城东镇卫生院" in text
    assert not any(word in text for word in ("仇", "P001", "1979", "双肺"))


def test_secrets_are_sealed_for_their_endpoint_alone(runtime: Runtime, post: Post) -> None:
    endpoint_id = post.add(EndpointWire.WEBHOOK, {"url": "https://his.example/hook"}, secret=SECRET)
    with runtime.reading() as session:
        sealed = session.get_one(Endpoint, endpoint_id).secret
    assert sealed is not None
    assert SECRET.encode() not in sealed
    assert unseal(runtime, sealed, whose=str(endpoint_id)) == SECRET
    with pytest.raises(Unavailable):
        unseal(runtime, sealed, whose="another")
