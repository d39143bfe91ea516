"""Rendered answers (PS3.18 10.4.1.1.3, .4): a frame as JPEG or PNG, a thumbnail of whatever is asked for."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from adapters.dicom.data_set import load_all
from adapters.dicom.pixels import decode_frame
from adapters.dicom.rendering import LONGEST_SIDE, Viewport, Window, WindowFunction, render, write_image
from gateway.dicomweb.errors import BadQuery
from gateway.dicomweb.media import PNG, stream_type
from gateway.dicomweb.parsed import Parsed, describe, open_stream
from gateway.dicomweb.retrieve import need_frames
from gateway.dicomweb.served import Served
from gateway.runtime import Runtime
from worklists.errors import NotFound

THUMBNAIL = Viewport(width=128, height=128)
DEFAULT_QUALITY = 90

_WINDOW_FORM = "center,width,function is expected; the function is linear, linear-exact or sigmoid"
_FUNCTIONS: Mapping[str, WindowFunction] = {
    "linear": "linear",
    "linear-exact": "linear-exact",
    "sigmoid": "sigmoid",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a frame is to be shown."""

    media_type: str
    window: Window | None = None
    viewport: Viewport | None = None
    quality: int = DEFAULT_QUALITY

    @property
    def kind(self) -> Literal["JPEG", "PNG"]:
        return "PNG" if self.media_type == PNG else "JPEG"


def read_look(parameters: Mapping[str, str], media_type: str, *, viewport: Viewport | None = None) -> Look:
    """The rendering parameters (PS3.18 8.3.5). BadQuery names the one that cannot be used."""
    stated = parameters.get("viewport")
    window, quality = parameters.get("window"), parameters.get("quality")
    return Look(
        media_type=media_type,
        window=_read_window(window) if window else None,
        viewport=_read_viewport(stated) if stated else viewport,
        quality=_read_quality(quality) if quality else DEFAULT_QUALITY,
    )


def render_frames_of(
    runtime: Runtime, served: Served, parsed: Parsed, numbers: Sequence[int], look: Look
) -> Iterator[bytes]:
    """Frames, by their numbers, as image files. NotFound, before the first, for one that is not there.

    Raises Malformed for one that cannot be decoded.
    """
    frames = need_frames(parsed)
    is_video = stream_type(served.transfer_syntax_uid) is not None
    if is_video or not all(0 < number <= frames.count for number in numbers):
        raise NotFound("frame")
    description = load_all(describe(runtime, served))
    stream = open_stream(runtime, served, parsed)
    for number in numbers:
        array = decode_frame(stream, frames, number - 1)
        image = render(array, description, frame=number - 1, window=look.window, viewport=look.viewport)
        yield write_image(image, look.kind, quality=look.quality)


def representative(served: Sequence[Served]) -> Served:
    """The instance that stands for a series or study: of the first series with images, the middle one."""
    with_pixels = [one for one in served if one.has_pixels]
    if not with_pixels:
        raise NotFound("image")
    first = [one for one in with_pixels if one.series_instance_uid == with_pixels[0].series_instance_uid]
    return first[len(first) // 2]


def _read_window(text: str) -> Window:
    parts = text.split(",")
    if len(parts) not in {2, 3}:
        raise BadQuery("window", _WINDOW_FORM)
    center, width, function = (*parts, "linear")[:3]
    numbers = _numbers("window", [center, width])
    if function.lower() not in _FUNCTIONS or numbers[1] <= 0:
        raise BadQuery("window", _WINDOW_FORM)
    return Window(center=numbers[0], width=numbers[1], function=_FUNCTIONS[function.lower()])


def _read_viewport(text: str) -> Viewport:
    numbers = _numbers("viewport", [part or "0" for part in text.split(",")])
    if len(numbers) not in {2, 6} or not all(1 <= side <= LONGEST_SIDE for side in numbers[:2]):
        raise BadQuery(
            "viewport", f"width,height[,x,y,width,height] is expected, up to {LONGEST_SIDE} pixels a side"
        )
    if any(number < 0 for number in numbers[2:]):
        raise BadQuery("viewport", "flipping is not supported")
    source = (numbers[2], numbers[3], numbers[4], numbers[5]) if len(numbers) == 6 else None
    return Viewport(width=int(numbers[0]), height=int(numbers[1]), source=source)


def _read_quality(text: str) -> int:
    (quality,) = _numbers("quality", [text])
    if not 1 <= quality <= 100:
        raise BadQuery("quality", "1 to 100 is expected")
    return int(quality)


def _numbers(name: str, parts: Sequence[str]) -> list[float]:
    try:
        numbers = [float(part) for part in parts]
    except ValueError as error:
        raise BadQuery(name, "numbers are expected") from error
    if not all(map(math.isfinite, numbers)):
        raise BadQuery(name, "numbers are expected")
    return numbers
