"""What is found in the signed document of a report: its signature, and the institution's seal over it."""

import base64
import binascii
import json
import subprocess
import sys
import threading
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from adapters.reports.signing.apart import read_verification
from adapters.reports.signing.sm2 import SealVerification, verify_sm2
from adapters.reports.signing.verification import Problem, Verification, verify_pdf
from gateway import township
from gateway.originals import read_original
from gateway.runtime import Runtime
from gateway.signing import trust_roots
from gateway.verifying import alone, find_report

LONGEST_LOOK_S = 30.0
_STRANGERS = threading.BoundedSemaphore(2)  # each in a process of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class SealChecked:
    """The institution's seal over the document."""

    algorithm: str
    sealed_at: datetime
    found: SealVerification


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found in the document of a report."""

    signature: Verification
    seal: SealChecked | None


def check_document(runtime: Runtime, code: str) -> Checked | None:
    """Read the document of a report and judge it; None while it is still being made. Raises NotFound, Unavailable."""
    with runtime.reading() as session:
        record = township.find_document(session, find_report(session, code))
    if record is None:
        return None
    roots, pdf = trust_roots(runtime), read_original(runtime, record)
    seal = _judge_seal(pdf, record.origin.get("seal"), roots)
    return Checked(signature=verify_pdf(pdf, trust_roots=roots), seal=seal)


def judge_stranger(runtime: Runtime, pdf: bytes) -> Verification:
    """Bytes that somebody sent, read in a process of its own with bounds on time and memory. Raises Busy."""
    asked = {"roots": [root.decode() for root in trust_roots(runtime)], "pdf": base64.b64encode(pdf).decode()}
    with alone(_STRANGERS):
        try:
            done = subprocess.run(
                [sys.executable, "-m", "adapters.reports.signing.apart"], input=json.dumps(asked).encode(),
                capture_output=True, timeout=LONGEST_LOOK_S, check=False, cwd="/",
                env={"PYTHONPATH": str(Path(__file__).resolve().parents[1]), "LC_ALL": "C.UTF-8"},
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return Verification(valid=False, problem=Problem.UNREADABLE)
    if done.returncode != 0:
        return Verification(valid=False, problem=Problem.UNREADABLE)
    return read_verification(json.loads(done.stdout.splitlines()[-1]))


def _judge_seal(pdf: bytes, seal: dict[str, str] | None, roots: list[bytes]) -> SealChecked | None:
    if seal is None:
        return None
    sealed_at = datetime.fromisoformat(seal["sealed_at"])
    try:
        signature = base64.b64decode(seal["signature"], validate=True)
    except binascii.Error:
        signature = b""
    found = verify_sm2(
        pdf, signature, certificate_pem=seal["certificate"].encode(), trust_roots=roots, at=sealed_at
    )
    return SealChecked(algorithm=seal["algorithm"], sealed_at=sealed_at, found=found)
