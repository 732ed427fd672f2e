"""Groups of requests whose response has not come yet, in the record's database: any replica finds them.

They lie under a name that only the record's key can make, and go as soon as the response has come, or after
an hour.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, func, insert, select

from evenhand.service.audit.store import Store
from evenhand.service.audit.tables import waiting_groups
from evenhand.service.errors import RecordUnavailable

KEPT_MS = 3_600_000
"""How long groups wait for their response."""
MOST = 100_000
"""Requests that wait at most."""
Groups = dict[str, Any]


class TooManyWait(RecordUnavailable):
    """The responses of too many requests have not come."""

    message = (
        f"{MOST:,} requests wait for their responses already, so that the groups of this one are not kept; "
        "does the logger of the inference service send responses, too (mode: all)?"
    )


class WaitingGroups:
    """Groups of requests whose response has not come yet.

    Args:
        store: The record's database.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, name: str, groups: Sequence[Groups]) -> None:
        """Keep a request's groups, and forget what waited too long.

        Raises:
            TooManyWait: there is no room for them.
            DBAPIError: the database is down.
        """
        kept, now_ms = waiting_groups.c, time.time_ns() // 1_000_000
        with self._store.writing() as connection:
            connection.execute(
                delete(waiting_groups).where((kept.at_ms < now_ms - KEPT_MS) | (kept.name == name))
            )
            if connection.execute(select(func.count()).select_from(waiting_groups)).scalar_one() >= MOST:
                raise TooManyWait
            row = {"name": name, "groups": json.dumps(groups), "at_ms": now_ms}
            connection.execute(insert(waiting_groups), [row])

    def read(self, name: str) -> list[Groups]:
        """A request's groups; none if they are not there.

        Raises:
            DBAPIError: the database is down.
        """
        self._store.open()
        kept = waiting_groups.c
        recent = kept.at_ms >= time.time_ns() // 1_000_000 - KEPT_MS
        with self._store.engine.connect() as connection:
            text = connection.execute(select(kept.groups).where(kept.name == name, recent)).scalar()
        groups: list[Groups] = [] if text is None else json.loads(text)
        return groups

    def drop(self, name: str) -> None:
        """Forget a request's groups.

        Raises:
            DBAPIError: the database is down.
        """
        with self._store.writing() as connection:
            connection.execute(delete(waiting_groups).where(waiting_groups.c.name == name))

    def number(self) -> int:
        """How many requests wait.

        Raises:
            DBAPIError: the database is down.
        """
        self._store.open()
        query = select(func.count()).select_from(waiting_groups)
        with self._store.engine.connect() as connection:
            return int(connection.execute(query).scalar_one())
