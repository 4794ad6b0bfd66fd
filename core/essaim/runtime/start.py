"""A start of a node: what the runtime gives to a service's composition root, and what it wants back."""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import grpc.aio

from essaim.runtime.address import Address
from essaim.runtime.clock import Clock
from essaim.runtime.identity import NodeIdentity, Random

if TYPE_CHECKING:  # a node does without pydantic (essaim.runtime.told)
    from essaim.runtime.settings import NodeSettings

S = TypeVar("S", bound="NodeSettings")
S_co = TypeVar("S_co", bound="NodeSettings", covariant=True)


@dataclass(frozen=True)
class Start(Generic[S_co]):
    """What `build` is given: everything of this start that exists before the service does."""

    settings: S_co
    identity: NodeIdentity
    address: Address  # where others find this node; its port is the bound one
    clock: Clock
    random: Random


@dataclass(frozen=True)
class Mount:
    """A gRPC service to serve: its full name (for health and reflection) and how it gets into the server."""

    name: str
    add: Callable[[grpc.aio.Server], None]


async def nothing() -> None:
    """The hook of a service that has nothing to do at that point."""


@dataclass(frozen=True)
class Service:
    """What `build` gives back. The hooks are called in the order of the fields, each at most once."""

    mounts: Sequence[Mount]
    background: Sequence[Callable[[], Coroutine[Any, Any, None]]] = ()  # one that raises ends the process, exit code 1
    join: Callable[[], Awaitable[None]] = nothing  # register; SERVING once it returns, background tasks run already
    retire: Callable[[], Awaitable[object]] = nothing  # told to stop, but serve on; has limits of its own
    leave: Callable[[], Awaitable[None]] = nothing  # drain: tell discovery
    goaway: Callable[[], Awaitable[None]] = nothing  # drain: tell the peers, finish the streams that would not end
    close: Callable[[], Awaitable[None]] = nothing  # after the last call and task: links, database


Build = Callable[[Start[S]], Awaitable[Service]]
