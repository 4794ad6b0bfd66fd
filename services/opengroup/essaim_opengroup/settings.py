"""What a host of open groups can be told."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr

from essaim.runtime.settings import ListenAddress, NodeSettings


class OpengroupSettings(NodeSettings, service="opengroup"):
    """Settings of the host."""

    name: Annotated[str, Field(min_length=1, max_length=64, description="What the host calls itself, for people.")] = (
        "open groups"
    )
    database: Annotated[
        SecretStr | None,
        Field(
            description="postgresql://user:password@host/name, for several replicas of one host. Default: SQLite in"
            " the data folder, which one replica has for itself."
        ),
    ] = None
    host_key: Annotated[
        Path | None,
        Field(
            description="File with the host's key, 64 hexadecimal digits, the same for all its replicas. Default: made"
            " in the data folder at the first start."
        ),
    ] = None
    page: Annotated[
        ListenAddress | None,
        Field(
            description="ip:port of the page of public rooms, plain HTTP for a proxy in front. Default: none. Who"
            " reads it comes without the onion: the proxy learns their address; nothing of it is logged here."
        ),
    ] = None
    direct_days: Annotated[int, Field(ge=1, le=60, description="Days that a direct message waits for.")] = 14
    directs_per_day: Annotated[
        int, Field(ge=0, le=10_000, description="Direct messages that a member may send in 24 hours. 0: none at all.")
    ] = 50
    direct_after_posts: Annotated[
        int,
        Field(ge=0, le=1_000, description="Posts that a member must have in a room before writing directly to others."),
    ] = 0
    followers: Annotated[
        int, Field(ge=1, le=100_000, description="Live streams served at once; further ones are refused BUSY.")
    ] = 5_000
    upkeep_seconds: Annotated[
        float, Field(gt=0, le=3600, description="Seconds between two removals of what has expired.")
    ] = 30.0
