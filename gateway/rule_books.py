"""Rule books at work: drafts, dry runs, and the one version of each that is live. Every step is somebody's, and audited.

A book says what its content must be, who edits it, and what a dry run shows.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway import assignment_books, audit, checking_book, critical_book, live, template_book
from gateway.directory import FieldErrors
from gateway.lab import verification_book
from gateway.reading import Who, get_person, in_one
from gateway.runtime import Runtime
from worklists.access import Subject
from worklists.assignment.books import ASSIGNMENT, ROUTING
from worklists.checking.book import CHECKING
from worklists.directory import Centre, Kind, Person, Role
from worklists.errors import Invalid, NotAllowed, NotFound
from worklists.laboratory.rule_content import VERIFICATION
from worklists.reporting.books import TEMPLATES
from worklists.rule_books import (
    COUNTY,
    RuleVersion,
    go_live,
    hold_book,
    live_content,
    live_version,
    make_version,
    require_replaces,
)

LONGEST_NOTE = 500
Content = dict[str, Any]
Reasons = dict[str, str]
Told = Callable[[int, int], None]  # how many of how many are done


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """One kind of book. `of_a_centre`: each centre has its own; otherwise there is one for the county.

    `kept_by`: the county's one is read and edited at the centres of this kind too. A dry run that `tells` is given,
    besides session, scope, content and moment, whom to tell how far it is. `stand`: what the last change still does.
    """

    shape: type[BaseModel]
    of_a_centre: bool
    begin: Callable[[Session, str], Content]
    check: Callable[[Session, str, Content], Reasons]
    dry_run: Callable[..., Content]
    kept_by: Kind | None = None
    tells: bool = False
    went_live: Callable[[Session, datetime], None] = lambda _session, _now: None
    stand: Callable[[Session], Mapping[str, int]] = lambda _session: {}
    topics: tuple[str, ...] = ("worklist",)  # whose pages hear that it went live


BOOKS: Mapping[str, Book] = {
    ROUTING: Book(
        shape=assignment_books.RoutingBook,
        of_a_centre=False,
        begin=assignment_books.begin_routing,
        check=assignment_books.check_routing,
        dry_run=assignment_books.try_routing,
    ),
    ASSIGNMENT: Book(
        shape=assignment_books.AssignmentBook,
        of_a_centre=True,
        begin=assignment_books.begin_assignment,
        check=assignment_books.check_assignment,
        dry_run=assignment_books.try_assignment,
    ),
    critical_book.CRITICAL: Book(
        shape=critical_book.CriticalBook,
        of_a_centre=True,
        begin=critical_book.begin_critical,
        check=critical_book.check_critical,
        dry_run=critical_book.try_critical,
    ),
    TEMPLATES: Book(
        shape=template_book.TemplatesBook,
        of_a_centre=True,
        begin=template_book.begin_templates,
        check=template_book.check_book,
        dry_run=template_book.try_templates,
    ),
    CHECKING: Book(
        shape=checking_book.CheckingBook,
        of_a_centre=True,
        begin=checking_book.begin_checking,
        check=checking_book.check_checking,
        dry_run=checking_book.try_checking,
        tells=True,
    ),
    VERIFICATION: Book(
        shape=verification_book.VerificationBook,
        of_a_centre=False,
        begin=verification_book.begin_verification,
        check=verification_book.check_verification,
        dry_run=verification_book.try_verification,
        kept_by=Kind.LABORATORY,
        tells=True,
        went_live=verification_book.judge_what_waits,
        stand=verification_book.stand_of_judging,
        topics=("lab",),
    ),
}


def find_book(name: str) -> Book:
    """Raises NotFound."""
    if name not in BOOKS:
        raise NotFound("book")
    return BOOKS[name]


def scope_of(name: str, centre_id: uuid.UUID | None) -> str:
    """Raises NotFound, Invalid."""
    if not find_book(name).of_a_centre:
        return COUNTY
    if centre_id is None:
        raise Invalid("centre", "required")
    return str(centre_id)


def list_versions(session: Session, who: Who, name: str, scope: str) -> Sequence[RuleVersion]:
    """The newest first. Raises NotAllowed, NotFound."""
    require_reader(session, who.subject, name, scope)
    return session.scalars(
        select(RuleVersion)
        .where(RuleVersion.book == name, RuleVersion.scope == scope)
        .order_by(RuleVersion.version.desc())
    ).all()


def get_version(session: Session, who: Who, name: str, version_id: uuid.UUID) -> RuleVersion:
    """Raises NotFound, NotAllowed."""
    row = _get(session, name, version_id)
    require_reader(session, who.subject, name, row.scope)
    return row


def content_in_force(session: Session, who: Who, name: str, scope: str) -> Content:
    """What is live, or what the book begins with. Raises NotAllowed, NotFound."""
    require_reader(session, who.subject, name, scope)
    return live_content(session, name, scope) or find_book(name).begin(session, scope)


def make_draft(
    runtime: Runtime,
    who: Who,
    name: str,
    scope: str,
    *,
    content: Mapping[str, Any] | None,
    note: str,
    begun_from: int | None = None,
) -> uuid.UUID:
    """Another version; without a content it begins as what is in force.

    `begun_from`: the version that was live where the content was taken from; None: the one that is live now.
    Raises NotAllowed, NotFound, FieldErrors.
    """
    book = find_book(name)

    def deed(session: Session) -> uuid.UUID:
        require_setter(session, who.subject, name, scope)
        live_now = live_version(session, name, scope)
        begun = live_now.content if live_now else book.begin(session, scope)
        row = make_version(
            session,
            name,
            scope,
            content=_checked(session, book, scope, begun if content is None else content),
            note=_note_text(note),
            person=get_person(session, who),
            now=runtime.now(),
            begun_from=(live_now.version if live_now else 0) if begun_from is None else begun_from,
        )
        _record(session, runtime, who, "rules_drafted", row)
        return row.id

    return in_one(runtime, deed)


def change_draft(
    runtime: Runtime,
    who: Who,
    name: str,
    version_id: uuid.UUID,
    *,
    content: Mapping[str, Any],
    note: str,
    revision: str,
) -> None:
    """What the caller makes of the draft that was read at `revision`.

    Raises NotFound, NotAllowed, NotADraft, ChangedSince, FieldErrors.
    """

    def deed(session: Session) -> None:
        row = _get(session, name, version_id, lock=True)
        require_setter(session, who.subject, name, row.scope)
        checked = _checked(session, find_book(name), row.scope, content)
        person = get_person(session, who)
        row.rewrite(checked, _note_text(note), revision=revision, person=person, now=runtime.now())
        _record(session, runtime, who, "rules_drafted", row)

    in_one(runtime, deed)


def get_draft(
    session: Session, who: Who, name: str, version_id: uuid.UUID, revision: str | None = None
) -> RuleVersion:
    """One that the caller may try, as it was read at `revision`. Raises NotFound, NotAllowed, NotADraft, ChangedSince."""
    row = _get(session, name, version_id)
    require_setter(session, who.subject, name, row.scope)
    row.require_draft()
    if revision is not None:
        row.require_seen(revision)
    return row


def try_draft(
    runtime: Runtime,
    who: Who,
    name: str,
    version_id: uuid.UUID,
    told: Told = lambda _done, _of: None,
    *,
    revision: str | None = None,
) -> None:
    """What it would have done, kept with the draft; `told` hears how far it is. Raises as `get_draft` does, Conflict."""
    book = find_book(name)
    with runtime.reading() as session:
        row = get_draft(session, who, name, version_id, revision)
        content, scope = row.content, row.scope
        outcome = book.dry_run(session, scope, content, runtime.now(), *([told] if book.tells else []))

    def deed(session: Session) -> None:
        draft = _get(session, name, version_id, lock=True)
        draft.keep_dry_run(content, outcome)
        _record(session, runtime, who, "rules_tried", draft)

    in_one(runtime, deed)


def let_live(
    runtime: Runtime,
    who: Who,
    name: str,
    version_id: uuid.UUID,
    *,
    revision: str,
    replaces: int | None = None,
) -> None:
    """From now on it counts, as it was read at `revision`, in the place of the version `replaces` (None: of its begin).

    Raises NotFound, NotAllowed, NotADraft, NotTried, ChangedSince, LiveMovedOn.
    """

    def deed(session: Session) -> None:
        hold_book(session, name, _get(session, name, version_id).scope)
        row = _get(session, name, version_id, lock=True)
        require_setter(session, who.subject, name, row.scope)
        row.require_draft()
        row.require_seen(revision)
        require_replaces(session, row, row.begun_from if replaces is None else replaces)
        go_live(session, row, person=get_person(session, who), now=runtime.now())
        find_book(name).went_live(session, runtime.now())
        _record(session, runtime, who, "rules_went_live", row)
        live.bump(session, *find_book(name).topics)

    in_one(runtime, deed)


def may_set(session: Session, subject: Subject, name: str, scope: str) -> bool:
    """Administrators edit every book; a centre's reviewers theirs, and what is kept by centres of their kind."""
    if subject.wires is not None:
        return False
    if Role.ADMIN in subject.roles:
        return True
    book = find_book(name)
    if Role.REVIEWER not in subject.roles:
        return False
    if not book.of_a_centre:
        return _is_at(session, subject, book.kept_by, Role.REVIEWER)
    person = session.get(Person, subject.person_id)
    return person is not None and person.has_role(Role.REVIEWER, uuid.UUID(scope))


