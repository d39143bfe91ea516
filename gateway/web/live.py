"""The event stream: `/api/v1/events` says that something changed, and ends with the session."""

from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from gateway import live
from gateway.web.deps import Caller, CallerDep
from worklists.directory import Role

router = APIRouter(prefix="/api/v1", tags=["live"])

HEARTBEAT_S = 15.0  # proxies close what is silent for a minute

_SEES: dict[str, frozenset[Role] | None] = {
    "worklist": frozenset({Role.RADIOGRAPHER, Role.READER, Role.REVIEWER}),
    "returns": frozenset({Role.RADIOGRAPHER, Role.VILLAGE, Role.READER, Role.REVIEWER}),
    "duty": frozenset({Role.READER, Role.REVIEWER}),
    "held": frozenset({Role.RADIOGRAPHER, Role.READER, Role.REVIEWER, Role.IT}),
    "system": frozenset({Role.IT, Role.ADMIN}),
    "patients": frozenset({Role.RADIOGRAPHER, Role.REVIEWER}),
    "lab": frozenset({Role.RADIOGRAPHER, Role.READER, Role.REVIEWER, Role.IT, Role.ADMIN}),
    "devices": frozenset({Role.RADIOGRAPHER, Role.READER, Role.REVIEWER, Role.IT, Role.ADMIN}),
    "critical": None,  # anybody may be called, also who has no role: a leader, the duty desk
}


@router.get("/events", response_class=StreamingResponse)
async def follow(request: Request, caller: CallerDep) -> StreamingResponse:
    feed: live.Feed = request.app.state.feed
    feed.refuse_when_full()
    return StreamingResponse(
        _stream(request, feed, caller),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _stream(request: Request, feed: live.Feed, caller: Caller) -> AsyncIterator[str]:
    heartbeat_s: float = getattr(request.app.state, "heartbeat_s", HEARTBEAT_S)
    sees = heard_by(caller.subject.roles)
    async with feed.subscribe(caller.token_hash) as subscription:
        yield "retry: 2000\n\n"
        while not feed.closed:
            changed = await subscription.next(heartbeat_s)
            if subscription.ended:
                return
            topics = sorted(sees & changed)
            if topics:
                names = ", ".join(f'"{topic}"' for topic in topics)
                yield f'event: changed\ndata: {{"topics": [{names}]}}\n\n'
            elif not changed:
                yield ": still here\n\n"


def heard_by(roles: frozenset[Role]) -> frozenset[str]:
    """The topics that somebody with these roles is told of."""
    return frozenset(topic for topic in live.TOPICS if (who := _SEES[topic]) is None or who & roles)
