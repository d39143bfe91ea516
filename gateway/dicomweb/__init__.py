"""DICOMweb (PS3.18): searching and retrieving what the index knows, for whoever may see it.

`search` answers QIDO-RS, `served` finds what a caller may retrieve, `parsed` knows how an instance is built,
`retrieve` and `rendered` make the bytes of an answer; the routes stand in `gateway/web/dicomweb.py`.
"""
