"""The version that is installed."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("evenhand")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0+unknown"
