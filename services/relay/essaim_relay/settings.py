"""What a relay can be told."""

from dataclasses import replace
from typing import Annotated

from pydantic import Field

from essaim.network.settings import LinkSettings
from essaim.runtime.settings import NodeSettings

CALL_BYTES = 32 << 10
"""For each call that a client may have open: a small request that counts, and a small reply that waits."""


class RelaySettings(NodeSettings, service="relay"):
    """Settings of the relay."""

    busy_pace_ms: Annotated[
        int,
        Field(
            ge=0, le=50, description="Milliseconds between batches after one that was a quarter full. 5: fills them."
        ),
    ] = 5
    client_calls: Annotated[
        int,
        Field(ge=1, description="Calls that one client connection may have open; further ones are refused BUSY."),
    ] = LinkSettings.client_calls
    node_calls: Annotated[
        int,
        Field(ge=1, description="Calls that one node may have open here; further ones are refused BUSY."),
    ] = LinkSettings.node_calls
    queued_bytes: Annotated[
        int,
        Field(ge=1 << 20, description="Bytes that may wait on one outgoing link; beyond them calls are refused BUSY."),
    ] = LinkSettings.queued_bytes

    @property
    def links(self) -> LinkSettings:
        """The same, as links know it."""
        return replace(
            super().links,
            quiet_us=self.pace_ms * 1_000,
            busy_us=max(self.pace_ms, self.busy_pace_ms) * 1_000,
            client_calls=self.client_calls,
            client_bytes=max(LinkSettings.client_bytes, self.client_calls * CALL_BYTES),
            node_calls=self.node_calls,
            queued_bytes=self.queued_bytes,
        )
