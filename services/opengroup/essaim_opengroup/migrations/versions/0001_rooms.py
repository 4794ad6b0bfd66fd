"""The first schema: every table, and each database's own index over the text of posts."""

from collections.abc import Mapping

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# FTS5 over the post's own text: triggers keep it, so that no writer can forget it.
SQLITE = (
    "CREATE VIRTUAL TABLE post_words USING fts5(text, content='post', content_rowid='no', tokenize='unicode61')",
    "CREATE TRIGGER post_words_new AFTER INSERT ON post WHEN new.text IS NOT NULL BEGIN"
    " INSERT INTO post_words (rowid, text) VALUES (new.no, new.text); END",
    "CREATE TRIGGER post_words_gone AFTER DELETE ON post WHEN old.text IS NOT NULL BEGIN"
    " INSERT INTO post_words (post_words, rowid, text) VALUES ('delete', old.no, old.text); END",
    # One trigger, for SQLite promises no order among several.
    "CREATE TRIGGER post_words_edited AFTER UPDATE OF text ON post BEGIN"
    " INSERT INTO post_words (post_words, rowid, text) SELECT 'delete', old.no, old.text WHERE old.text IS NOT NULL;"
    " INSERT INTO post_words (rowid, text) SELECT new.no, new.text WHERE new.text IS NOT NULL; END",
)
POSTGRESQL = (
    "ALTER TABLE post ADD COLUMN words tsvector GENERATED ALWAYS AS (to_tsvector('simple', coalesce(text, ''))) STORED",
    "CREATE INDEX post_words ON post USING gin (words)",
)
WORDS: Mapping[str, tuple[str, ...]] = {"sqlite": SQLITE, "postgresql": POSTGRESQL}


def upgrade() -> None:
    """Make everything."""
    for make in (
        _host,
        _member,
        _replica,
        _room,
        _audit,
        _block,
        _direct,
        _entry,
        _file,
        _invitation,
        _membership,
        _mention,
        _post,
        _reaction,
        _report,
        _attachment,
        _chunk,
    ):
        make()
    for step in WORDS[op.get_bind().dialect.name]:
        op.execute(step)


