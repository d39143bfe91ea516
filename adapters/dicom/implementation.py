"""How this implementation names itself to peers and in file meta information (PS3.7 D.3.3.2)."""

IMPLEMENTATION_CLASS_UID = "2.25.315872415726788174996556828238851967018"  # minted once; PS3.5 B.2
IMPLEMENTATION_VERSION_NAME = "SHAREDCENTRE_1"  # at most 16 characters
