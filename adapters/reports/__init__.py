"""What a signed report looks like on each wire."""
