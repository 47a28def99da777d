"""Which version this is; a module of its own, because finding out takes longer than starting should."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("synthetics")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"
