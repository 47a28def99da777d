"""Hermes: the session API of the sandbox, talking to AWS over the wire as the real one does."""
