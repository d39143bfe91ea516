"""Real senders against the acceptor: dcmtk's programs and pynetdicom."""

from io import BytesIO

from pydicom import dcmread


def test_echoscu_is_answered(server, dcmtk):
    done = dcmtk("echoscu")

    assert done.returncode == 0, done.stderr
    assert server.acceptor.counters.echoes == 1


def test_storescu_stores_a_file_that_reads_back_as_sent(server, dcmtk, ct):
    done = dcmtk("storescu", "-R", ct)

    assert done.returncode == 0, done.stderr
    [record] = server.intake.records
    kept, sent = dcmread(BytesIO(record.payload)), dcmread(ct)
    del sent[0xFFFC, 0xFFFC]  # storescu does not send the padding
    assert list(kept) == list(sent)
    assert kept.file_meta.MediaStorageSOPInstanceUID == sent.SOPInstanceUID
    assert kept.file_meta.SourceApplicationEntityTitle == "DEMO_CT"
