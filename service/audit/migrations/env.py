"""Runs the steps inside the transaction of whoever calls; see ``evenhand.service.audit.maintenance.migrate``."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
