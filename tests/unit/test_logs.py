"""Nothing that names a person can be written to a log, whoever tries and however."""

import asyncio
import base64
import errno
import io
import json
import logging
import re
import threading
import warnings
from collections.abc import Iterator
from enum import Enum, auto
from typing import Any

import pytest
import structlog

from essaim.runtime import logs
from essaim.runtime.logs import DROPPED, FIELDS, Event, LogLevel, NodeEvent, fault, write
from essaim.testing.randomness import SeededRandom

random = SeededRandom(20261123)
KEY = random(32)
FORBIDDEN = [
    "198.51.100.7",
    "2001:db8::7",
    "198.51.100.7:4000",
    "esm1" + "q" * 58,
    KEY.hex(),
    base64.b64encode(KEY).decode(),
    "Bearer " + base64.urlsafe_b64encode(KEY).decode(),
    "dinner at eight?",
    KEY,
    KEY.decode("latin-1"),
    int.from_bytes(KEY, "big"),
    float(int.from_bytes(KEY[:16], "big")),
    ["198.51.100.7"],
    {"to": "esm1" + "q" * 58},
    ("198.51.100.7", 4000),
    ValueError("198.51.100.7"),
    object(),
    None,
]
LINE = re.compile(r'^\{("[a-z_]+": ("[A-Za-z0-9_:-]*"|-?[0-9.e+]+|true|false)(, )?)+\}$')


class Weather(Enum):
    """Its values are not ours to print."""

    RAIN = "198.51.100.7"


class Smuggled(Event):
    """Even an event may not carry what it likes."""

    PASSED = auto()


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    before = (logging.getLogger().handlers[:], logging.lastResort, threading.excepthook)
    import sys

    hooks = (sys.excepthook, sys.unraisablehook)
    stream = io.StringIO()
    logs.configure("test", KEY, LogLevel.DEBUG, stream=stream)
    yield stream
    structlog.reset_defaults()
    logging.captureWarnings(False)
    logging.getLogger().handlers[:], logging.lastResort, threading.excepthook = before
    sys.excepthook, sys.unraisablehook = hooks


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    assert all(LINE.match(line) for line in stream.getvalue().splitlines()), stream.getvalue()
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def dropped(what: str) -> float:
    return DROPPED.labels(what)._value.get()


def test_write_has_event_own_node_and_minute(log: io.StringIO) -> None:
    write(NodeEvent.READY, count=3, state=LogLevel.DEBUG, error=ValueError, seconds=0.5)
    [line] = lines(log)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\dZ", line.pop("time"))
    own = {"service": "test", "node": KEY.hex()[:8], "event": "ready", "level": "info"}
    assert line == {**own, "count": 3, "state": "debug", "error": "ValueError", "seconds": 0.5}


