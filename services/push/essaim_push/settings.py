"""What a push host can be told."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from essaim_push.providers.settings import ProviderSettings


class PushSettings(ProviderSettings, service="push"):
    """Settings of the push host."""

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
            description="File with the host's seed, 64 hexadecimal digits, the same for all its replicas: endpoints are"
            " sealed to it, push ids made by it. Default: made in the data folder at the first start."
        ),
    ] = None
    delay_seconds: Annotated[
        float,
        Field(
            ge=0,
            le=600,
            description="A wake that is not prompt is told after a random time of up to so many seconds. 30: a mailbox"
            " has written, but who looks on cannot say which.",
        ),
    ] = 30.0
    spacing_seconds: Annotated[
        float,
        Field(
            ge=0,
            le=600,
            description="Seconds between two deliveries to one endpoint; what comes meanwhile is told by the second."
            " 3: a device that is awake fetches everything anyhow.",
        ),
    ] = 3.0
    wake_hours: Annotated[
        float,
        Field(gt=0, le=336, description="Hours that a wake is tried for. 72: a provider's bad weekend."),
    ] = 72.0
    retry_first_seconds: Annotated[
        float, Field(gt=0, le=60, description="Seconds before the second attempt, doubled for each further one.")
    ] = 1.0
    retry_most_seconds: Annotated[
        float,
        Field(gt=0, le=86_400, description="Most seconds between two attempts, unless the provider asks for more."),
    ] = 900.0
    lease_seconds: Annotated[
        float,
        Field(
            ge=1,
            le=600,
            description="A wake that a replica has taken is another's after so many seconds: longer than any provider's"
            " call takes.",
        ),
    ] = 30.0
    deliveries: Annotated[
        int, Field(ge=1, le=10_000, description="Calls of providers under way at once, of this replica.")
    ] = 256
    origin_deliveries: Annotated[
        int,
        Field(ge=1, le=10_000, description="The same to one provider's address, so that a slow one holds up no other."),
    ] = 64
    subscriptions: Annotated[
        int, Field(ge=1, le=100_000_000, description="Subscriptions of the host; further ones are refused QUOTA.")
    ] = 1_000_000
    subscribes_per_second: Annotated[
        float,
        Field(
            gt=0,
            le=100_000,
            description="Calls that change a subscription, taken a second; ten times that at once. Nobody is known"
            " here, so the limit is for all together: refused BUSY.",
        ),
    ] = 50.0
    wakes_per_second: Annotated[
        float,
        Field(
            gt=0,
            le=1_000_000,
            description="Wakes taken a second from one storage node, ten times that at once; further ones are BUSY.",
        ),
    ] = 4_000.0
    upkeep_seconds: Annotated[
        float, Field(gt=0, le=3600, description="Seconds between two removals of what is over.")
    ] = 15.0

    @field_validator("lease_seconds")
    @classmethod
    def _outlives_calls(cls, seconds: float, given: ValidationInfo) -> float:
        if seconds < 2 * given.data.get("endpoint_seconds", 0):
            raise ValueError("must be at least twice --endpoint-seconds: a call ends while it is leased")
        return seconds
