"""Floor 3: thin scikit-learn shells around the algorithms."""
