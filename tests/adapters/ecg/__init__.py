"""Electrocardiograms: formats in, formats out, paper."""
