"""A frame as a person sees it: grey or colour, eight bits, windowed, cut and scaled.

Pipeline: modality LUT, VOI LUT or window, polarity (PS3.3 C.11.1, C.11.2, C.7.6.3.1.2; order: PS3.4 N.2). Palette and
colour images skip what is not theirs. Enhanced multi-frame objects carry rescale and window per frame
(PS3.3 C.7.6.16.2.9, .10).
"""

import io
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi

from adapters.errors import Malformed

LONGEST_SIDE = 4096  # pixels of a rendered image

WindowFunction = Literal["linear", "linear-exact", "sigmoid"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """PS3.3 C.11.2.1.2 and C.11.2.1.3."""

    center: float
    width: float
    function: WindowFunction = "linear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewport:
    """The size to fit into, and the part of the image to show: left, top, width, height (PS3.18 8.3.5.1.3)."""

    width: int
    height: int
    source: tuple[float, float, float, float] | None = None


def render(
    array: NDArray[Any],
    data_set: Dataset,
    *,
    frame: int = 0,
    window: Window | None = None,
    viewport: Viewport | None = None,
) -> Image.Image:
    """Make a decoded frame visible. The data set is its description; Malformed when its tables are broken."""
    try:
        shown = (
            _colour(array, data_set) if _is_colour(array, data_set) else _grey(array, data_set, frame, window)
        )
    except Malformed:
        raise
    except Exception as error:  # numpy and pydicom meet broken tables with many kinds of errors
        raise Malformed(f"the frame cannot be rendered: {error}") from error
    return _fit(Image.fromarray(shown), viewport)


def write_image(image: Image.Image, kind: Literal["JPEG", "PNG"], *, quality: int = 90) -> bytes:
    written = io.BytesIO()
    options = {"quality": quality} if kind == "JPEG" else {"compress_level": 1}
    image.save(written, kind, **options)
    return written.getvalue()


def _is_colour(array: NDArray[Any], data_set: Dataset) -> bool:
    return array.ndim == 3 or data_set.get("PhotometricInterpretation") == "PALETTE COLOR"


def _colour(array: NDArray[Any], data_set: Dataset) -> NDArray[np.uint8]:
    if data_set.get("PhotometricInterpretation") == "PALETTE COLOR":
        array = apply_color_lut(array, data_set)
        bits = array.dtype.itemsize * 8  # entries fill their type, or there are 256 of them in 16 bits
        if bits == 16 and array.max(initial=0) < 256:
            bits = 8
    else:
        bits = int(data_set.get("BitsStored") or 8)
    if bits > 8:
        array = array >> (bits - 8)
    return np.ascontiguousarray(array[:, :, :3].astype(np.uint8))


def _grey(array: NDArray[Any], data_set: Dataset, frame: int, window: Window | None) -> NDArray[np.uint8]:
    modality, voi = _transform_of(data_set, frame, "PixelValueTransformationSequence"), data_set
    values = apply_modality_lut(array, modality).astype(np.float64)
    voi = _transform_of(data_set, frame, "FrameVOILUTSequence")
    inverted = _is_inverted(data_set)
    window = window or _stored_window(voi)
    if window is not None:
        shown = _windowed(values, window)
    elif "VOILUTSequence" in voi:
        table = apply_voi(values.astype(np.int64), voi).astype(np.float64)
        shown = table / max(1.0, float((1 << int(voi.VOILUTSequence[0].LUTDescriptor[2])) - 1))
    else:
        shown = _stretched(values, array, data_set)
    grey = (np.clip(shown, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    return 255 - grey if inverted else grey


def _transform_of(data_set: Dataset, frame: int, keyword: str) -> Dataset:
    """Where the frame's transformation stands: its own functional group, the shared one, or the data set."""
    per_frame = data_set.get("PerFrameFunctionalGroupsSequence") or []
    groups = [per_frame[frame]] if frame < len(per_frame) else []
    groups += list(data_set.get("SharedFunctionalGroupsSequence") or [])
    for group in groups:
        macro = group.get(keyword)
        if macro:
            found: Dataset = macro[0]
            return found
    return data_set


def _is_inverted(data_set: Dataset) -> bool:
    shape = data_set.get("PresentationLUTShape")
    if shape in {"IDENTITY", "INVERSE"}:
        return bool(shape == "INVERSE")
    return bool(data_set.get("PhotometricInterpretation") == "MONOCHROME1")


def _stored_window(voi: Dataset) -> Window | None:
    center, width = _first_number(voi.get("WindowCenter")), _first_number(voi.get("WindowWidth"))
    if center is None or width is None or width <= 0:
        return None
    functions: dict[str, WindowFunction] = {"LINEAR_EXACT": "linear-exact", "SIGMOID": "sigmoid"}
    function = functions.get(str(voi.get("VOILUTFunction") or ""), "linear")
    return Window(center=center, width=width, function=function)


def _first_number(value: Any) -> float | None:
    if isinstance(value, str | bytes) or value is None:
        return None
    try:
        return float(value[0] if hasattr(value, "__getitem__") else value)
    except (IndexError, TypeError, ValueError):
        return None


def _windowed(values: NDArray[np.float64], window: Window) -> NDArray[np.float64]:
    if window.function == "sigmoid":
        exponent = np.clip(-4.0 * (values - window.center) / window.width, -700.0, 700.0)
        return np.asarray(1.0 / (1.0 + np.exp(exponent)))
    if window.function == "linear-exact":
        return np.asarray((values - window.center) / window.width + 0.5)
    if window.width <= 1:
        return np.asarray((values > window.center - 0.5).astype(np.float64))
    return np.asarray((values - (window.center - 0.5)) / (window.width - 1.0) + 0.5)


def _stretched(values: NDArray[np.float64], array: NDArray[Any], data_set: Dataset) -> NDArray[np.float64]:
    """Without a window: from the darkest to the brightest pixel that is no padding."""
    padding = data_set.get("PixelPaddingValue")
    seen = values[array != padding] if isinstance(padding, int) else values
    seen = seen[np.isfinite(seen)]
    if not seen.size:
        return np.zeros_like(values)
    low, high = float(seen.min()), float(seen.max())
    return np.asarray(np.nan_to_num((values - low) / max(high - low, 1e-9)))


def _fit(image: Image.Image, viewport: Viewport | None) -> Image.Image:
    if viewport is not None and viewport.source is not None:
        left, top, width, height = viewport.source
        right = left + (width or image.width - left)
        bottom = top + (height or image.height - top)
        image = image.crop((round(left), round(top), round(right), round(bottom)))
    wide, high = (viewport.width, viewport.height) if viewport is not None else image.size
    scale = min(min(wide, LONGEST_SIDE) / image.width, min(high, LONGEST_SIDE) / image.height)
    if scale == 1:
        return image
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC)
