"""Pictures that people send of what they see: PNG or JPEG in, one plain baseline JPEG out.

Nothing of the file but its pixels goes on: no metadata, no transparency, no second image. Refused as Malformed: other
formats, what cannot be decoded to its end, and sides beyond `LONGEST_SIDE`, which are looked at before anything is
unpacked.
"""

import io
from dataclasses import dataclass

from PIL import Image

from adapters.errors import Malformed

LONGEST_SIDE = 4096  # pixels; a screen of a diagnostic monitor
_FORMATS = ("PNG", "JPEG")
_QUALITY = 92  # thin lines and figures of annotations stay sharp


@dataclass(frozen=True, slots=True, kw_only=True)
class Jpeg:
    """An encoded picture and its size in pixels."""

    data: bytes
    width: int
    height: int


def read_picture(data: bytes, *, longest_side: int) -> Jpeg:
    """The same picture, fitted into a square of `longest_side`; never enlarged. Raises Malformed."""
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
            if max(opened.size) > LONGEST_SIDE:
                raise Malformed(f"the picture is larger than {LONGEST_SIDE} pixels a side")
            shown = _without_transparency(opened)
    except Malformed:
        raise
    except Exception as error:  # Pillow says what is wrong with a file in a dozen ways
        raise Malformed(f"it is no PNG or JPEG picture: {type(error).__name__}") from error
    shown.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS)
    return write_jpeg(shown)


def write_jpeg(image: Image.Image) -> Jpeg:
    written = io.BytesIO()
    image.save(written, "JPEG", quality=_QUALITY, subsampling=0)
    return Jpeg(data=written.getvalue(), width=image.width, height=image.height)


def _without_transparency(image: Image.Image) -> Image.Image:
    """What shows through is black, as behind images."""
    if image.mode in {"L", "RGB"}:
        return image.copy()
    layered = image.convert("RGBA")
    plain = Image.new("RGB", layered.size)
    plain.paste(layered, mask=layered.getchannel("A"))
    return plain
