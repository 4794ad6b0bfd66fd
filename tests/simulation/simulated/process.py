"""A client as a generator: it yields what it waits for, and is sent what came of it."""

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from essaim_storage import effects, events
from simulated.host import Answer, Host
from simulated.scheduler import Scheduler


@dataclass(frozen=True)
class Sleep:
    """Is sent None after so long."""

    ms: int


@dataclass(frozen=True)
class Ask:
    """Is sent the result, or None if none came in time."""

    host: Host
    make: Callable[[int], events.Event]
    timeout_ms: int = 12_000


@dataclass
class Stream:
    """An open subscription."""

    host: Host
    request: int = 0
    notes: deque[effects.Notify] = field(default_factory=deque)
    ended: bool = False
    wake: Callable[[], None] | None = None


@dataclass(frozen=True)
class Next:
    """Is sent the stream's next Notify, or None if none came in time or it ended."""

    stream: Stream
    timeout_ms: int


Want = Sleep | Ask | Next
Client = Generator[Want, Any, Any]


class Clients:
    """Runs clients on the scheduler; requests and answers take their time on the way."""

    def __init__(self, scheduler: Scheduler, rng: Random) -> None:
        self._scheduler = scheduler
        self._rng = rng
        self.running = 0

    def start(self, client: Client) -> None:
        self.running += 1
        self._resume(client, None)

    def open(self, host: Host, make: Callable[[int], events.Event]) -> Stream:
        """Subscribe; what comes is waited for by `Next`."""
        stream = Stream(host)

        def hear(answer: Answer | None) -> None:
            self._scheduler.after(self._way(), lambda: arrive(answer))

        def arrive(answer: Answer | None) -> None:
            if isinstance(answer, effects.Notify):
                stream.notes.append(answer)
            else:
                stream.ended = True
            if stream.wake is not None:
                stream.wake()

        def ask() -> None:
            if host.runs:
                stream.request = host.ask(make, hear)
            else:
                arrive(None)

        self._scheduler.after(self._way(), ask)
        return stream

    def tell(self, host: Host, event: events.Event) -> None:
        """Something that has no answer."""
        self._scheduler.after(self._way(), lambda: host.handle(event))

    def _way(self) -> int:
        return self._rng.randrange(1, 60)

    def _resume(self, client: Client, value: object) -> None:
        try:
            want = client.send(value)
        except StopIteration:
            self.running -= 1
            return
        match want:
            case Sleep(ms):
                self._scheduler.after(ms, lambda: self._resume(client, None))
            case Ask():
                self._ask(client, want)
            case Next(stream, timeout_ms):
                self._next(client, stream, timeout_ms)

    def _ask(self, client: Client, want: Ask) -> None:
        open_ = [True]

        def end(value: object) -> None:
            if open_.pop() if open_ else False:
                self._resume(client, value)

        def hear(answer: Answer | None) -> None:
            result = answer.result if isinstance(answer, effects.Reply) else None
            self._scheduler.after(self._way(), lambda: end(result))

        def ask() -> None:
            if want.host.runs:
                want.host.ask(want.make, hear)
            else:
                hear(None)

        self._scheduler.after(self._way(), ask)
        self._scheduler.after(want.timeout_ms, lambda: end(None))

    def _next(self, client: Client, stream: Stream, timeout_ms: int) -> None:
        open_ = [True]

        def end() -> None:
            if open_.pop() if open_ else False:
                stream.wake = None
                self._resume(client, stream.notes.popleft() if stream.notes else None)

        if stream.notes or stream.ended:
            self._scheduler.after(0, end)
            return
        stream.wake = end
        self._scheduler.after(timeout_ms, end)
