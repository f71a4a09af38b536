"""Every decision which engine and which method runs, and its thresholds."""
