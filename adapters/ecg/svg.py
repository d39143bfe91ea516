"""A sheet of a tracing as SVG in true millimetres."""

from html import escape

from adapters.ecg.paper import GRID_HEIGHT_MM, GRID_WIDTH_MM, Label, Sheet

# Warm grid and near-black curve, as on thermal paper.
GRID_FINE, GRID_BOLD, GRID_EDGE = "#f6d5cf", "#eba99e", "#e08e81"
COLOURS = {"ink": "#1b2733", "faint": "#66727f", "alarm": "#b3261e"}
CURVE, GAP, CUT = "#16202b", "#66727f", "#b3261e"
FINE_MM, BOLD_MM, CURVE_MM = 0.1, 0.2, 0.3
FONTS = "'Noto Sans SC', 'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', sans-serif"


def write_svg(sheet: Sheet, *, labels: bool = True) -> str:
    """The sheet as one SVG document; without `labels` for whoever sets them in type of their own."""
    width, height = _mm(sheet.width_mm), _mm(sheet.height_mm)
    return "".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}mm" height="{height}mm"'
            f' viewBox="0 0 {width} {height}">',
            _grid(sheet),
            *(
                f'<rect x="{_mm(x)}" y="{_mm(y)}" width="{_mm(w)}" height="{_mm(h)}"'
                f' fill="{GAP}" fill-opacity="0.16"/>'
                for x, y, w, h in sheet.gaps
            ),
            *(
                f'<path d="M{_mm(x)} {_mm(line - 8)}v2.5m0 11v2.5" stroke="{COLOURS["faint"]}"'
                f' stroke-width="{CURVE_MM}" fill="none"/>'
                for x, line in sheet.separators
            ),
            # Thousandths of a millimetre keep curves short without rounding anything that could be seen.
            f'<g transform="scale(0.001)" fill="none" stroke="{CURVE}" stroke-width="{round(CURVE_MM * 1000)}"'
            ' stroke-linejoin="round" stroke-linecap="round">',
            *(f'<path d="{path}"/>' for path in (*sheet.pulses, *sheet.curves)),
            "</g>",
            *(_cut(*cut) for cut in sheet.cuts),
            *(_text(label) for label in sheet.labels if labels),
            "</svg>",
        ]
    )


def _grid(sheet: Sheet) -> str:
    top = sheet.grid_top_mm
    fine = [step for step in range(1, int(GRID_WIDTH_MM)) if step % 5]
    bold = range(0, int(GRID_WIDTH_MM) + 1, 5)
    fine_rows = [step for step in range(1, int(GRID_HEIGHT_MM)) if step % 5]
    bold_rows = range(0, int(GRID_HEIGHT_MM) + 1, 5)

    def lines(columns: "list[int] | range", rows: "list[int] | range") -> str:
        return "".join(f"M{x} {_mm(top)}v{_mm(GRID_HEIGHT_MM)}" for x in columns) + "".join(
            f"M0 {_mm(top + y)}h{_mm(GRID_WIDTH_MM)}" for y in rows
        )

    return (
        f'<path d="{lines(fine, fine_rows)}" stroke="{GRID_FINE}" stroke-width="{FINE_MM}" fill="none"/>'
        f'<path d="{lines(bold, bold_rows)}" stroke="{GRID_BOLD}" stroke-width="{BOLD_MM}" fill="none"/>'
    )


def _cut(x: float, y: float, at_top: bool) -> str:
    inward = 1.8 if at_top else -1.8
    return f'<path d="M{_mm(x)} {_mm(y)}l-1.2 {inward}h2.4z" fill="{CUT}"/>'


def _text(label: Label) -> str:
    weight = ' font-weight="700"' if label.bold else ""
    anchor = f' text-anchor="{label.anchor}"' if label.anchor != "start" else ""
    return (
        f'<text x="{_mm(label.x_mm)}" y="{_mm(label.y_mm)}" font-family="{FONTS}" font-size="{label.size_mm}"'
        f'{weight}{anchor} fill="{COLOURS[label.colour]}" xml:space="preserve">{escape(label.text)}</text>'
    )


def _mm(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
