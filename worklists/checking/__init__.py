"""What seems wrong with a report before it is signed: rules over its words, and what a person said of them."""
