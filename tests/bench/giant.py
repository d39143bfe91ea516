"""One instance of any size, made while it is sent: an encapsulated multi-frame image whose bytes are nowhere whole.

Ultrasound, RLE Lossless (PS3.5 A.4.2, G), each frame one fragment, an Extended Offset Table (PS3.3 C.7.6.3.1.8) and an
empty basic one, undefined length. The frame's number stands in its first four pixels, so no two frames are alike.
"""

import hashlib
import random
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from pydicom.uid import RLELossless, UltrasoundMultiFrameImageStorage

from tests.adapters.dicom.wire import Peer, associate_rq, items, p_data, store_rq
from tests.gateway.sending import encode
from tests.synthetic import make_images, new_uid

ROWS, COLUMNS = 800, 640
LARGEST_PDU = 131_072
TIMEOUT_S = 600
_CONTEXT = 1
_RUN = 128  # pixels of a literal run, the longest that there is (PS3.5 G.3.1); a row has five
_HEADER = struct.pack("<16I", 1, 64, *(0,) * 14)  # one segment, and where it begins (PS3.5 G.5)
_STAMP = slice(len(_HEADER) + 1, len(_HEADER) + 5)  # the first four pixels, behind their run's own byte
_ITEM, _SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0" + bytes(4)


def _template() -> bytes:
    noise = random.Random(1)
    runs = (bytes((_RUN - 1,)) + noise.randbytes(_RUN) for _ in range(ROWS * COLUMNS // _RUN))
    return _HEADER + b"".join(runs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Giant:
    """So many frames of half a megabyte."""

    frames: int
    study_uid: str = field(default_factory=new_uid)
    series_uid: str = field(default_factory=new_uid)
    sop_instance_uid: str = field(default_factory=new_uid)
    template: bytes = field(default_factory=_template, repr=False)

    @classmethod
    def of(cls, size_bytes: int) -> "Giant":
        """One that has more bytes than this."""
        return cls(frames=size_bytes // len(_template()) + 1)

    def frame(self, number: int) -> bytes:
        """The fragment of a frame; numbers begin at 1."""
        fragment = bytearray(self.template)
        fragment[_STAMP] = number.to_bytes(4, "big")
        return bytes(fragment)

    def pixels(self, number: int) -> bytes:
        """The same, decompressed."""
        runs = self.frame(number)[len(_HEADER) :]
        return b"".join(runs[start + 1 : start + 1 + _RUN] for start in range(0, len(runs), _RUN + 1))

    def pieces(self) -> Iterator[bytes]:
        """The data set in Explicit VR, in order."""
        length = len(self.template)
        yield self._head()
        yield _element(
            1, b"OV", struct.pack(f"<{self.frames}Q", *range(0, self.frames * (length + 8), length + 8))
        )
        yield _element(2, b"OV", struct.pack("<Q", length) * self.frames)
        yield struct.pack("<HH2sxxI", 0x7FE0, 0x10, b"OB", 0xFFFFFFFF) + _ITEM + bytes(4)
        for number in range(1, self.frames + 1):
            yield _ITEM + length.to_bytes(4, "little") + self.frame(number)
        yield _SEQUENCE_END

    def size_bytes(self) -> int:
        return sum(map(len, self.pieces()))

    def sha256(self) -> str:
        digest = hashlib.sha256()
        for piece in self.pieces():
            digest.update(piece)
        return digest.hexdigest()

    def _head(self) -> bytes:
        [image] = make_images(1, modality="US", size=8, patient_id="GIANT", study_uid=self.study_uid)
        image.SeriesInstanceUID, image.SOPInstanceUID = self.series_uid, self.sop_instance_uid
        image.SOPClassUID = UltrasoundMultiFrameImageStorage
        image.Rows, image.Columns, image.NumberOfFrames = ROWS, COLUMNS, self.frames
        image.BitsAllocated, image.BitsStored, image.HighBit = 8, 8, 7
        del image.PixelData
        return encode(image)


def send(port: int, giant: Giant, *, calling: str = "DEMO_US") -> None:
    """Over an association of its own. Raises RuntimeError when it is not answered with success."""
    with Peer(socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)) as peer:
        peer.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        contexts = ((_CONTEXT, str(UltrasoundMultiFrameImageStorage), (str(RLELossless),)),)
        peer.send(associate_rq(calling=calling.encode(), contexts=contexts))
        kind, body = peer.read_pdu()
        if kind != 2:
            raise RuntimeError(f"the association was answered with a PDU of type {kind}")
        request = store_rq(sop_class=str(UltrasoundMultiFrameImageStorage), instance=giant.sop_instance_uid)
        peer.send(p_data(_CONTEXT, 3, request))
        for fragment in _cut(giant, min(LARGEST_PDU, _limit_of(body)) - 6):
            peer.connection.sendall(fragment)
        answer = peer.read_answer()
        if answer.status:
            raise RuntimeError(f"status {answer.status:04X} {answer.comment}")
        peer.release()


def _cut(giant: Giant, room: int) -> Iterator[bytes]:
    """PDUs with one fragment each (PS3.8 Annex E)."""
    for piece in giant.pieces():
        for start in range(0, len(piece), room):
            yield p_data(_CONTEXT, 2 if piece is _SEQUENCE_END else 0, piece[start : start + room])


def _limit_of(accepted: bytes) -> int:
    """The largest PDU that the peer takes (PS3.8 D.1)."""
    [user] = [value for kind, value in items(accepted[68:]) if kind == 0x50]
    [limit] = [struct.unpack(">I", value)[0] for kind, value in items(user) if kind == 0x51]
    return limit or LARGEST_PDU


def _element(number: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sxxI", 0x7FE0, number, vr, len(value)) + value
