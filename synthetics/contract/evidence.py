"""Evidence as it is kept: JSON-ready, short, and free of secrets."""

from synthetics.redaction import LONGEST_TEXT, MOST_ITEMS, clean, clean_text

__all__ = ["LONGEST_TEXT", "MOST_ITEMS", "clean", "clean_text"]
