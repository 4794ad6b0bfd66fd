"""The door of a push host: cells that relays bring, wakes that storage nodes send, nothing else.

Who came directly would show an address; so subscriptions are not served to direct calls, nor to cells over a link of
nobody in the view.
"""

from collections.abc import Sequence

from essaim.network.call import IncomingCall
from essaim.protocol.onion import Refusal
from essaim.push.v1 import push_pb2
from essaim.runtime.endpoint import Endpoint
from essaim.runtime.start import Mount

PUSH = push_pb2.DESCRIPTOR.services_by_name["PushService"].full_name


class OnionDoor(Endpoint):
    """An endpoint whose subscriptions are reached through relays alone."""

    @property
    def mounts(self) -> Sequence[Mount]:
        """Without PushService: a direct call finds no such service."""
        return [mount for mount in super().mounts if mount.name != PUSH]

    def on_call(self, call: IncomingCall) -> None:
        """A cell over a link of nobody in the view is not opened."""
        if call.peer is None:
            call.refuse(Refusal.NOT_LISTED)
        else:
            super().on_call(call)
