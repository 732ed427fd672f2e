"""Decisions of a server that no bundle corrects: read from its replies, recorded and counted.

The model is declared by ``evenhand observe``; its decisions are those of a model elsewhere (``elsewhere/``).
Every reply passes on unchanged.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evenhand.service.audit.elsewhere.columns import columns_of
from evenhand.service.audit.elsewhere.rows import Reported
from evenhand.service.catalog.observed import BESIDE, ObservedModel, ObservedModels
from evenhand.service.elsewhere.columns import CheckedRows
from evenhand.service.elsewhere.recorder import CHUNK_ROWS, Recorder
from evenhand.service.elsewhere.rows import RowError, RowReader
from evenhand.service.errors import InvalidInput, RecordUnavailable
from evenhand.service.ids import ulids
from evenhand.service.inference.preprocess import own_ids
from evenhand.service.metrics.collectors import Metrics
from evenhand.service.proxy.answers import Forms, forms_of
from evenhand.service.proxy.pool import Response
from evenhand.service.proxy.served import replies_of
from evenhand.service.proxy.wires.json_path import Unreadable
from evenhand.service.proxy.wires.wire import GROUPS, OWN_IDS, Headers, Replies, header_value
from evenhand.service.settings import Settings, SettingsError

log = logging.getLogger(__name__)
MOST_PENDING = 100_000
"""Decisions that wait for the record at most; it is far behind then."""
LULL_S = 0.02
"""How long decisions are gathered, so that one transaction takes those of many replies."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What the proxy knows of one observed model."""

    model: ObservedModel
    forms: Forms
    replies: Replies
    reader: RowReader


@dataclass(frozen=True, slots=True)
class Watched:
    """One decision that a reply holds."""

    model: ObservedModel
    row: Reported


