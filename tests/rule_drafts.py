"""Drafts of rule books over HTTP: whoever writes or lets one live says which one they have read."""

from collections.abc import Mapping
from typing import Any

import httpx


def seen(person: httpx.Client, address: str) -> dict[str, str]:
    """What says that somebody has read the draft as it is now."""
    answer = person.get(address)
    assert answer.status_code == 200, answer.text
    return {"If-Match": answer.headers["ETag"]}


def keep(person: httpx.Client, address: str, content: Mapping[str, Any], note: str = "") -> httpx.Response:
    return person.put(address, json={"content": content, "note": note}, headers=seen(person, address))


def let_live(person: httpx.Client, address: str) -> httpx.Response:
    return person.post(f"{address}/go-live", headers=seen(person, address))
