"""An ECG file in, an EcgRecording out; whatever is wrong with it, only `NotAnEcg` (a Malformed) comes out.

A path or several that belong together (WFDB: header and signals), or a zip of one of either. Names of files tell
them apart within a set and mean nothing else. Samples of long recordings stay views of the file: it must not be
changed while somebody holds the recording; it may be unlinked.
"""

from collections.abc import Sequence
from pathlib import Path

from adapters.ecg.content import Content, open_content
from adapters.ecg.errors import NotAnEcg
from adapters.ecg.formats import find_format
from adapters.ecg.recording import EcgRecording

_SIGNALS_OF_OTHERS = (".dat", ".mat", ".atr", ".xyz", ".qrs", ".ecg")


def read_recording(path: Path, *, name: str = "") -> EcgRecording:
    """Read one file. `name` is what the sender called it, when `path` is named otherwise."""
    return _read(open_content(path, name), ())


def read_set(paths: Sequence[Path], *, names: Sequence[str] = ()) -> EcgRecording:
    """Read what came together: one of them is the recording, the others belong to it."""
    contents = [
        open_content(path, name)
        for path, name in zip(paths, names or [path.name for path in paths], strict=True)
    ]
    return read_contents(contents)


def read_contents(contents: Sequence[Content]) -> EcgRecording:
    """The one recording among several files."""
    known = [content for content in contents if find_format(content) is not None]
    if not known:
        raise NotAnEcg("unknown_format", ", ".join(content.name for content in contents[:3]))
    if len(known) > 1:
        raise NotAnEcg("several_recordings", ", ".join(content.name for content in known[:5]))
    return _read(known[0], contents)


def _read(content: Content, others: Sequence[Content]) -> EcgRecording:
    known = find_format(content)
    if known is None:
        raise NotAnEcg("unknown_format", content.suffix if content.suffix in _SIGNALS_OF_OTHERS else "")
    by_name = {other.name.lower(): other for other in others}
    return known.read(content, lambda name: by_name.get(name.lower()))
