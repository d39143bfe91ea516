"""The rule book of templates: its shape, what makes it unusable, and what the last examinations would be offered."""

from collections import Counter
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from sqlalchemy.orm import Session

from gateway.assignment_books import last_tasks
from worklists.initials import initials_of
from worklists.reporting.books import TemplateBook, centre_of, default_templates
from worklists.reporting.checking import check_templates
from worklists.reporting.matching import About, normal_of, rank
from worklists.reporting.slots import SlotType

MOST_ENTRIES = 1000
MOST_GAPS = 50
Content = dict[str, Any]

Code = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
SlotName = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[\w/-]{1,32}$")]
Choice = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80, pattern=r"^[^{}\n]+$")
]
Short = Annotated[str, StringConstraints(strip_whitespace=True, max_length=80, pattern=r"^[^{}\n]*$")]
Upper = Annotated[str, StringConstraints(strip_whitespace=True, to_upper=True, min_length=1, max_length=32)]
Text = Annotated[str, StringConstraints(max_length=8000)]
Initials = Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, max_length=80)]
Limit = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SlotShape(_Shape):
    name: SlotName
    type: SlotType
    choices: Annotated[list[Choice], Field(max_length=50)] = []
    default: Short = ""
    unit: Annotated[str, StringConstraints(strip_whitespace=True, max_length=16)] = ""
    low: Limit | None = None
    high: Limit | None = None
    decimals: Annotated[int, Field(ge=0, le=3)] = 0
    required: bool = True


class _Entry(_Shape):
    code: Code
    name: Name
    initials: Initials = ""
    modalities: Annotated[list[Upper], Field(max_length=20)] = []
    body_parts: Annotated[list[Upper], Field(max_length=40)] = []
    sex: Literal["", "F", "M"] = ""
    slots: Annotated[list[SlotShape], Field(max_length=40)] = []

    @model_validator(mode="after")
    def _find_initials(self) -> "_Entry":
        """Whoever empties them gets those of the name."""
        self.initials = self.initials or initials_of(self.name)
        return self


class TemplateShape(_Entry):
    normal: bool = False
    findings: Text = ""
    impression: Text = ""
    score: Annotated[str, StringConstraints(strip_whitespace=True, max_length=32)] = ""


class PhraseEntry(_Entry):
    text: Annotated[str, StringConstraints(min_length=1, max_length=8000)]
    into: Literal["findings", "impression", "both"] = "both"


class TemplatesBook(_Shape):
    templates: Annotated[list[TemplateShape], Field(max_length=MOST_ENTRIES)]
    phrases: Annotated[list[PhraseEntry], Field(max_length=MOST_ENTRIES)]


def begin_templates(session: Session, scope: str) -> Content:
    return default_templates(centre_of(session, scope).kind)


def check_book(_session: Session, _scope: str, content: Content) -> dict[str, str]:
    return check_templates(content)


def try_templates(session: Session, scope: str, content: Content, now: datetime) -> Content:
    """For how many of the last examinations one key would write a report, and for which there is none."""
    book = TemplateBook.read(content)
    written: Counter[tuple[str, str]] = Counter()
    gaps: Counter[tuple[str, str, str]] = Counter()
    tasks = last_tasks(session, now, centre_of(session, scope).id)
    offered = 0
    for task in tasks:
        about = About.of(task.examination)
        offered += any(how > 0 for _, how in rank(book.templates, about))
        normal = normal_of(book.templates, about)
        if normal is not None:
            written[normal.code, normal.name] += 1
        else:
            gaps[_word(about.modalities), _word(about.parts), about.sex] += 1
    return {
        "tasks": len(tasks),
        "offered": offered,
        "with_normal": written.total(),
        "normal": [{"code": code, "name": name, "tasks": n} for (code, name), n in written.most_common()],
        "gaps": [
            {"modality": modality, "body_part": part, "sex": sex, "tasks": n}
            for (modality, part, sex), n in gaps.most_common(MOST_GAPS)
        ],
    }


def _word(stated: frozenset[str]) -> str:
    return "+".join(sorted(stated))
