"""A synthetic monitor: runs probes against a platform on a schedule, and tells when it breaks or slows."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("synthetics")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"
