"""Edits and reactions are counted, a direct message that was taken is remembered for a while, and the index of words
knows room and block (essaim_opengroup/searching.py)."""

from collections.abc import Mapping

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SQLITE = (
    *("DROP TRIGGER post_words_new", "DROP TRIGGER post_words_gone", "DROP TRIGGER post_words_edited"),
    "DROP TABLE post_words",
    "CREATE VIRTUAL TABLE post_words"
    " USING fts5(room_no, text, content='post', content_rowid='no', tokenize='unicode61')",
    "INSERT INTO post_words (rowid, room_no, text) SELECT no, room_no, text FROM post WHERE text IS NOT NULL",
    "CREATE TRIGGER post_words_new AFTER INSERT ON post WHEN new.text IS NOT NULL BEGIN"
    " INSERT INTO post_words (rowid, room_no, text) VALUES (new.no, new.room_no, new.text); END",
    "CREATE TRIGGER post_words_gone AFTER DELETE ON post WHEN old.text IS NOT NULL BEGIN"
    " INSERT INTO post_words (post_words, rowid, room_no, text)"
    " VALUES ('delete', old.no, old.room_no, old.text); END",
    "CREATE TRIGGER post_words_edited AFTER UPDATE OF text ON post BEGIN"
    " INSERT INTO post_words (post_words, rowid, room_no, text)"
    " SELECT 'delete', old.no, old.room_no, old.text WHERE old.text IS NOT NULL;"
    " INSERT INTO post_words (rowid, room_no, text)"
    " SELECT new.no, new.room_no, new.text WHERE new.text IS NOT NULL; END",
)
POSTGRESQL = (
    "DROP INDEX post_words",
    "ALTER TABLE post DROP COLUMN words",
    # What of the block: searching.BLOCK. A post without text is not to be found, by its block either.
    "ALTER TABLE post ADD COLUMN words tsvector GENERATED ALWAYS AS (to_tsvector('simple', coalesce(text, ''))"
    " || CASE WHEN text IS NULL THEN ''::tsvector ELSE"
    " array_to_tsvector(ARRAY['R' || room_no::text || 'B' || (sequence / 65536)::text]) END) STORED",
    "CREATE INDEX post_words ON post USING gin (words)",
)
WORDS: Mapping[str, tuple[str, ...]] = {"sqlite": SQLITE, "postgresql": POSTGRESQL}


def upgrade() -> None:
    """A host with a million posts is at this for a minute or two."""
    for name in ("day_edits", "day_reactions"):
        op.add_column("membership", sa.Column(name, sa.BigInteger(), server_default="0", nullable=False))
    op.create_table(
        "direct_taken",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("hash"),
    )
    for step in WORDS[op.get_bind().dialect.name]:
        op.execute(step)
