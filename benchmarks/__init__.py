"""What must hold, measured: each module prints a table and exits 1 if a goal is missed."""
