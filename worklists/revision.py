"""What two people may edit at once says which revision it is; who writes says which one they have read.

A revision is a digest of the content, so that a repeat of what is there already is no other one.
"""

import hashlib
import json
from datetime import datetime
from typing import Any

from worklists.base import COUNTY_TIME
from worklists.errors import Conflict


class ChangedSince(Conflict):
    """Somebody changed it since the caller read it: by whom, and at what time of the county."""

    def __init__(self, who: str | None, changed_at: datetime | None):
        super().__init__("revision")
        self.by, self.at = who or "—", clock_text(changed_at)


def revision_of(content: Any) -> str:
    """Of something that is or could be JSON, in whichever order its fields came."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


def clock_text(moment: datetime | None) -> str:
    """As people of the county read it; "—" where it is not known."""
    return f"{moment.astimezone(COUNTY_TIME):%m-%d %H:%M}" if moment else "—"
