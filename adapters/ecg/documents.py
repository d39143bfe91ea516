"""ECGs that came as a page: PDF, JPEG, PNG. They are checked to open, and shown; nothing is measured in them."""

import io
import re
import warnings
from datetime import datetime
from typing import Any

from PIL import Image, UnidentifiedImageError

from adapters.ecg.content import Companions, Content
from adapters.ecg.errors import NotAnEcg
from adapters.ecg.recording import Caution, Document, EcgRecording
from adapters.ecg.units import as_utc

_MOST_PIXELS = 200_000_000  # an A3 page at 600 dpi has 70 million
_PDF_END_BYTES = 2048  # within which `%%EOF` stands; some writers add a line behind it
_MOST_PAGES = 500
_RATE_OF_NOTHING = 1.0  # a document has no samples


def is_pdf(content: Content) -> bool:
    return b"%PDF-" in content.head[:1024]


def is_jpeg(content: Content) -> bool:
    return content.head.startswith(b"\xff\xd8\xff")


def is_png(content: Content) -> bool:
    return content.head.startswith(b"\x89PNG\r\n\x1a\n")


def read_pdf(content: Content, companions: Companions) -> EcgRecording:
    return inspect_document("pdf", inspect_pdf(content.whole()))


def read_image(content: Content, companions: Companions) -> EcgRecording:
    kind = "jpeg" if is_jpeg(content) else "png"
    _inspect_image(content.whole())
    return inspect_document(kind, Document(media_type=f"image/{kind}", pages=1))


def inspect_document(format: str, document: Document, *, started_at: datetime | None = None) -> EcgRecording:
    """A recording without samples."""
    moment = as_utc(started_at)
    return EcgRecording(
        format=format,
        leads=(),
        sampling_rate_hz=_RATE_OF_NOTHING,
        started_at=moment,
        document=document,
        cautions=() if moment else (Caution(code="clock_missing"),),
    )


def inspect_pdf(data: bytes) -> Document:
    """Whether a viewer will open it: it is whole, not encrypted, and has pages."""
    from pyhanko.pdf_utils.reader import PdfFileReader  # noqa: PLC0415 (13 MB in each process, and few ECGs are PDF)

    if b"%%EOF" not in data[-_PDF_END_BYTES:]:
        raise NotAnEcg("truncated", "PDF")
    try:
        reader: Any = PdfFileReader(io.BytesIO(data), strict=False)
        if reader.encrypted:
            raise NotAnEcg("document_encrypted")
        pages = int(reader.root["/Pages"]["/Count"])
    except NotAnEcg:
        raise
    except RecursionError as error:
        raise NotAnEcg("document_damaged", "PDF") from error
    except Exception as error:  # the library meets broken data with many kinds of errors
        pages = len(re.findall(rb"/Type\s*/Page\b", data))
        if not pages:
            raise NotAnEcg("document_damaged", "PDF") from error
    if not 0 < pages <= _MOST_PAGES:
        raise NotAnEcg("document_damaged", f"PDF: {pages}")
    return Document(media_type="application/pdf", pages=pages)


def _inspect_image(data: bytes) -> None:
    """Decode it once: a picture that ends early is refused."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as picture:
                if picture.width * picture.height > _MOST_PIXELS:
                    raise NotAnEcg("too_large", f"{picture.width} x {picture.height}")
                picture.draft("L", (picture.width // 8, picture.height // 8))  # JPEG: an eighth of the work
                picture.load()
    except NotAnEcg:
        raise
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise NotAnEcg("document_damaged", type(error).__name__) from error
    except Exception as error:  # Pillow meets broken data with many kinds of errors
        raise NotAnEcg("document_damaged", type(error).__name__) from error
