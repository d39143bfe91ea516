"""The HTTP side: JSON under /api/v1, DICOMweb, the viewer, health."""
