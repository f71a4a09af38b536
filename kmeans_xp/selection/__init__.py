"""Floor 3: how many clusters the rows have."""