def _host() -> None:
    op.create_table(
        "host",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def _member() -> None:
    op.create_table(
        "member",
        sa.Column("no", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("known_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("role", sa.SmallInteger(), server_default="1", nullable=False),
        sa.Column("hidden", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("banned_until_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("direct_day_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("directs", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("no"),
        sa.UniqueConstraint("key"),
        sqlite_autoincrement=True,
    )


def _replica() -> None:
    op.create_table(
        "replica",
        sa.Column("node_id", sa.LargeBinary(), nullable=False),
        sa.Column("seen_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("node_id"),
    )


def _room() -> None:
    op.create_table(
        "room",
        sa.Column("no", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("room_id", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("listed", sa.Boolean(), nullable=False),
        sa.Column("settings", sa.LargeBinary(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("members", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("no"),
        sa.UniqueConstraint("name"),
        sa.UniqueConstraint("room_id"),
        sqlite_autoincrement=True,
    )


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("no", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("room_no", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("member_no", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("time_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("object", sa.LargeBinary(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["member_no"], ["member.no"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["room_no"], ["room.no"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("no"),
    )
    op.create_index("audit_room", "audit", ["room_no", "no"], unique=False)


def _block() -> None:
    op.create_table(
        "block",
        sa.Column("member_no", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("blocked_no", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["blocked_no"], ["member.no"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["member_no"], ["member.no"], ondelete="CASCADE"),
        sa.UniqueConstraint("member_no", "blocked_no", name="block_once"),
    )


def _direct() -> None:
    op.create_table(
        "direct",
        sa.Column("no", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("recipient_no", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sender_no", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("time_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["recipient_no"], ["member.no"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["sender_no"], ["member.no"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("no"),
        sa.UniqueConstraint("hash"),
    )
    op.create_index("direct_recipient", "direct", ["recipient_no", "no"], unique=False)


def _entry() -> None:
    op.create_table(
        "entry",
        sa.Column("room_no", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("target", sa.BigInteger(), nullable=False),
        sa.Column("author_no", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("time_ms", sa.BigInteger(), nullable=False),
        sa.Column("statement", sa.LargeBinary(), nullable=True),
        sa.Column("signature", sa.LargeBinary(), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.Column("whisper", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("whisper_to", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.ForeignKeyConstraint(
            ["author_no"],
            ["member.no"],
        ),
        sa.ForeignKeyConstraint(["room_no"], ["room.no"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("room_no", "sequence"),
        sa.UniqueConstraint("room_no", "digest", name="entry_digest"),
    )
    op.create_index("entry_target", "entry", ["room_no", "target"], unique=False)


def _file() -> None:
    op.create_table(
        "file",
        sa.Column("no", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("room_no", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("member_no", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("complete", sa.Boolean(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["member_no"], ["member.no"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["room_no"], ["room.no"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("no"),
        sa.UniqueConstraint("room_no", "hash", name="file_name"),
    )
    op.create_index("file_expiry", "file", ["expires_ms"], unique=False)


def _invitation() -> None:
    op.create_table(
        "invitation",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("room_no", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("uses_left", sa.Integer(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("role", sa.SmallInteger(), nullable=False),
        sa.Column("member_no", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.ForeignKeyConstraint(["member_no"], ["member.no"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["room_no"], ["room.no"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("hash"),
    )


def _membership() -> None:
    op.create_table(
        "membership",
        sa.Column("room_no", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("member_no", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("joined_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("role", sa.SmallInteger(), server_default="1", nullable=False),
        sa.Column("hidden", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("banned_until_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("allow", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("deny", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("from_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("until_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("last_post_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("day_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("day_posts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("day_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["member_no"], ["member.no"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["room_no"], ["room.no"], ondelete="CASCADE"),
        sa.UniqueConstraint("room_no", "member_no", name="membership_pair"),
    )
    op.create_index("membership_of", "membership", ["member_no"], unique=False)


def _mention() -> None:
    op.create_table(
        "mention",
        sa.Column("room_no", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("member_no", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("post", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["member_no"], ["member.no"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["room_no"], ["room.no"], ondelete="CASCADE"),
        sa.UniqueConstraint("room_no", "member_no", "post", name="mention_once"),
    )


def _post() -> None:
    op.create_table(
        "post",
        sa.Column("no", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("room_no", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("post_id", sa.LargeBinary(), nullable=False),
        sa.Column("author_no", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("time_ms", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("thread", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("edited", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("deleted", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("pinned", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("changed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("whisper", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("whisper_to", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.ForeignKeyConstraint(
            ["author_no"],
            ["member.no"],
        ),
        sa.ForeignKeyConstraint(["room_no"], ["room.no"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("no"),
        sa.UniqueConstraint("room_no", "post_id", name="post_name"),
        sa.UniqueConstraint("room_no", "sequence", name="post_sequence"),
    )
    op.create_index("post_author", "post", ["room_no", "author_no", "sequence"], unique=False)
    op.create_index("post_pinned", "post", ["room_no", "pinned"], unique=False)
    op.create_index("post_thread", "post", ["room_no", "thread", "sequence"], unique=False)


def _reaction() -> None:
    op.create_table(
        "reaction",
        sa.Column("room_no", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("post", sa.BigInteger(), nullable=False),
        sa.Column("emoji", sa.Text(), nullable=False),
        sa.Column("member_no", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["member_no"], ["member.no"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["room_no"], ["room.no"], ondelete="CASCADE"),
        sa.UniqueConstraint("room_no", "post", "emoji", "member_no", name="reaction_once"),
    )


def _report() -> None:
    op.create_table(
        "report",
        sa.Column("no", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("room_no", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("post", sa.BigInteger(), nullable=False),
        sa.Column("member_no", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("time_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("open", sa.Boolean(), server_default="1", nullable=False),
        sa.ForeignKeyConstraint(["member_no"], ["member.no"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["room_no"], ["room.no"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("no"),
        sa.UniqueConstraint("room_no", "post", "member_no", name="report_once"),
    )


def _attachment() -> None:
    op.create_table(
        "attachment",
        sa.Column("file_no", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("room_no", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("post", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["file_no"], ["file.no"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["room_no"], ["room.no"], ondelete="CASCADE"),
        sa.UniqueConstraint("room_no", "post", "file_no", name="attachment_once"),
    )


def _chunk() -> None:
    op.create_table(
        "chunk",
        sa.Column("file_no", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["file_no"], ["file.no"], ondelete="CASCADE"),
        sa.UniqueConstraint("file_no", "offset", name="chunk_place"),
    )
