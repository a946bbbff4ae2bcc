"""What is running."""

import importlib.metadata
from functools import cache


@cache
def version() -> str:
    """Version of the installed distribution; `unknown` when run from a bare source tree."""
    try:
        return importlib.metadata.version("pratique")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
