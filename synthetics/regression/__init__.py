"""Has a timing become slower, since when, and in which phase: arithmetic, no I/O (docs/regression.md)."""
