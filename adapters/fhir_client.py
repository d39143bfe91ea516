"""A FHIR R4 server of somebody else: a transaction there, and whether it is one at all.

Success is a `transaction-response` in which every entry succeeded (R4 3.1.0.11.3); anything else was not sent. What a
server says of its reasons is its OperationOutcome. 409 is what servers say of two transactions at once: later again.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.errors import Cause, PeerRejected, PeerUnreachable
from adapters.http_exchange import LATER, Answer, exchange, require_success
from adapters.outward import Peer

JSON = "application/fhir+json"
_ANSWER_BYTES = 4 << 20  # of a hundred results
_ISSUES, _ISSUE_CHARACTERS = 5, 200
_CONFLICT = 409


@dataclass(frozen=True, slots=True, kw_only=True)
class FhirServer:
    """Its base address, and the bearer token that it wants."""

    peer: Peer
    url: str
    token: str = field(default="", repr=False)

    @property
    def base(self) -> str:
        return self.url.rstrip("/")

    def headers(self) -> dict[str, str]:
        authorization = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return {"Accept": JSON, "User-Agent": "Shared-Centre-Gateway", **authorization}


def post_transaction(server: FhirServer, bundle: Mapping[str, Any]) -> str:
    """Send it; answers what became of it. Raises PeerRejected, PeerBusy, PeerUnreachable."""
    body = json.dumps(bundle, ensure_ascii=False, separators=(",", ":")).encode()
    headers = {**server.headers(), "Content-Type": f"{JSON}; charset=utf-8", "Prefer": "return=minimal"}
    answer = exchange(
        server.peer, server.base, method="POST", headers=headers, body=body, answer_bytes=_ANSWER_BYTES
    )
    _require_success(answer)
    said = _read(answer)
    if said.get("resourceType") != "Bundle" or said.get("type") != "transaction-response":
        raise PeerUnreachable(f"{answer.said}: not the answer to a transaction", cause=Cause.OTHER_PROTOCOL)
    return f"{answer.said}: {_require_entries(bundle, said)}"


def look(server: FhirServer) -> str:
    """Which server it is, by its CapabilityStatement. Raises PeerRejected, PeerBusy, PeerUnreachable."""
    address = f"{server.base}/metadata"
    answer = exchange(
        server.peer, address, method="GET", headers=server.headers(), answer_bytes=_ANSWER_BYTES
    )
    _require_success(answer)
    said = _read(answer)
    version = str(said.get("fhirVersion", ""))
    if said.get("resourceType") != "CapabilityStatement" or not version.startswith("4."):
        raise PeerRejected(f"{answer.said}: not a FHIR R4 server", cause=Cause.OTHER_PROTOCOL)
    software = said.get("software") or {}
    modes = [mode for mode in said.get("rest") or [] if mode.get("mode") == "server"]
    codes = {one.get("code") for mode in modes for one in mode.get("interaction") or []}
    doubt = "" if "transaction" in codes else "; it does not say that it takes transactions"
    return f"FHIR {version} {software.get('name', '')} {software.get('version', '')}".strip() + doubt


def _require_success(answer: Answer) -> None:
    issues = "; ".join(_issues(_read(answer)))
    said = f"{answer.said}: {issues}" if issues else answer.said
    require_success(answer, said=said, later=LATER | {_CONFLICT})


def _read(answer: Answer) -> dict[str, Any]:
    """What is no JSON object says nothing."""
    try:
        said = json.loads(answer.body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _require_entries(bundle: Mapping[str, Any], said: Mapping[str, Any]) -> str:
    """What became of the report; raises PeerRejected unless every entry succeeded."""
    answers = [one.get("response") or {} for one in said.get("entry") or []]
    if len(answers) != len(bundle["entry"]):
        raise PeerRejected(f"{len(answers)} answers for {len(bundle['entry'])} entries")
    became = {}
    for sent, response in zip(bundle["entry"], answers, strict=True):
        kind, status = sent["resource"]["resourceType"], str(response.get("status", ""))
        if not status.startswith("2"):
            issues = "; ".join(_issues(response.get("outcome") or {}))
            raise PeerRejected(f"{kind} {status or 'without a status'}: {issues}")
        became[kind] = response.get("location") or f"{kind} {status}"
    return str(became.get("DiagnosticReport", ""))


def _issues(outcome: Mapping[str, Any]) -> Iterable[str]:
    """What an OperationOutcome says, what is wrong first."""
    if outcome.get("resourceType") != "OperationOutcome":
        return []
    issues = [one for one in outcome.get("issue") or [] if one.get("severity") in {"fatal", "error"}]
    return [_say(one) for one in (issues or outcome.get("issue") or [])[:_ISSUES]]


def _say(issue: Mapping[str, Any]) -> str:
    details = issue.get("details") or {}
    text = details.get("text") or issue.get("diagnostics") or issue.get("code") or ""
    where = ", ".join(issue.get("expression") or [])
    return f"{text} ({where})"[:_ISSUE_CHARACTERS] if where else str(text)[:_ISSUE_CHARACTERS]
