"""What people are told, as tables: a code, and its words in Simplified Chinese and in English."""
