"""The first schema: subscriptions, endpoints, the queue."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make everything."""
    op.create_table("host", sa.Column("name", sa.Text, primary_key=True), _bytes("value"))
    op.create_table("replica", _key("node_id"), _count("seen_ms"))
    op.create_table(
        "endpoint",
        _key("tag"),
        _bytes("sealed"),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        *(_count(name) for name in ("gone_ms", "delivered_ms", "rest_until_ms")),
    )
    _subscription()
    _wake()
    op.create_table("seen", _key("wake_id"), sa.Column("until_ms", sa.BigInteger, nullable=False))
    op.create_index("ix_seen_until_ms", "seen", ["until_ms"])


def _subscription() -> None:
    op.create_table(
        "subscription",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        _bytes("owner"),
        _bytes("subscription_id"),
        sa.Column("generation", sa.Integer, nullable=False, server_default="0"),
        sa.Column("endpoint", sa.LargeBinary, sa.ForeignKey("endpoint.tag"), nullable=False),
        sa.Column("prompt", sa.Boolean, nullable=False),
        _count("created_ms"),
        sa.Column("expires_ms", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("owner", "subscription_id", name="subscription_of_owner"),
    )
    op.create_index("ix_subscription_endpoint", "subscription", ["endpoint"])
    op.create_index("ix_subscription_expires_ms", "subscription", ["expires_ms"])


def _wake() -> None:
    op.create_table(
        "wake",
        sa.Column("endpoint", sa.LargeBinary, sa.ForeignKey("endpoint.tag", ondelete="CASCADE"), primary_key=True),
        _bytes("topic"),
        _count("since_ms"),
        sa.Column("next_ms", sa.BigInteger, nullable=False),
        _count("until_ms"),
        sa.Column("urgent", sa.Boolean, nullable=False),
        _count("wakes"),
        _count("begun"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("lease", sa.LargeBinary),
        sa.Column("holder", sa.LargeBinary),
        _bytes("preview"),
    )
    op.create_index("ix_wake_next_ms", "wake", ["next_ms"])


def _key(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, primary_key=True)


def _bytes(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, nullable=False)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False, server_default="0")
