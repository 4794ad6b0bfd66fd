"""The log of a node: JSON lines on standard output, through an allow-list.

A line is an `Event` and fields from a closed list of names, whose values are numbers, truth values, enum members or
exception types. Free text does not exist, so no address, account, mailbox, envelope, token or message can be written,
whoever calls: what does not fit is dropped and counted (`essaim_log_dropped_total`). Times are whole minutes.

    class RelayEvent(Event):
        LINK_UP = "link_up"

    write(RelayEvent.LINK_UP, count=3)
"""

import asyncio
import errno
import logging
import sys
import threading
import traceback
from collections.abc import MutableMapping
from datetime import UTC, datetime
from enum import Enum, StrEnum, auto
from typing import Any, Final, TextIO

from prometheus_client import Counter

# structlog takes `rich` in wherever it is installed, for traces that a node never draws: 4 MB of each process.
_MODULES: dict[str, Any] = sys.modules
_RICH = _MODULES.setdefault("rich", None)
import structlog  # noqa: E402

if _RICH is None:
    del _MODULES["rich"]

Safe = bool | int | float | Enum | type[BaseException]

DROPPED: Final = Counter("essaim_log_dropped", "Log lines and fields that the allow-list kept back.", ["what"])
EVENTS: Final = Counter("essaim_log_events", "Events of the log by level, written or not.", ["event", "level"])
MAX_NUMBER = 2**53  # a key or an id written as a number is longer
NODE_LENGTH = 8
SILENCED = ("asyncio", "grpc", "concurrent", "prometheus_client", "py.warnings")

# Every name that a field may have. None holds what belongs to a person; add one only if that stays so.
FIELDS: Final = frozenset(
    {
        *("count", "total", "number", "index", "attempt", "bytes", "milliseconds", "seconds", "port", "metrics_port"),
        *("epoch", "serial", "period", "version", "signatures", "nodes", "members", "swarms", "relays"),
        *(
            "outcome",
            "reason",
            "state",
            "role",
            "kind",
            "suite",
            "cell_class",
            "code",
            "method",
            "error",
            "library",
            "errno",
        ),
    }
)
Errno = Enum("Errno", {name: number for number, name in errno.errorcode.items()})  # type: ignore[misc]
"""What an operating system refuses with: a closed set, so that a full volume can be told from a broken one."""
_traces = False


class LogLevel(StrEnum):
    """How severe a line is."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


INFO: Final = LogLevel.INFO


class Event(StrEnum):
    """Base of the enums that name what can be logged; a value is lower_snake."""


class NodeEvent(Event):
    """What the runtime itself has to say."""

    LISTENING = auto()
    READY = auto()
    DRAINING = auto()
    DRAIN_STEP_FAILED = auto()
    STOPPED = auto()
    DIED = auto()
    CALL_FAILED = auto()
    LIBRARY = auto()


for _fault in (NodeEvent.CALL_FAILED, NodeEvent.LIBRARY, NodeEvent.DIED, NodeEvent.DRAIN_STEP_FAILED):
    EVENTS.labels(_fault.value, LogLevel.ERROR.value)  # there from the start, so that the first one is an increase


class Library(Enum):
    """Whose own logger spoke."""

    ASYNCIO = auto()
    GRPC = auto()
    OTHER = auto()


def configure(
    service: str,
    node_id: bytes,
    level: LogLevel = LogLevel.INFO,
    *,
    stream: TextIO | None = None,
    traces: bool = False,
) -> None:
    """Set the process's log up. Each line carries the service's name and the first hex digits of the node's own id.

    `traces` (development alone): faults also write their trace, with its text, to standard error.
    """
    global _traces  # noqa: PLW0603 - there is one log in a process, as there is one standard output
    _traces = traces
    out = stream or sys.stdout
    own = {"service": service, "node": node_id.hex()[:NODE_LENGTH]}
    structlog.configure(
        processors=[structlog.stdlib.add_log_level, allow, _Stamp(own), structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(level.value),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    _route_libraries()
    sys.excepthook = lambda _kind, error, _trace: fault(NodeEvent.DIED, error)
    sys.unraisablehook = lambda told: _unwatched(told.exc_value)
    watch_threads()


def write(event: Event, level: LogLevel = LogLevel.INFO, /, **fields: Safe) -> None:
    """One line, if `level` is severe enough. Whoever reads the log may be gone: that ends no node."""
    EVENTS.labels(event.value, level.value).inc()
    try:
        getattr(structlog.get_logger(), level.value)(event, **fields)
    except OSError:
        DROPPED.labels("line").inc()


def fault(event: Event, error: BaseException) -> None:
    """A fault of ours: its type and the system's word for it alone, never its text, which may quote what came in."""
    if _traces:
        traceback.print_exception(error, file=sys.stderr)
    fields: dict[str, Safe] = {"error": type(error)}
    if isinstance(error, OSError) and error.errno in errno.errorcode:
        fields["errno"] = Errno(error.errno)
    write(event, LogLevel.ERROR, **fields)


