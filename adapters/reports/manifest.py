"""The manifest in a report's PDF: the list of originals it was written from, as an associated file.

Found through the catalog's AF array (ISO 19005-3 Annex E). Whether it can be believed, the signature says.
"""

import io
from typing import Any

from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader

from adapters.errors import Malformed

MANIFEST_NAME = "originals.json"


def read_manifest(pdf: bytes) -> bytes:
    """The attached manifest, byte for byte; Malformed when this is not a PDF that has one."""
    try:
        return manifest_of(PdfFileReader(io.BytesIO(pdf)))
    except (PdfError, ValueError, KeyError) as error:
        raise Malformed("the PDF has no readable manifest") from error


def manifest_of(reader: PdfFileReader) -> bytes:
    """The attached manifest of an opened PDF; KeyError when there is none."""
    files: Any = reader.root["/AF"]
    for specification in files:
        attached = specification.get_object()
        if str(attached["/UF"]) == MANIFEST_NAME:
            return bytes(attached["/EF"]["/F"].data)
    raise KeyError(MANIFEST_NAME)
