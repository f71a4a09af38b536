"""Floor 2: one file per algorithm, pure functions that return frozen results."""
