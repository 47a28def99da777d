"""The routes, by subject. They hold no SQL and no `try`: queries raise, `problems.py` answers."""
