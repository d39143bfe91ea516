"""A signed report as FHIR R4 (4.0.1): plain dictionaries out of the values that are printed and sent otherwise."""
