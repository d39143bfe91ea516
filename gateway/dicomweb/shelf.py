"""What one process remembers for DICOMweb: who may open what, what a study has, how instances are built.

The right to see a study, and what belongs to it, are taken to be so for a moment only (in every process); how an
instance is built never changes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import groupby
from threading import Lock
from typing import Any

from gateway.dicomweb.descriptions import Descriptions, Written
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
ON_DISK_LIMIT = (
    200_000  # instances of which it is remembered that their series' file has them; 100 bytes each
)
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
        self._on_disk_keys = 0
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
        """All of one series; afterwards it stands in its file, and in memory as much of it as is its share."""
        series = (served[0].study_instance_uid, served[0].series_instance_uid)
        keys = [parsed_key(one, patient) for one in served]
        with ExitStack() as files:
            written: Written | None = None
            writing = (
                None if self._stands(series, keys) else files.enter_context(self._files.writing(*series))
            )
            kept_bytes = 0
            for key, one in zip(keys, served, strict=True):
                parsed = self._parsed.peek(key)
                if parsed is None:
                    written = written or files.enter_context(self._reading(series))
                    parsed = written.find(key) or parse(self._runtime, one, patient)
                    kept_bytes += parsed.weight_bytes
                    if kept_bytes <= READ_ALONG_BYTES:
                        self._keep(key, parsed)
                if writing is not None:
                    writing.add(key, parsed)
                yield parsed
        if writing is not None:
            self._note(series, keys)

    def _load(self, served: Served, key: ParsedKey) -> None:
        """Take an instance and those behind it from the series' file, unless it was seen that it is not in it."""
        series = (served.study_instance_uid, served.series_instance_uid)
        if series in self._on_disk and key not in self._on_disk[series]:
            return
        weight = 0
        with self._reading(series) as written:
            for entry, parsed in written.following(key):
                weight += parsed.weight_bytes
                if entry != key and weight > READ_ALONG_BYTES:
                    return
                self._keep(entry, parsed)

    def _stands(self, series: _SeriesKey, keys: Sequence[ParsedKey]) -> bool:
        """All of it is in the series' file."""
        if series not in self._on_disk:
            with self._reading(series):
                pass
        return self._on_disk.get(series, frozenset()).issuperset(keys)

    @contextmanager
    def _reading(self, series: _SeriesKey) -> Iterator[Written]:
        with self._files.reading(*series) as written:
            self._note(series, written.keys)
            yield written

    def _keep(self, key: ParsedKey, parsed: Parsed) -> Parsed:
        return self._parsed.get(key, lambda: (parsed, parsed.weight_bytes))

    def _note(self, series: _SeriesKey, keys: Iterable[ParsedKey]) -> None:
        """What stands in a series' file; of none it is not remembered that there is none."""
        noted = frozenset(keys)
        with self._lock:
            self._on_disk_keys += len(noted) - len(self._on_disk.pop(series, frozenset()))
            if self._on_disk_keys > ON_DISK_LIMIT:
                self._on_disk.clear()  # costs another look at the files
                self._on_disk_keys = len(noted)
            if noted:
                self._on_disk[series] = noted
