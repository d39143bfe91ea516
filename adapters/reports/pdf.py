"""A signed report on paper: a ReportDocument in, PDF/A-3b out, not yet signed.

Typeset by Typst from `report.typ`. Everything enters as data, so no text can act as markup or code.
The same document and manifest give the same bytes. PDF/A-3: ISO 19005-3; associated files: its Annex E.
"""

import base64
import dataclasses
import io
import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import segno
import structlog
import typst

from adapters.ecg.pdf import drawn_curves, printed_sheet
from adapters.errors import Malformed, Unavailable
from adapters.reports.document import KeyPicture, ReportDocument, Tracing
from adapters.reports.fonts import Fonts
from adapters.reports.laboratory import printed_table
from adapters.reports.manifest import MANIFEST_NAME
from adapters.reports.printable import make_printable

TEMPLATE = Path(__file__).with_name("report.typ")
ROOT = TEMPLATE.parents[1]  # of what a template may import: tracings are set by `ecg/sheet.typ`
PDF_STANDARD: Final = "a-3b"
TIME_FORMAT = "%Y-%m-%d %H:%M"

log = structlog.get_logger()


def write_pdf(document: ReportDocument, *, manifest: bytes, fonts: Fonts) -> bytes:
    """Typeset a report as PDF/A-3b with the manifest of its originals attached, byte for byte.

    The manifest is JSON, so UTF-8 (RFC 8259 §8.1); other bytes are Malformed.
    """
    printed, replaced = make_printable(_printed_values(document), fonts)
    inputs = {
        "report": json.dumps(printed | {"replaced": [dataclasses.asdict(item) for item in replaced]}),
        "pictures": json.dumps([_as_svg(one) for one in document.key_pictures]),
        "curves": json.dumps(drawn_curves(document.tracing.sheets if document.tracing else ())),
        "families": json.dumps(fonts.families),
        "manifest_name": MANIFEST_NAME,
        "manifest": _text_of(manifest),
        "qr": _qr_code(document.verification_url),
    }
    # A compiler per report: it is cheap beside its fonts, and threads need not wait for one another.
    compiler = typst.Compiler(
        TEMPLATE, root=ROOT, font_paths=fonts.typst, ignore_system_fonts=True, sys_inputs=inputs
    )
    try:
        pdf, warnings = compiler.compile_with_warnings(
            format="pdf", pdf_standards=[PDF_STANDARD], timestamp=int(document.signed_at.timestamp())
        )
    except typst.TypstError as error:
        # The original error quotes the report's text, which no log may hold: it is not chained.
        raise Unavailable(f"the report cannot be typeset: {_without_quotes(error.message)}") from None
    for warning in warnings:
        log.warning("report_typeset_with_warning", warning=_without_quotes(warning.message))
    if not isinstance(pdf, bytes):
        raise TypeError("Typst gave no PDF")
    return pdf


def _printed_values(document: ReportDocument) -> dict[str, Any]:
    zone = ZoneInfo(document.time_zone)

    def show(at: datetime) -> str:
        return at.astimezone(zone).strftime(TIME_FORMAT)

    plain = dataclasses.asdict(dataclasses.replace(document, tracing=None, laboratory=None, key_pictures=()))
    values = {name: show(value) if isinstance(value, datetime) else value for name, value in plain.items()}
    offset = document.signed_at.astimezone(zone).isoformat()[-len("+08:00") :]
    return values | {
        "utc_offset": f"UTC{offset}",
        "tracing": _printed_tracing(document.tracing),
        "key_pictures": [one.caption for one in document.key_pictures],
        "laboratory": printed_table(document.laboratory, show) if document.laboratory else None,
    }


def _printed_tracing(tracing: Tracing | None) -> dict[str, Any] | None:
    if tracing is None:
        return None
    sheets = [printed_sheet(sheet) for sheet in tracing.sheets]
    return {"sheets": sheets, "caption": tracing.caption, "note": tracing.note}


def _as_svg(picture: KeyPicture) -> str:
    """The JPEG in a frame of SVG: inputs of a template are texts, and its bytes go into the PDF as they are."""
    size = f'width="{picture.width}" height="{picture.height}"'
    data = base64.b64encode(picture.data).decode()
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {picture.width} {picture.height}">'
        f'<image {size} href="data:image/jpeg;base64,{data}"/></svg>'
    )


def _text_of(manifest: bytes) -> str:
    try:
        return manifest.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("the manifest is not UTF-8") from error


def _qr_code(url: str) -> str:
    svg = io.BytesIO()
    segno.make(url, error="m", micro=False).save(svg, kind="svg", xmldecl=False)
    return svg.getvalue().decode("ascii")


def _without_quotes(message: str) -> str:
    return re.sub(r'"[^"]*"|`[^`]*`', "…", message)
