"""A synthetic monitor: runs probes against a platform on a schedule, and tells when it breaks or slows."""
