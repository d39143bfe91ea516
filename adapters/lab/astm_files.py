"""Files of ASTM records: plain ones, one record in a line, or a line as it was recorded, with its frames.

Each message comes out as the journal would keep it from a line; every checksum is looked at. What
is no ASTM is Malformed, with a sentence for whoever sent it.
"""

from adapters.errors import Malformed
from adapters.lab.assembly import Assembly, shown
from adapters.lab.framing import ACK, ENQ, EOT, NAK, STX, Frame, find_frame

FILE_LIMIT_BYTES = 32 << 20
_TEXT_LIMIT = 64_000
_BETWEEN = bytes((ENQ, ACK, NAK, EOT)) + b"\r\n "  # of a dialogue that was recorded whole


def split_messages(raw: bytes) -> tuple[bytes, ...]:
    """The messages of a file. Raises Malformed."""
    if len(raw) > FILE_LIMIT_BYTES:
        raise Malformed(f"the file is larger than {FILE_LIMIT_BYTES} bytes")
    framed = raw.lstrip(_BETWEEN)[:1] == bytes((STX,))
    frames = _read_frames(raw) if framed else [Frame(number=1, text=raw.strip(b"\x1a\0 "), more=False)]
    assembly = Assembly(FILE_LIMIT_BYTES)
    parcels = [parcel for frame in frames for parcel in assembly.add(frame)]
    left = assembly.leave()
    if left is not None and left.carries_something:
        parcels.append(left)
    if not parcels:
        raise Malformed("there is no ASTM message in the file")
    return tuple(b"".join(parcel.body) for parcel in parcels)


def _read_frames(raw: bytes) -> list[Frame]:
    rest = bytearray(raw.lstrip(_BETWEEN))
    frames: list[Frame] = []
    while rest:
        if rest[0] != STX:
            raise Malformed(f"after frame {len(frames)} no frame begins: {shown(bytes(rest[:24]))}")
        found, taken = find_frame(rest, _TEXT_LIMIT)
        if not isinstance(found, Frame):
            what = "is no ASTM frame" if not frames else "is damaged"
            raise Malformed(f"frame {len(frames) + 1} {what}: it begins with {shown(bytes(rest[1:25]))}")
        frames.append(found)
        rest = rest[taken:].lstrip(_BETWEEN)
    return frames
