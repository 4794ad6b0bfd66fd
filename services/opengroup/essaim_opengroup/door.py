"""The door of a host: cells that other nodes bring, nothing else. Who came directly would show an address."""

from collections.abc import Sequence

from essaim.network.call import IncomingCall
from essaim.opengroup.v1 import opengroup_pb2
from essaim.protocol.onion import Refusal
from essaim.runtime.endpoint import Endpoint
from essaim.runtime.start import Mount

ROOMS = opengroup_pb2.DESCRIPTOR.services_by_name["RoomService"].full_name


class OnionDoor(Endpoint):
    """An endpoint whose rooms are reached through relays alone."""

    @property
    def mounts(self) -> Sequence[Mount]:
        """Without the rooms: a direct call finds no such service."""
        return [mount for mount in super().mounts if mount.name != ROOMS]

    def on_call(self, call: IncomingCall) -> None:
        """A cell over a link of nobody in the view is not opened."""
        if call.peer is None:
            call.refuse(Refusal.NOT_LISTED)
        else:
            super().on_call(call)
