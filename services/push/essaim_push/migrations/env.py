"""What Alembic runs a step with: the connection that essaim.runtime.sql_database opened."""

from alembic import context

from essaim_push.schema import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, render_as_batch=True)
context.run_migrations()
