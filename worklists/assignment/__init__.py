"""Assignment: which centre and which reader, by when; rules are data that the county and its centres edit."""
