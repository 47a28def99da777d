"""Has a timing become slower, since when, and in which phase: arithmetic on series, no I/O (docs/regression.md)."""