@pytest.mark.parametrize("value", FORBIDDEN, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("name", ["count", "error", "outcome", "peer", "address"])
def test_forbidden_value_does_not_get_through_any_field(log: io.StringIO, name: str, value: Any) -> None:
    before = dropped("field")
    write(NodeEvent.READY, **{name: value})
    [line] = lines(log)
    assert set(line) == {"time", "service", "node", "event", "level"}
    assert dropped("field") == before + 1


@pytest.mark.parametrize("value", FORBIDDEN, ids=lambda value: type(value).__name__)
def test_forbidden_value_is_no_event(log: io.StringIO, value: Any) -> None:
    before = dropped("line")
    structlog.get_logger().info(value)
    structlog.get_logger().bind(peer=value).warning("a line", peer=value)
    structlog.get_logger().info("%s", value)
    assert log.getvalue() == ""
    assert dropped("line") == before + 3


@pytest.mark.parametrize("value", FORBIDDEN, ids=lambda value: type(value).__name__)
def test_own_fields_cannot_be_overwritten(log: io.StringIO, value: Any) -> None:
    for name in ("time", "service", "node", "event_", "level_", "exc_info", "stack_info"):
        write(NodeEvent.READY, **{name: value})
    assert all(set(line) == {"time", "service", "node", "event", "level"} for line in lines(log))
    assert {line["node"] for line in lines(log)} == {KEY.hex()[:8]}


def test_number_under_an_unknown_name_is_dropped(log: io.StringIO) -> None:
    write(NodeEvent.READY, ip=int.from_bytes(bytes([198, 51, 100, 7]), "big"))
    assert "3325256" not in log.getvalue()


def test_names_of_fields_hold_nobody() -> None:
    people = {"ip", "address", "peer", "account", "mailbox", "envelope", "token", "message", "name", "device", "id"}
    assert not people & FIELDS


def test_enum_is_written_by_its_name(log: io.StringIO) -> None:
    write(Smuggled.PASSED, kind=Weather.RAIN)
    [line] = lines(log)
    assert (line["event"], line["kind"]) == ("passed", "rain")


def test_refusal_of_the_system_is_written_by_its_name(log: io.StringIO) -> None:
    fault(NodeEvent.DIED, OSError(errno.ENOSPC, *map(str, FORBIDDEN[:2])))
    fault(NodeEvent.DIED, OSError(12_345, *map(str, FORBIDDEN[:2])))
    full, unknown = lines(log)
    assert (full["error"], full["errno"]) == ("OSError", "enospc")
    assert "errno" not in unknown


def test_exception_is_written_by_its_type(log: io.StringIO) -> None:
    fault(NodeEvent.CALL_FAILED, ConnectionError(*map(str, FORBIDDEN)))
    [line] = lines(log)
    assert (line["event"], line["error"]) == ("call_failed", "ConnectionError")
    assert "198" not in log.getvalue()


@pytest.mark.parametrize("name", ["asyncio", "grpc", "grpc._cython.cygrpc", "urllib3", "root"])
def test_library_logger_is_an_event_without_words(log: io.StringIO, name: str) -> None:
    for text in filter(lambda value: isinstance(value, str), FORBIDDEN):
        logging.getLogger(name).error("peer %s said so", text)
        try:
            raise OSError(text)
        except OSError:
            logging.getLogger(name).exception("failed for %s", text)
        logging.getLogger(name).info("peer %s said so", text)
    assert {line["event"] for line in lines(log)} == {"library"}
    assert {line.get("error") for line in lines(log)} == {None, "OSError"}
    assert not any(str(text) in log.getvalue() for text in FORBIDDEN if isinstance(text, str))


def test_warning_and_thread_tell_their_type_alone(log: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise OSError("198.51.100.7")

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn("198.51.100.7", stacklevel=1)
    thread = threading.Thread(target=fail)
    logs.watch_threads()
    thread.start()
    thread.join()
    assert [line["event"] for line in lines(log)] == ["library", "library"]
    assert lines(log)[1]["error"] == "OSError"
    assert "198" not in log.getvalue() + capsys.readouterr().err


async def test_fault_of_the_loop_is_an_event(log: io.StringIO) -> None:
    loop = asyncio.get_running_loop()
    logs.watch_loop(loop)
    loop.call_exception_handler({"message": "198.51.100.7", "exception": KeyError("198.51.100.7")})
    loop.call_exception_handler({"message": "198.51.100.7"})
    assert [line["error"] for line in lines(log)] == ["KeyError", "RuntimeError"]


def test_level_keeps_the_less_severe_back(log: io.StringIO) -> None:
    logs.configure("test", KEY, LogLevel.WARNING, stream=log)
    write(NodeEvent.READY)
    write(NodeEvent.READY, LogLevel.ERROR)
    assert [line["level"] for line in lines(log)] == ["error"]


def test_reader_that_is_gone_ends_nothing(log: io.StringIO) -> None:
    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    logs.configure("test", KEY, stream=Gone())
    write(NodeEvent.READY)
