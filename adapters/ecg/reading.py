"""An ECG file in, an EcgRecording out; whatever is wrong with it, only `NotAnEcg` (a Malformed) comes out.

A path or several that belong together (WFDB: header and signals), or a zip of one of either. Names of files tell
them apart within a set and mean nothing else. Samples of long recordings stay views of the file: it must not be
changed while somebody holds the recording; it may be unlinked.
"""

from collections.abc import Sequence
from pathlib import Path

from adapters.ecg.archives import is_zip, open_members
from adapters.ecg.content import Content, open_content
from adapters.ecg.dicom_reading import is_dicom, read_encapsulated
from adapters.ecg.errors import NotAnEcg
from adapters.ecg.formats import Format, find_format
from adapters.ecg.recording import EcgRecording
from adapters.ecg.wfdb_reading import is_wfdb, names_needed

_OF_A_SET = (".dat", ".mat", ".atr", ".xyz", ".qrs")  # signals and annotations of WFDB


def read_recording(path: Path, *, name: str = "") -> EcgRecording:
    """Read one file, or a zip. `name` is what the sender called it, when `path` is named otherwise."""
    return read_contents([open_content(path, name)])


def read_set(paths: Sequence[Path], *, names: Sequence[str] = ()) -> EcgRecording:
    """Read what came together: one of them is the recording, the others belong to it."""
    called = names or [path.name for path in paths]
    return read_contents([open_content(path, name) for path, name in zip(paths, called, strict=True)])


def companions_of(path: Path, *, name: str = "") -> tuple[str, ...]:
    """The names of the files that must come with this one: those that a WFDB header names; none for the rest."""
    content = open_content(path, name)
    return names_needed(content) if is_wfdb(content) else ()


def read_document(path: Path) -> bytes:
    """The page of a recording that is a document: the PDF inside of a DICOM object, else the file as it is."""
    content = open_content(path)
    if is_dicom(content):
        page = read_encapsulated(content)
        if page is None:
            raise NotAnEcg("document_damaged")
        return page
    return content.whole()


def read_contents(contents: Sequence[Content]) -> EcgRecording:
    """The one recording among several files, or in one zip."""
    if len(contents) == 1 and is_zip(contents[0]):
        contents = open_members(contents[0])
        if not any(find_format(content) for content in contents):
            raise NotAnEcg("zip_without_ecg")
    content, known = _find_recording(contents)
    by_name = {other.name.lower(): other for other in contents}
    return known.read(content, lambda name: by_name.get(name.lower()))


def _find_recording(contents: Sequence[Content]) -> tuple[Content, Format]:
    known = [(content, found) for content in contents if (found := find_format(content)) is not None]
    if len(known) > 1:  # the headers of segments are named by the record's
        named = {name.lower() for content, found in known for name in _named(content, found)}
        known = [(content, found) for content, found in known if content.name.lower() not in named]
    if len(known) == 1:
        return known[0]
    if not known:
        hint = contents[0].suffix if contents and contents[0].suffix in _OF_A_SET else ""
        raise NotAnEcg("waits_for", ".hea") if hint else NotAnEcg("unknown_format")
    raise NotAnEcg("several_recordings", ", ".join(content.name for content, _ in known[:5]))


def _named(content: Content, known: Format) -> tuple[str, ...]:
    return names_needed(content) if known.key == "wfdb" else ()
