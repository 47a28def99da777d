"""The schema's history, one revision a file; `synthetics migrate` applies what is missing."""
