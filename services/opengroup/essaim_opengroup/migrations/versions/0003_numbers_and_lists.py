"""What one database does by itself, the other is told: numbers that only grow, and an index with a short list.

SQLite      who has deleted direct messages up to a number follows from there on: no later one may have it again.
PostgreSQL  new words wait in a list that each search reads whole: 4 MB by default, 12 ms at each look into the index.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """On either."""
    if op.get_bind().dialect.name == "sqlite":
        with op.batch_alter_table("direct", recreate="always", table_kwargs={"sqlite_autoincrement": True}):
            pass
    else:
        op.execute("ALTER INDEX post_words SET (gin_pending_list_limit = 256)")
