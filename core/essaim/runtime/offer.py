"""The services that a node offers, and the methods that a request out of a cell may call."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc.aio
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from essaim.options.v1 import options_pb2
from essaim.protocol.errors import ProtocolError
from essaim.runtime.start import Mount


class UnreachableMethodError(ProtocolError):
    """No such method here, or not through the onion."""

    reason = "UNREACHABLE_METHOD"


@dataclass(frozen=True)
class Offer:
    """A service: its descriptor, who serves it, and the generated `add_...Servicer_to_server`."""

    descriptor: ServiceDescriptor
    servicer: object
    add: Callable[[Any, grpc.aio.Server], None]

    @property
    def mount(self) -> Mount:
        """For direct calls."""
        return Mount(self.descriptor.full_name, partial(self.add, self.servicer))


@dataclass(frozen=True)
class Method:
    """A method that the onion reaches."""

    request: type[Message]
    call: Callable[[Any, Any], Any]
    """The servicer's own: a coroutine function, or an async generator function where `streams`."""
    streams: bool
    idempotent: bool


MethodTable = Mapping[tuple[str, str], Method]


def reachable_methods(offers: Iterable[Offer]) -> MethodTable:
    """By (full service name, method name), those whose proto says `reachable`."""
    return {
        (offer.descriptor.full_name, method.name): _method(offer, method)
        for offer in offers
        for method in offer.descriptor.methods
        if _option(method).reachable and not method.client_streaming
    }


def _option(method: MethodDescriptor) -> options_pb2.OnionMethod:
    return method.GetOptions().Extensions[options_pb2.onion]


def _method(offer: Offer, method: MethodDescriptor) -> Method:
    request = GetMessageClass(method.input_type)
    call = getattr(offer.servicer, method.name)
    return Method(request, call, bool(method.server_streaming), _option(method).idempotent)
