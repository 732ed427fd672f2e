"""Runs the steps inside the transaction of whoever calls; see ``service.record.migrate``."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
