"""The head's figures: counted from the rows themselves each time that they are asked for, kept nowhere."""
