"""Runs the steps in the caller's transaction; see :mod:`evenhand.service.audit.maintenance.migrate`."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