class Watch:
    """Reads and records the decisions of observed models.

    Args:
        models: The observed models.
        recorder: Records their decisions.
        settings: Of the proxy.
        metrics: Where rows are counted.
    """

    def __init__(
        self, models: ObservedModels, recorder: Recorder, settings: Settings, metrics: Metrics
    ) -> None:
        self._models, self._recorder, self._settings = models, recorder, settings
        self._metrics, self._series = metrics, metrics.proxy
        self._observed: dict[str, Observed] = {}
        self._pending: list[Watched] = []
        self._task: asyncio.Task[None] | None = None
        self._failing = False

    @property
    def _declared(self) -> Mapping[str, ObservedModel]:
        return {name: model for name, model in self._models.models.items() if not name.endswith(BESIDE)}

    def check(self) -> None:
        """Check that there is a model to watch, and that the settings fit it.

        Raises:
            SettingsError: there is none, or they do not.
        """
        declared, chosen = self._declared, self._settings.proxy_model
        names = ", ".join(declared) or "none"
        if chosen and chosen not in declared:
            raise SettingsError(
                f"setting proxy_model: no bundle is served, and evenhand observe did not declare {chosen!r}, "
                f"but {names}"
            )
        if not chosen and self._settings.proxy_protocol == "json" and len(declared) != 1:
            raise SettingsError(
                f"setting proxy_model: which model is behind the route? Declared are {names}; proxy_protocol "
                "json takes one, and evenhand observe declares it"
            )
        for name in [chosen] if chosen else declared:
            self.of(declared[name])
            log.info("watching %s behind %s; nothing is corrected", name, self._settings.proxy_upstream)

    def model(self, name: str) -> ObservedModel | None:
        """The declared model that the server calls by a name; empty where requests name none."""
        declared, chosen = self._declared, self._settings.proxy_model
        if chosen:
            return declared.get(chosen) if name in ("", chosen) else None
        if not name and len(declared) == 1:
            return next(iter(declared.values()))
        return declared.get(name)

    def of(self, model: ObservedModel) -> Observed:
        """What is known of a model; one that is declared anew is looked at anew.

        Raises:
            SettingsError: the settings do not fit it.
        """
        observed = self._observed.get(model.name)
        if observed is None or observed.model is not model:
            settings = self._settings
            forms = forms_of(
                model, settings.proxy_label_values, settings.proxy_score_of, settings.proxy_scores
            )
            reader = RowReader(model, lambda _: "")
            observed = self._observed[model.name] = Observed(model, forms, replies_of(settings), reader)
            self._series.begin(model.name)
        return observed

    def groups(self, observed: Observed, headers: Headers) -> list[dict[str, str]]:
        """The declared groups of a request's rows, as they are counted.

        Raises:
            Unreadable: they are none, or of another attribute.
            InvalidInput: the model lacks one of them, and the settings are strict.
        """
        sent, reader = header_value(headers, GROUPS), observed.reader
        reader.unlisted.clear()
        try:
            groups = [reader.groups(each) for each in (sent if isinstance(sent, list) else [sent])]
        except RowError as error:
            raise Unreadable(f"the header {GROUPS.decode()}: {error}") from None
        if reader.unlisted and self._settings.strict:
            names = ", ".join(reader.unlisted)
            raise InvalidInput(f"a declared group of {names} is none that the model lists")
        return [] if sent is None else groups

    def read(
        self, observed: Observed, groups: Sequence[dict[str, str]], headers: Headers, response: Response
    ) -> list[Watched]:
        """The decisions that a reply holds.

        Args:
            observed: Of the model.
            groups: Of the rows; empty if none were declared.
            headers: Of the request.
            response: The reply.

        Raises:
            Unreadable: it cannot be read, or has not as many rows as groups or own ids were sent for.
        """
        reply = observed.replies.reply(response.body, dict(response.headers), None)
        count = len(reply.rows)
        if groups and len(groups) != count:
            raise Unreadable(f"{count} answers, and groups of {len(groups)} rows")
        try:
            ids = own_ids(header_value(headers, OWN_IDS), count)
        except InvalidInput as error:
            raise Unreadable(str(error)) from None
        rows = []
        for place, name in enumerate(ulids(count)):
            label, scores = observed.forms.stated(reply.rows[place])
            favourable = observed.forms.favourable
            complete = len(scores) == len(observed.forms.labels)
            row = Reported(
                id=name,
                own_id=ids[place],
                label=label,
                favourable=label in favourable,
                score=scores.get(label),
                p=min(1.0, sum(scores[one] for one in favourable)) if complete else None,
                truth=None,
                is_good=None,
                groups=groups[place] if groups else {},
                digest="",
            )
            rows.append(Watched(observed.model, row))
        for attribute, number in observed.reader.unlisted.items():
            self._metrics.fairness.overflow(observed.model.name, attribute, number)
        return rows

    async def record(self, rows: Sequence[Watched]) -> None:
        """Record decisions; returns once they are on disk.

        Raises:
            RecordUnavailable: they can be written nowhere.
        """
        for start in range(0, len(rows), CHUNK_ROWS):
            await self._recorder.record(_by_model(rows[start : start + CHUNK_ROWS]))
        self._count(rows, "watched")

    def put(self, rows: Sequence[Watched]) -> None:
        """Record decisions soon, together with those of other replies."""
        if len(self._pending) + len(rows) > MOST_PENDING:
            self._lose(rows, "the record is far behind")
            return
        self._pending += rows
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())

    async def close(self) -> None:
        """Record what waits."""
        if self._task is not None:
            await self._task

    async def _drain(self) -> None:
        await asyncio.sleep(LULL_S)
        while self._pending:
            rows, self._pending = self._pending[:CHUNK_ROWS], self._pending[CHUNK_ROWS:]
            try:
                await self.record(rows)
            except RecordUnavailable as error:
                self._lose(rows, str(error))
            except Exception:
                log.exception("decisions of the server behind the proxy could not be recorded")
                self._count(rows, "failed")
            else:
                self._failing = False

    def _lose(self, rows: Sequence[Watched], why: str) -> None:
        self._count(rows, "failed")
        if not self._failing:
            self._failing = True
            log.error("decisions of the server behind the proxy are not on record: %s", why)

    def _count(self, rows: Sequence[Watched], result: str) -> None:
        for checked in rows:
            self._series.rows(checked.model.name, result)


def _by_model(rows: Sequence[Watched]) -> list[CheckedRows]:
    """Decisions as the recorder takes them."""
    of_models: dict[int, list[Watched]] = {}
    for watched in rows:
        of_models.setdefault(id(watched.model), []).append(watched)
    checked = []
    for each in of_models.values():
        model = each[0].model
        columns = columns_of([watched.row for watched in each], model.attribute_names)
        checked.append(CheckedRows(model, range(1, len(each) + 1), columns, [None] * len(each)))
    return checked
