"""Who signs with what, when two processes want the first key at once; and what is printed is what was signed."""

import threading
from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import delete, func, select

from adapters.errors import Unavailable
from adapters.reports.authority import LocalAuthority
from gateway.index import Record
from gateway.intake import Drain
from gateway.keys import SigningKey
from gateway.objects import open_object_store
from gateway.originals import open_original
from gateway.report_documents import report_document
from gateway.runtime import Runtime
from gateway.signing import authority_certificate, signer_for
from tests.builders import NOW, build_county, identity, signed_report
from worklists.base import new_id
from worklists.examinations import correct_identity
from worklists.reports import Report


def test_two_processes_that_start_at_once_have_one_authority(runtime: Runtime) -> None:
    mine = authority_certificate(runtime)  # the passphrase is there
    with runtime.sessions.begin() as session:
        session.execute(delete(SigningKey))
    answers: list[bytes] = []
    other = threading.Thread(target=lambda: answers.append(authority_certificate(runtime)))
    passphrase = (runtime.settings.data_dir / "keys" / "passphrase").read_bytes()
    kept = LocalAuthority.create("first", now=NOW).store(passphrase=passphrase)

    with runtime.sessions.begin() as session:
        session.add(
            SigningKey(
                id=new_id(), certificate_pem=kept.certificate_pem, key_pem=kept.key_pem, made_at=runtime.now()
            )
        )
        session.flush()
        other.start()
        other.join(timeout=8)  # it looks, finds none, makes one, and waits to keep it
    other.join(timeout=60)

    assert answers == [kept.certificate_pem]
    assert mine != kept.certificate_pem
    with runtime.sessions() as session:
        assert session.scalar(select(func.count()).select_from(SigningKey)) == 1


def test_a_correction_after_the_signature_does_not_reach_the_printed_page(runtime: Runtime) -> None:
    with runtime.sessions.begin() as session:
        county = build_county(session)
        report = signed_report(session, county, delivered=False)
        correct_identity(
            session, report.examination, identity=identity(name="李^四", birth_date=date(2001, 1, 1)),
            reason="another person", person=county.radiographer, now=NOW,
        )  # fmt: skip
        session.flush()

        patient = report_document(session, report, base_url="http://127.0.0.1").patient

    assert (patient.name, patient.age) == ("仇明", "47岁")


def test_an_identity_card_that_stands_for_a_number_is_not_printed_whole(runtime: Runtime) -> None:
    with runtime.sessions.begin() as session:
        somebody = identity(patient_id="110101199003074477")
        report = signed_report(session, build_county(session), delivered=False, patient=somebody)

        patient = report_document(session, report, base_url="http://127.0.0.1").patient

    assert (patient.patient_id, patient.identity_number_masked) == ("", "110101********4477")


def test_signing_and_its_document_need_no_object_store(runtime: Runtime) -> None:
    away = replace(runtime, objects=open_object_store("s3+http://KEY:SECRETSECRET@127.0.0.1:9/bucket"))
    with pytest.raises(Unavailable):
        away.objects.check()
    with runtime.sessions.begin() as session:
        report = signed_report(session, build_county(session), delivered=False)

    signer = signer_for(away, report.signed_by_id, signed_at=NOW)
    journal, _sequence = away.journal.append("report.pdf", {"report_id": str(report.id)}, [b"%PDF-1.7"])

    assert signer.name
    assert Drain(away).index_new() == 1
    with runtime.sessions() as session:
        kept = session.scalars(select(Record).where(Record.kind == "report.pdf")).one()
        assert kept.journal == journal
        assert b"".join(open_original(away, kept)) == b"%PDF-1.7"
        assert session.get_one(Report, report.id).pdf_sha256 == kept.sha256
