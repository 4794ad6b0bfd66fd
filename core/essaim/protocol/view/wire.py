"""Parsing of foreign protobuf bytes: one error, whatever is wrong with them."""

from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from essaim.protocol.view.refusal import MalformedError

MessageT = TypeVar("MessageT", bound=Message)


def parse(kind: type[MessageT], data: bytes) -> MessageT:
    """The message in `data`; MalformedError when there is none. Unknown fields are kept: newer versions add some."""
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise MalformedError(f"not a serialised {kind.__name__}") from error


def require(condition: bool, what: str) -> None:
    """MalformedError(`what`) unless the condition holds. `what` is a fixed sentence, never foreign content."""
    if not condition:
        raise MalformedError(what)
