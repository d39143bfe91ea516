"""What one process remembers for DICOMweb: who may open what, what a study has, how instances are built.

The right to see a study, and what belongs to it, are taken to be so for a moment only (in every process); how an
instance is built never changes.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import dropwhile, groupby
from threading import Lock
from typing import Any

from gateway.dicomweb.descriptions import Descriptions
from gateway.dicomweb.openings import Openings
from gateway.dicomweb.parsed import Parsed, ParsedKey, parse, parsed_key
from gateway.dicomweb.recent import Recent
from gateway.dicomweb.served import Listing, Opened, Served, get_opened, list_served
from gateway.file_cache import FileCache
from gateway.momentary import Momentary
from gateway.runtime import Runtime
from worklists.access import Subject

ALLOWED_FOR_S = 2.0  # after losing the right to see a study
LISTED_FOR_S, LISTED_LONGEST_S = 2.0, 6.0  # before a new or replaced image is seen
LISTED_LIMIT = 25_000  # instances
PARSED_LIMIT_BYTES = 64 << 20  # some ten thousand CT slices
READ_ALONG_BYTES = PARSED_LIMIT_BYTES // 4  # of a series' file beside the one that was wanted
THUMBNAILS_LIMIT_BYTES = 16 << 20
DESCRIPTIONS_PART = 8  # of the bound of all caches on disk

_SeriesKey = tuple[str, str]


class Shelf:
    """Safe to use from threads."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.openings = Openings()
        self.thumbnails: Recent[tuple[str, str], bytes] = Recent(limit_bytes=THUMBNAILS_LIMIT_BYTES)
        self._opened: Momentary[tuple[str, str], Opened] = Momentary(for_s=ALLOWED_FOR_S, limit=10_000)
        self._listings: Momentary[tuple[str, str | None], Listing] = Momentary(
            for_s=LISTED_FOR_S,
            longest_s=LISTED_LONGEST_S,
            limit=LISTED_LIMIT,
            weigh=lambda listing: len(listing.served),
        )
        self._built = Built(runtime)

    def open(self, session_key: str, subject: Subject, study: str) -> Opened:
        """The study, if the subject may see it. Raises NotFound."""

        def find() -> Opened:
            with self._runtime.reading() as session:
                return get_opened(session, subject, study)

        return self._opened.get((session_key, study), find)

    def list(self, opened: Opened, series: str | None = None) -> Listing:
        """What an opened study or series has. Raises NotFound."""

        def find() -> Listing:
            with self._runtime.reading() as session:
                return list_served(session, opened, series)

        return self._listings.get((opened.study_instance_uid, series), find)

    def parse(self, served: Served, patient: Mapping[str, Any] | None = None) -> Parsed:
        """How an instance is built. Raises Unavailable."""
        return self._built.get(served, patient)

    def describe(self, served: Sequence[Served], patient: Mapping[str, Any] | None) -> Iterator[Parsed]:
        """How whole series are built, one instance after the other."""
        for _, same_series in groupby(served, key=lambda one: one.series_instance_uid):
            yield from self._built.get_series(list(same_series), patient)

    def peek(
        self, session_key: str, study: str, series: str, instance: str
    ) -> "tuple[Opened, Served, Parsed] | None":
        """An instance of which everything is remembered, for somebody who may see it. Asks nobody."""
        opened = self._opened.peek((session_key, study))
        listing = self._listings.peek((study, series)) if opened is not None else None
        served = listing.by_uid.get(instance) if listing is not None else None
        if opened is None or served is None:
            return None
        parsed = self._built.peek(served)
        return (opened, served, parsed) if parsed is not None else None


class Built:
    """How instances are built: in memory, behind it the files of whole series, behind them the originals."""

    def __init__(self, runtime: Runtime) -> None:
        settings = runtime.settings
        self._runtime = runtime
        self._parsed: Recent[ParsedKey, Parsed] = Recent(limit_bytes=PARSED_LIMIT_BYTES)
        self._files = Descriptions(
            FileCache(
                settings.cache_dir / "descriptions",
                limit_bytes=settings.read_cache_bytes // DESCRIPTIONS_PART,
            )
        )
        self._on_disk: dict[_SeriesKey, frozenset[ParsedKey]] = {}
        self._lock = Lock()

    def peek(self, served: Served) -> Parsed | None:
        return self._parsed.peek(parsed_key(served))

    def get(self, served: Served, patient: Mapping[str, Any] | None) -> Parsed:
        key = parsed_key(served, patient)
        known = self._parsed.peek(key)
        if known is not None:
            return known
        self._load(served, key)

        def make() -> tuple[Parsed, int]:
            made = parse(self._runtime, served, patient)
            return made, made.weight_bytes

        return self._parsed.get(key, make)

    def get_series(self, served: Sequence[Served], patient: Mapping[str, Any] | None) -> Iterator[Parsed]:
        """All of one series; afterwards it stands in its file."""
        series = (served[0].study_instance_uid, served[0].series_instance_uid)
        seen: dict[ParsedKey, Parsed] = {}
        written: Mapping[ParsedKey, Parsed] | None = None
        for one in served:
            key = parsed_key(one, patient)
            parsed = self._parsed.peek(key)
            if parsed is None:
                written = self._read(series) if written is None else written
                parsed = self._keep(key, written[key]) if key in written else self.get(one, patient)
            seen[key] = parsed
            yield parsed
        if not seen.keys() <= self._on_disk.get(series, frozenset()):
            self._files.save(*series, seen)
            self._note(series, seen)

    def _load(self, served: Served, key: ParsedKey) -> None:
        """Take an instance and those behind it from the series' file, unless it was seen that it is not in it."""
        series = (served.study_instance_uid, served.series_instance_uid)
        if series in self._on_disk and key not in self._on_disk[series]:
            return
        weight = 0
        for entry, parsed in dropwhile(lambda item: item[0] != key, self._read(series).items()):
            weight += parsed.weight_bytes
            if entry != key and weight > READ_ALONG_BYTES:
                return
            self._keep(entry, parsed)

    def _read(self, series: _SeriesKey) -> Mapping[ParsedKey, Parsed]:
        found = self._files.load(*series)
        if found:
            self._note(series, found)
        return found

    def _keep(self, key: ParsedKey, parsed: Parsed) -> Parsed:
        return self._parsed.get(key, lambda: (parsed, parsed.weight_bytes))

    def _note(self, series: _SeriesKey, entries: Mapping[ParsedKey, Parsed]) -> None:
        with self._lock:
            if len(self._on_disk) > 10_000:
                self._on_disk.clear()  # costs another look at the files
            self._on_disk[series] = frozenset(entries)
