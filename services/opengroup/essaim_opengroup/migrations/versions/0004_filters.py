"""What a silent filter keeps from others is marked, overrides wait for their time, and senders have an outbox."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """No row is touched on either database, however many there are."""
    for table in ("entry", "post"):
        op.add_column(table, sa.Column("filtered", sa.Boolean(), server_default="0", nullable=False))
    op.add_column("membership", sa.Column("coming", sa.LargeBinary(), nullable=True))
    op.add_column("membership", sa.Column("replied_ms", sa.BigInteger(), server_default="0", nullable=False))
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "sent",
        sa.Column("no", number, nullable=False),
        sa.Column("sender_no", number, nullable=False),
        sa.Column("recipient_no", number, nullable=False),
        sa.Column("time_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("copy", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["sender_no"], ["member.no"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["recipient_no"], ["member.no"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("no"),
        sqlite_autoincrement=True,
    )
    op.create_index("sent_sender", "sent", ["sender_no", "no"])
