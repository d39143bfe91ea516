"""Mutual recognition where an examination is ordered: what is proposed, what the doctor decides, and the figures."""
