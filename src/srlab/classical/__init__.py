"""Methods without training: one per file, called like a network."""
