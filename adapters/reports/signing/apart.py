"""Judges a PDF of a stranger in a process of its own: `python -m adapters.reports.signing.apart`.

JSON on standard input (`roots`, PEM; `pdf`, Base64), JSON on standard output. What takes too much memory or time, dies.
"""

import base64
import dataclasses
import json
import resource
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from adapters.reports.signing.verification import CertificateFacts, Problem, Stamp, Verification, verify_pdf

MEMORY_BYTES = 1 << 30
CPU_S = 20
_TIMES = ("starts_at", "ends_at", "signed_at", "at")


def write_verification(found: Verification) -> dict[str, Any]:
    """As JSON, without the manifest: it is nobody's business but of who has the report."""
    return dataclasses.asdict(dataclasses.replace(found, manifest=None))


def read_verification(said: Mapping[str, Any]) -> Verification:
    """What `write_verification` wrote."""
    values = _with_times(said)
    certificate, stamp = values.pop("certificate"), values.pop("stamp")
    problem = values.pop("problem")
    return Verification(
        **values,
        certificate=CertificateFacts(**_with_times(certificate)) if certificate else None,
        stamp=Stamp(**_with_times(stamp)) if stamp else None,
        problem=Problem(problem) if problem else None,
    )


def _with_times(said: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: datetime.fromisoformat(value) if name in _TIMES and value else value
        for name, value in said.items()
    }


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    asked = json.load(sys.stdin)
    found = verify_pdf(base64.b64decode(asked["pdf"]), trust_roots=[root.encode() for root in asked["roots"]])
    # The library's own words may stand on standard output; ours are the last line.
    print(json.dumps(write_verification(found), default=datetime.isoformat))


if __name__ == "__main__":
    main()
