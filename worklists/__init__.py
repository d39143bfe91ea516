"""Who reads what, when, what they signed, what is recognised. Knows no protocol."""
