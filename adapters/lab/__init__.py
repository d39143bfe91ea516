"""Laboratory analysers: the ASTM link, result files, and what a message of any of their wires says."""
