"""Floor 1: the hot primitives, a grid of operation and engine. README.md is the map."""
