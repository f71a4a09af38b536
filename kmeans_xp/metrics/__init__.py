"""Floor 2: what a clustering is worth."""
