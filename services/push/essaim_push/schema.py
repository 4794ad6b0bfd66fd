"""The tables, the same on SQLite and PostgreSQL; how they come about is in migrations/.

Nobody is in them: an owner key belongs to nothing else, an endpoint is sealed to the host's key, which is in a file of
its own, and no push id, mailbox or client address is kept. Times are unix milliseconds; 0 means never.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

METADATA: Final = MetaData()


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default="0")


HOST: Final = Table(
    "host",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
"""`host_id`: whose database it is."""
REPLICA: Final = Table(
    "replica",
    METADATA,
    Column("node_id", LargeBinary, primary_key=True),
    _count("seen_ms"),
)
ENDPOINT: Final = Table(
    "endpoint",
    METADATA,
    Column("tag", LargeBinary, primary_key=True),  # by which the host knows it again
    Column("sealed", LargeBinary, nullable=False),  # empty once it is gone
    Column("kind", SmallInteger, nullable=False),
    _count("gone_ms"),
    _count("delivered_ms"),
    _count("rest_until_ms"),
)
SUBSCRIPTION: Final = Table(
    "subscription",
    METADATA,
    Column("number", BigInteger, primary_key=True, autoincrement=False),  # drawn; in every push id, sealed
    Column("owner", LargeBinary, nullable=False),
    Column("subscription_id", LargeBinary, nullable=False),
    Column("generation", Integer, nullable=False, server_default="0"),
    Column("endpoint", LargeBinary, ForeignKey("endpoint.tag"), nullable=False, index=True),
    Column("prompt", Boolean, nullable=False),
    _count("created_ms"),
    Column("expires_ms", BigInteger, nullable=False, index=True),
    UniqueConstraint("owner", "subscription_id", name="subscription_of_owner"),
)
WAKE: Final = Table(
    "wake",
    METADATA,
    # One row for an endpoint: what comes before a delivery has begun is told by that delivery.
    Column("endpoint", LargeBinary, ForeignKey("endpoint.tag", ondelete="CASCADE"), primary_key=True),
    Column("topic", LargeBinary, nullable=False),  # the same for every attempt of one delivery
    _count("since_ms"),  # the oldest wake that the delivery tells
    Column("next_ms", BigInteger, nullable=False, index=True),  # when it is due, or its lease ends
    _count("until_ms"),
    Column("urgent", Boolean, nullable=False),
    _count("wakes"),  # how many have come
    _count("begun"),  # how many of them the delivery under way tells
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("lease", LargeBinary),  # drawn for each; none: it waits
    Column("holder", LargeBinary),  # the node that has the lease
    Column("preview", LargeBinary, nullable=False),
)
SEEN: Final = Table(
    "seen",
    METADATA,
    Column("wake_id", LargeBinary, primary_key=True),
    Column("until_ms", BigInteger, nullable=False, index=True),
)
