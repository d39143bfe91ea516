"""What an analyser asks: QRY^Q02, QBP^Q11, and ORM^O01 as Mindray's haematology analysers use it.

QRD-8 is the barcode; without one, all that waits is asked for (QRD-9 OTH). QPD-3 is the barcode, QPD-4 the carrier
and QPD-5 the position in it (IHE LAB-27); the question WOS_ALL is for all that waits.
"""

from collections.abc import Sequence

from adapters.hl7.header import Header
from adapters.hl7.message import Segment, named
from adapters.lab.said import Query

_CANCELLED = ("CAN", "CANCEL")  # of QRF-6, of Mindray's chemistry analysers


def read_query(header: Header, segments: Sequence[Segment]) -> Query | None:
    """The question of a message; None when it asks nothing."""
    kind = header.message_type
    if kind == "QRY":
        return _read_qrd(named(segments, "QRD"), named(segments, "QRF"))
    if kind == "QBP":
        return _read_qpd(named(segments, "QPD"))
    if kind == "ORM" and named(segments, "OBR") is None:
        orc = named(segments, "ORC")
        if orc is not None and orc.text(1).upper() == "RF":
            return Query(barcodes=_known(orc.text(3) or orc.text(2)), tag=header.control_id)
    return None


def _read_qrd(qrd: Segment | None, qrf: Segment | None) -> Query | None:
    if qrd is None:
        return None
    barcodes = tuple(filter(None, (qrd.part(raw) for raw in qrd.repetitions(8))))
    cancelled = qrf is not None and qrf.text(6).upper() in _CANCELLED
    return Query(
        barcodes=barcodes, everything=not barcodes and not cancelled, tag=qrd.text(4), cancelled=cancelled
    )


def _read_qpd(qpd: Segment | None) -> Query | None:
    if qpd is None:
        return None
    barcodes = tuple(filter(None, (qpd.part(raw) for raw in qpd.repetitions(3))))
    # Some write container, carrier and place as the components of QPD-3.
    rack = qpd.text(4) or qpd.text(3, 3)
    place = qpd.text(5) or qpd.text(3, 4)
    racks = ((rack, place),) if rack and not barcodes else ()
    # A barcode that could not be read is no question for all that waits: that is WOS_ALL.
    everything = not barcodes and not racks and "ALL" in qpd.text(1).upper()
    return Query(barcodes=barcodes, racks=racks, everything=everything, tag=qpd.text(2))


def _known(barcode: str) -> tuple[str, ...]:
    return (barcode,) if barcode else ()
