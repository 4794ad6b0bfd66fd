"""What Alembic runs a step with: the connection that essaim_opengroup.database opened."""

from alembic import context

from essaim_opengroup.schema import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, render_as_batch=True)
context.run_migrations()
