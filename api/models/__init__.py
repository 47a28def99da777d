"""What the API answers with. Durations are seconds (`…_seconds`), moments are UTC in ISO 8601."""