def require_setter(session: Session, subject: Subject, name: str, scope: str) -> None:
    if not may_set(session, subject, name, scope):
        raise NotAllowed(Role.REVIEWER, Role.ADMIN)
    if find_book(name).of_a_centre and session.get(Centre, uuid.UUID(scope)) is None:
        raise NotFound("centre")


def require_reader(session: Session, subject: Subject, name: str, scope: str) -> None:
    """Whose work it decides about may read it."""
    kept_by = find_book(name).kept_by
    reads = bool(subject.centre_ids) and (not scope or any(str(one) == scope for one in subject.centre_ids))
    if kept_by is not None:
        reads = _is_at(session, subject, kept_by, Role.READER, Role.REVIEWER)
    if not reads and not may_set(session, subject, name, scope):
        raise NotAllowed(Role.READER)


def _is_at(session: Session, subject: Subject, kind: Kind | None, *roles: Role) -> bool:
    """One of these roles at a centre of this kind: a role elsewhere is none here."""
    person = session.get(Person, subject.person_id) if kind is not None else None
    centres = session.scalars(select(Centre.id).where(Centre.kind == kind)) if person is not None else ()
    return person is not None and any(person.has_role(role, one) for one in centres for role in roles)


def _checked(session: Session, book: Book, scope: str, content: Mapping[str, Any]) -> Content:
    try:
        shaped = book.shape.model_validate(content).model_dump(mode="json", by_alias=True)
    except ValidationError as error:
        reasons = {
            ".".join(str(part) for part in one["loc"]): "required" if one["type"] == "missing" else "unusable"
            for one in error.errors(include_url=False, include_input=False)
        }
        raise FieldErrors(reasons) from error
    reasons = book.check(session, scope, shaped)
    if reasons:
        raise FieldErrors(reasons)
    return shaped


def _get(session: Session, name: str, version_id: uuid.UUID, *, lock: bool = False) -> RuleVersion:
    held = {"of": RuleVersion} if lock else None
    row = session.get(RuleVersion, version_id, with_for_update=held, populate_existing=lock)
    if row is None or row.book != name:
        raise NotFound("rules")
    return row


def _note_text(note: str) -> str:
    if len(note.strip()) > LONGEST_NOTE:
        raise Invalid("note", "too_long")
    return note.strip()


def _record(session: Session, runtime: Runtime, who: Who, action: audit.Action, row: RuleVersion) -> None:
    detail = {
        "id": str(row.id),
        "book": row.book,
        "scope": row.scope,
        "version": row.version,
        "note": row.note,
    }
    audit.record(session, action, actor=who.actor, now=runtime.now(), detail=detail)
