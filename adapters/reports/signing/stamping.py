"""Time stamps of an authority (RFC 3161), over HTTP: that the signature was there at its time, by somebody else's word.

Asked with a nonce and for the authority's certificates; an answer that is not for what was asked is not taken.
"""

import asyncio
import base64
import http.client
import urllib.error
import urllib.request
from urllib.parse import unquote, urlsplit

from asn1crypto import cms, parser, tsp  # type: ignore[import-untyped]
from pyhanko.sign.timestamps import TimeStamper

from adapters.reports.signing.port import CannotSign, Cause

ANSWER_BYTES = 1 << 18
GRANTED = {"granted", "granted_with_mods"}  # RFC 3161 §2.4.2: both carry a token


class TimeStampServer(TimeStamper):
    """One authority at an `http(s)://[USER:PASSWORD@]HOST[:PORT]/PATH`."""

    def __init__(self, url: str, *, timeout_s: float = 10.0) -> None:
        super().__init__(include_nonce=True)  # type: ignore[no-untyped-call]
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("http(s)://HOST/PATH is expected")
        place = parts.netloc.rpartition("@")[2]
        self.address = parts._replace(netloc=place).geturl()
        self._headers = {
            "Content-Type": "application/timestamp-query",
            "Accept": "application/timestamp-reply",
        }
        if parts.username is not None:
            secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers["Authorization"] = f"Basic {base64.b64encode(secret.encode()).decode()}"
        self._timeout_s = timeout_s
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    async def async_timestamp(self, message_digest: bytes, md_algorithm: str) -> cms.ContentInfo:
        """The token for a digest. Raises CannotSign."""
        nonce, request = self.request_cms(message_digest, md_algorithm)  # type: ignore[no-untyped-call]
        answer = await asyncio.to_thread(self._ask, request.dump())
        try:
            _check_status(answer)
            return _token_of(tsp.TimeStampResp.load(answer), message_digest, md_algorithm, nonce)
        except (ValueError, TypeError, KeyError) as error:
            raise CannotSign(Cause.STAMP_WRONG, "the answer is no time stamp") from error

    def _ask(self, request: bytes) -> bytes:
        asked = urllib.request.Request(self.address, data=request, headers=self._headers)  # noqa: S310 (checked above)
        try:
            with self._opener.open(asked, timeout=self._timeout_s) as answer:
                return bytes(answer.read(ANSWER_BYTES))
        except urllib.error.HTTPError as error:
            cause = Cause.STAMP_AWAY if error.code >= 500 or error.code == 429 else Cause.STAMP_REFUSED
            raise CannotSign(cause, f"HTTP {error.code}") from None
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "reason", error)
            raise CannotSign(
                Cause.STAMP_AWAY, type(why).__name__ if isinstance(why, Exception) else str(why)
            ) from error


def _check_status(answer: bytes) -> None:
    """Read by itself: a refusal carries no token, which the whole answer's type insists on."""
    _, _, _, _, content, _ = parser.parse(answer)
    status = tsp.PKIStatusInfo.load(content)
    said = str(status["status"].native)
    if said not in GRANTED:
        raise CannotSign(Cause.STAMP_REFUSED, " ".join([said, *sorted(status["fail_info"].native or ())]))


def _token_of(answer: tsp.TimeStampResp, digest: bytes, algorithm: str, nonce: int) -> cms.ContentInfo:
    token = answer["time_stamp_token"]
    info = token["content"]["encap_content_info"]["content"].parsed
    imprint = info["message_imprint"]
    same = (
        imprint["hashed_message"].native == digest
        and imprint["hash_algorithm"]["algorithm"].native == algorithm
        and info["nonce"].native == nonce
    )
    if not same:
        raise CannotSign(Cause.STAMP_WRONG, "the time stamp is of something else")
    return token
