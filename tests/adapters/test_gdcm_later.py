"""GDCM in a process: only where a frame was decoded with it."""

import subprocess
import sys

PROGRAM = """
import sys, gateway.serve, gateway.ecg.describing
assert "_gdcm" not in sys.modules, "loaded without need"
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import JPEGBaseline8Bit, JPEGLosslessSV1
assert "gdcm" in get_decoder(JPEGLosslessSV1).available_plugins
from io import BytesIO
import numpy as np
from PIL import Image
from pydicom.encaps import encapsulate
pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
written = BytesIO()
Image.fromarray(pixels).save(written, "jpeg", quality=100)
array, _ = get_decoder(JPEGBaseline8Bit).as_array(
    encapsulate([written.getvalue()]), index=0, decoding_plugin="gdcm", rows=16, columns=16, number_of_frames=1,
    samples_per_pixel=1, bits_allocated=8, bits_stored=8, pixel_representation=0,
    photometric_interpretation="MONOCHROME2", pixel_keyword="PixelData",
)
assert np.abs(array.astype(int) - pixels).max() <= 2, array
assert "_gdcm" in sys.modules
import gdcm
assert gdcm.Version.GetVersion() == sys.modules["pydicom.pixels.decoders.gdcm"].gdcm.Version.GetVersion()
assert gdcm.Tag(8, 16).GetGroup() == 8
print("as promised")
"""


def test_gdcm_is_loaded_by_the_first_frame_that_needs_it() -> None:
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=120
    )
    assert told.stdout == "as promised\n", told.stderr
