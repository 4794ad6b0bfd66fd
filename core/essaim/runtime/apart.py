"""Work in a process of its own that ends with it: for libraries that a node needs once and would keep for ever."""

import os
import pickle
import sys
from collections.abc import Callable
from typing import NoReturn, TypeVar

T = TypeVar("T")
FAILED = 1


def apart(work: Callable[[], T]) -> T:
    """What `work` returns or raises, in a fork of this process: nothing else of it stays, no module that it imports.

    Before the first thread, for a fork has none. Where `work` ends its process, this one ends in the same way.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _work(work, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        made = pipe.read()
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code or not made:
        sys.exit(code if code >= 0 else FAILED)
    result, error = pickle.loads(made)  # noqa: S301 - by our own fork, over a pipe that nobody else has
    if error is not None:
        raise error
    return result  # type: ignore[no-any-return]


def _work(work: Callable[[], object], writing: int) -> NoReturn:
    """The child's life. It leaves by `_exit`: what its parent opened is its parent's to close."""
    code = FAILED
    try:
        made = pickle.dumps(_outcome(work))
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(made)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _outcome(work: Callable[[], object]) -> tuple[object, Exception | None]:
    try:
        return work(), None
    except Exception as error:  # noqa: BLE001 - the parent's to handle
        return None, error
