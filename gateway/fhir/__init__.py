"""Signed reports as FHIR R4 for who may see them: reading, searching, and mutual recognition as operations."""
