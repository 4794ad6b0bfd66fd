"""From a method of an asyncio class to one that waits: with the same arguments, result and documentation."""

from collections.abc import Callable, Coroutine
from functools import partial, wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from essaim_client.sync.loop import LoopThread

C = TypeVar("C")
P = ParamSpec("P")
T = TypeVar("T")


class Wrapped(Generic[C]):
    """`inner` lives in the loop's thread and is used nowhere else."""

    def __init__(self, inner: C, loop: LoopThread) -> None:
        self._inner = inner
        self._loop = loop


def awaited(method: Callable[Concatenate[C, P], Coroutine[Any, Any, T]]) -> Callable[Concatenate[Wrapped[C], P], T]:
    """Of a coroutine method."""

    @wraps(method)
    def waiting(self: Wrapped[C], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._loop.run(method(self._inner, *args, **kwargs))

    return waiting


def called(method: Callable[Concatenate[C, P], T]) -> Callable[Concatenate[Wrapped[C], P], T]:
    """Of a method that waits for nothing, and uses the store."""

    @wraps(method)
    def there(self: Wrapped[C], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._loop.call(partial(method, self._inner, *args, **kwargs))

    return there
