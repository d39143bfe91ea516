"""Electrocardiograms: what carts write in, one EcgRecording out, and the ways out of it."""
