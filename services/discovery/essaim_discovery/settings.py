"""What discovery can be told. The network's own parameters are in its genesis, not here."""

from pathlib import Path
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
    admitted: Annotated[
        Path | None,
        Field(
            description="File that says who may register, a line each: `operator ID` or `node ID`. Default: the"
            " admission.txt in the data folder, which `essaim-discovery genesis` makes."
        ),
    ] = None
    open_admission: Annotated[
        bool,
        Field(description="Let everybody register: for a testnet, and for networks that want strangers' nodes."),
    ] = False
    least_serial: Annotated[
        int,
        Field(
            ge=0,
            lt=1 << 62,
            description="Serial that the next view has at least. After the data folder was put back from a copy: a"
            " hundred above the newest that was seen (`essaim nodes`), for what is older is refused. 0: just the next.",
        ),
    ] = 0
    agent_selector: Annotated[
        str,
        Field(
            pattern=r"^([A-Za-z0-9./_-]+=[A-Za-z0-9._-]+(,[A-Za-z0-9./_-]+=[A-Za-z0-9._-]+)*)?$",
            description="In a pod: labels (name=value, commas between) of the StatefulSets, pods and volume claims"
            " whose nodes the Kubernetes agent shows and retires. Empty: no agent.",
        ),
    ] = ""
    agent_lease: Annotated[
        str,
        Field(
            pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
            description="Name of the Lease that elects the one agent that acts.",
        ),
    ] = "essaim-discovery"