def allow(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The allow-list: a structlog processor that lets known events and safe fields pass, whoever wrote the line."""
    event = line.pop("event", None)
    level = line.pop("level", LogLevel.INFO.value)
    if not isinstance(event, Event):
        DROPPED.labels("line").inc()
        raise structlog.DropEvent
    kept: dict[str, Any] = {"event": event.value, "level": level}
    for name, value in line.items():
        safe = _safe(value) if name in FIELDS else None
        if safe is None:
            DROPPED.labels("field").inc()
        else:
            kept[name] = safe
    return kept


def _safe(value: object) -> bool | int | float | str | None:
    if isinstance(value, Enum):  # before int and str: the name is ours, the value may be anything
        return value.name.lower()
    if isinstance(value, type) and issubclass(value, BaseException):
        return value.__name__
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float) and abs(value) < MAX_NUMBER:
        return value
    return None


class _Stamp:
    """Adds the own service and node, and the time to the minute: finer times help to follow people."""

    def __init__(self, own: dict[str, str]) -> None:
        self._own = own

    def __call__(self, _logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {"time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ"), **self._own, **line}


class _Router(logging.Handler):
    """Turns a library's own record into one event without its words, which may name a peer."""

    def emit(self, record: logging.LogRecord) -> None:
        root = record.name.partition(".")[0]
        library = {"asyncio": Library.ASYNCIO, "grpc": Library.GRPC}.get(root, Library.OTHER)
        error = record.exc_info[0] if record.exc_info else None
        fields: dict[str, Safe] = {"library": library}
        if error is not None:
            fields["error"] = error
        write(NodeEvent.LIBRARY, LogLevel.WARNING, **fields)


def _route_libraries() -> None:
    logging.captureWarnings(True)
    logging.lastResort = None
    root = logging.getLogger()
    root.handlers[:] = [_Router(level=logging.WARNING)]
    for name in SILENCED:
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True


def hush(library: str) -> None:
    """A library that tells what it handles, keys and tokens too, to whoever sets a level below WARNING: never."""
    logging.getLogger(library).setLevel(logging.WARNING)


def watch_threads() -> None:
    """What ends a thread is told by its type alone."""
    threading.excepthook = lambda told: _unwatched(told.exc_value)


def watch_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Faults that asyncio would print with their text become one event with the exception's type."""
    loop.set_exception_handler(_loop_fault)


def _loop_fault(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    error = context.get("exception")
    fault(NodeEvent.LIBRARY, error if isinstance(error, BaseException) else RuntimeError(context.get("message")))


def _unwatched(error: BaseException | None) -> None:
    """Raised where nobody could catch it: in a thread or a finaliser."""
    fault(NodeEvent.LIBRARY, error or RuntimeError("unknown"))
