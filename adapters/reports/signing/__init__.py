"""Electronic signatures of reports: put there, stamped with a trusted time, and verified."""
