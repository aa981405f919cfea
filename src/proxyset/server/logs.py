"""Logs as JSON lines on standard error: one a request. No body, no token, no address, no query, no signature."""

from __future__ import annotations

import json
import logging
import sys
import time
from functools import lru_cache
from typing import Any

from proxyset.printable import printable

LOGGER = logging.getLogger("proxyset.service")


_encode = json.JSONEncoder(ensure_ascii=False).encode


def _line(facts: dict[str, Any]) -> str:
    return printable(_encode(facts))  # still JSON: the escapes are its own


@lru_cache(maxsize=2)
def _clock(second: int) -> str:
    return time.strftime("%FT%T", time.gmtime(second))


def _stamp(at: float) -> str:
    second = int(at)
    return f"{_clock(second)}.{int(1000 * (at - second)):03d}Z"


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, event, and the facts given as `extra={"facts": {...}}`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _stamp(record.created),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return _line(line)


def log_to_stderr(level: str = "info") -> None:
    """Send our lines, and uvicorn's, to standard error."""
    logging._srcfile = None  # documented, as these are: then a record does not look for what no line tells
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name in (LOGGER.name, "uvicorn.error", "opentelemetry"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(level.upper())
    for name in ("uvicorn.error", "opentelemetry"):
        logging.getLogger(name).setLevel("WARNING")


def event(name: str, **facts: object) -> None:
    """Tell one thing that happened, at level info."""
    LOGGER.info(name, extra={"facts": facts})


def request_line(**facts: object) -> None:
    """Tell of one request: as `event` does, but straight to where `log_to_stderr` sends lines, for a record of `logging` costs
    more than the rest of a small answer."""
    if not LOGGER.isEnabledFor(logging.INFO):
        return
    if [type(handler.formatter) for handler in LOGGER.handlers] != [JsonLines]:  # somebody else's program
        event("request", **facts)
        return
    at = time.time()
    line = {"time": _stamp(at), "level": "info", "event": "request", **facts}
    sys.stderr.write(_line(line) + "\n")
