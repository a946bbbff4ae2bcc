"""Why a trust root cannot be had, and how large one may be."""

from typing import Final

from app.errors import PratiqueError

MAX_ROOT: Final = 4 << 20
"""Bytes of a trusted_root.json."""


class RootError(PratiqueError):
    """A trust root that cannot be had from its source; one line without credentials."""
