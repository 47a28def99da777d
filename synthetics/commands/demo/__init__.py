"""`synthetics demo`: a sandbox platform, the service that watches it, and a live view, as real processes."""
