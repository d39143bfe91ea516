"""DICOM: the upper layer, storage, headers, character sets."""
