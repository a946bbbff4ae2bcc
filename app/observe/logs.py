"""Logging for one process: JSON lines for machines, short lines for a terminal, both on standard error."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

Format = Literal["auto", "text", "json"]

_encode: Final = msgspec.json.Encoder().encode
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.,:/@[]*+=")
_COLOURS: Final = {"WARNING": "\033[33m", "ERROR": "\033[31m", "CRITICAL": "\033[31m"}


def configure(level: str, form: Format, *, colour: bool = False) -> None:
    """Set up logging for the process; `auto` is text on a terminal and JSON elsewhere."""
    handler = logging.StreamHandler(sys.stderr)
    text = form == "text" or (form == "auto" and sys.stderr.isatty())
    handler.setFormatter(TextFormatter(colour=colour) if text else JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)  # its start and stop lines say what ours do
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # broken handshakes of strangers, with tracebacks
    # Nothing is logged from other threads' names or processes: not asking for them makes a record cheaper.
    logging.logThreads = logging.logMultiprocessing = logging.logProcesses = False


def with_fields(**fields: Any) -> dict[str, Mapping[str, Any]]:
    """Give the `extra` of a logging call: members of the JSON line."""
    return {"fields": fields}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ts, level, logger, message, then the record's fields and, for a fault, its traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Encode one record; values that JSON has no form for become their text."""
        line: dict[str, Any] = {
            "ts": _timestamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update(getattr(record, "fields", ()))
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        try:
            return _encode(line).decode()
        except (TypeError, ValueError):
            return _encode({key: repr(value) for key, value in line.items()}).decode()


class TextFormatter(logging.Formatter):
    """Time, level, message, then `key=value` for the fields; what a caller sent cannot break the line."""

    def __init__(self, *, colour: bool) -> None:
        """Colour the level if asked to."""
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """Write one record as one line, and a traceback below it."""
        level = f"{record.levelname:<7}"
        if self._colour:
            level = f"{_COLOURS.get(record.levelname, '')}{level}\033[0m"
        parts = [time.strftime("%H:%M:%S", time.localtime(record.created)), level, record.getMessage()]
        fields: Mapping[str, Any] = getattr(record, "fields", {})
        parts += [f"{key}={_shown(value)}" for key, value in fields.items() if value not in ("", None, [])]
        line = " ".join(parts)
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _shown(value: object) -> str:
    if isinstance(value, list):
        value = ",".join(str(item) for item in value)
    text = str(value)
    return text if _PLAIN.issuperset(text) else _encode(text).decode()


def _timestamp(seconds: float) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    whole = int(seconds)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{int((seconds - whole) * 1000):03d}Z"
