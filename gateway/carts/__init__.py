"""What devices and people hand over as files: checked, kept in the journal, and refused with a reason."""
