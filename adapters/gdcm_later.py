"""GDCM, loaded when the first frame needs it: pydicom, which would load it at once, finds this in its place.

A process that decodes nothing saves 19 MB. As pydicom is imported it asks for the version, and its older handler for
a class that it only names; whatever else is asked for is GDCM's own.
"""

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.metadata import version
from importlib.util import find_spec
from threading import Lock
from types import ModuleType
from typing import Any

NAME, DISTRIBUTION = "gdcm", "python-gdcm"


class _Later(ModuleType):
    """Stands for the module; a thing that pydicom names while it is imported is named here, too."""

    class Version:
        @staticmethod
        def GetVersion() -> str:  # noqa: N802 (theirs)
            return version(DISTRIBUTION)

    def __init__(self, spec: ModuleSpec) -> None:
        super().__init__(NAME)
        self.__spec__ = spec
        self._lock = Lock()

    def DataElement(self, *arguments: Any) -> Any:  # noqa: N802 (theirs)
        return self._load().DataElement(*arguments)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what the machinery of imports asks of every module
            raise AttributeError(name)
        return getattr(self._load(), name)

    def _load(self) -> Any:
        with self._lock:
            if sys.modules.get(NAME) is self:
                del sys.modules[NAME]
            return import_module(NAME)


def load_gdcm_later() -> None:
    """To be called before pydicom is imported; nothing happens where GDCM is loaded already, or is not installed."""
    if NAME not in sys.modules and (spec := find_spec(NAME)) is not None:
        sys.modules[NAME] = _Later(spec)
