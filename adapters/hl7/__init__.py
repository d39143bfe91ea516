"""HL7 version 2 over MLLP: framing on bytes, character sets, acknowledgements, and what messages say."""
