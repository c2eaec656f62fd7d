"""The ignition: command line, supervisor, embedded engines. Thin; all work is done in the rooms."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("clickledger")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0.0.0"
