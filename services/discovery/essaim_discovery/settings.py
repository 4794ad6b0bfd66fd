"""What discovery can be told. The network's own parameters are in its genesis, not here."""

from typing import Annotated

from pydantic import Field

from essaim.runtime.settings import NodeSettings


class DiscoverySettings(NodeSettings, service="discovery"):
    """Settings of discovery."""

    compact_at: Annotated[
        int,
        Field(
            ge=16,
            description="Log entries after which a snapshot of the state takes their place. 1024: a start replays them"
            " within a second.",
        ),
    ] = 1_024
