"""A method that a request may call, found by its proto service and name; types come from the stubs' descriptors."""

from dataclasses import dataclass
from functools import cached_property

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from essaim.onion.v1 import request_pb2
from essaim.protocol.onion import BadReplyError

REQUEST_ID_SIZE = 16


@dataclass(frozen=True)
class Method:
    """One remote method. `encode` makes the payload of the innermost layer, `decode` reads what came back."""

    service: ServiceDescriptor
    name: str

    @cached_property
    def _response(self) -> type[Message]:
        return GetMessageClass(self.service.methods_by_name[self.name].output_type)

    def encode(self, request: Message, request_id: bytes) -> bytes:
        return request_pb2.Request(
            service=self.service.full_name, method=self.name, request_id=request_id, body=request.SerializeToString()
        ).SerializeToString()

    def decode(self, body: bytes) -> Message:
        """BadReplyError where the destination sent something that is not the method's response."""
        try:
            return self._response.FromString(body)
        except DecodeError:
            raise BadReplyError("not a response of this method") from None
