"""The first schema: every table, and each database's own index over the text of posts."""

from typing import Any

from alembic import op
from sqlalchemy import Connection

from essaim_opengroup.schema import METADATA

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


def upgrade() -> None:
    """Make everything."""
    connection: Connection = op.get_bind()
    METADATA.create_all(connection)
    steps: dict[str, Any] = {"sqlite": SQLITE, "postgresql": POSTGRESQL}
    for step in steps[connection.dialect.name]:
        op.execute(step)
