"""Answers for the server behind the proxy: its reply, and the correction where a gate is open.

Both run at the same time. The reply passes on as it came unless a row's gate is open, and before it is read
for the record. Whatever goes wrong on our side, such as a full queue, costs the correction and not the
answer; it is counted.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from starlette.types import Receive, Scope, Send

from evenhand.service.auth.credentials import BEARER
from evenhand.service.catalog.loader import LoadedModel
from evenhand.service.catalog.registry import Registry
from evenhand.service.errors import (
    DeadlineExceeded,
    EngineFailed,
    InvalidInput,
    ServiceError,
    UpstreamAway,
    UpstreamSlow,
    UpstreamUnread,
)
from evenhand.service.http.security_headers import FORWARDED
from evenhand.service.ids import ulid
from evenhand.service.inference import preprocess
from evenhand.service.metrics.collectors import Metrics
from evenhand.service.pipeline import Decided, Outcome, Pipeline, Question
from evenhand.service.proxy.merge import Comparison, Joined, join
from evenhand.service.proxy.policy import ProxyPolicy
from evenhand.service.proxy.pool import RawHeaders, Request, Response, passed_on
from evenhand.service.proxy.served import Served, check, served_of
from evenhand.service.proxy.upstream import OURS, Flight, Upstream
from evenhand.service.proxy.watched import Observed, Watch, Watched
from evenhand.service.proxy.wires.json_path import Unreadable
from evenhand.service.proxy.wires.wire import GROUPS, OWN_IDS, Reply, header_value
from evenhand.service.settings import Settings, SettingsError
from evenhand.service.tracing import TRACE
from evenhand.service.types import Decision

log = logging.getLogger(__name__)
IDS, CORRECTED, ABSTAINED = b"evenhand-ids", b"evenhand-corrected", b"evenhand-abstained"
"""Headers of a reply: the rows' ids for /feedback, and the rows, counted from 0, that were corrected, or for
which a person must decide."""
OF_BODY = frozenset((b"etag", b"content-md5", b"digest", b"content-digest", b"repr-digest"))
"""Headers that would be wrong for a changed body."""
MOST_IDS = 64
"""More ids do not fit into a header."""
LULL_S = 0.005
"""How long after a reply its rows are recorded and counted; the record itself waits fifty times as long."""
QUICK_BYTES = 32_768
"""Up to this size, reading a body takes less time than handing it to a thread."""


@dataclass(slots=True)
class _Work:
    """What is known of a request's rows while its correction runs."""

    question: Question | None = None
    reason: str = ""
    """Why its rows could not be read."""
    refusal: InvalidInput | None = None
    """Why the request would be refused if the proxy answered by itself."""
    own_ids: Sequence[str | None] = ()
    """The client's own ids, one per row."""
    failure: ServiceError | None = None
    decided: Decided | None = None


@dataclass(frozen=True, slots=True)
class Parts:
    """A request, as the proxy handles it."""

    scope: Scope
    headers: dict[bytes, bytes]
    body: bytes
    began_s: float = field(default_factory=time.monotonic)


@dataclass(slots=True)
class Run:
    """A prediction that was sent to the server."""

    parts: Parts
    model: LoadedModel
    served: Served
    work: _Work
    flight: Flight
    relayed: bool = False
    """Whether the client has its reply."""


Relay = Callable[[Response], Awaitable[None]]
"""Sends a reply to the client."""


@dataclass(frozen=True, slots=True)
class _Answered:
    """What a client gets, and what goes on record with it."""

    response: Response
    decided: Decided | None = None
    rows: Sequence[Joined | str] = ()
    """What became of each row, for counters."""


class Proxy:
    """Sends requests on and answers them.

    Args:
        settings: Of the proxy.
        registry: The bundles whose corrections apply.
        pipeline: Decides and records rows.
        metrics: Where rows are counted.
        watch: Watches what no bundle corrects; ``None`` if nothing is recorded.

    Raises:
        SettingsError: a setting of the proxy does not fit a bundle or a declared model.
    """

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        pipeline: Pipeline,
        metrics: Metrics,
        watch: Watch | None = None,
    ) -> None:
        self._settings, self._registry, self._pipeline = settings, registry, pipeline
        self._series, self.watch = metrics.proxy, watch
        self.upstream = Upstream(settings, metrics.proxy)
        self.policy = ProxyPolicy(settings)
        self._served: WeakKeyDictionary[LoadedModel, Served] = WeakKeyDictionary()
        self._comparisons: dict[str, Comparison] = {}
        self._unread = ""
        self._pause: asyncio.Future[None] | None = None
        self._records_first = settings.durability == "request"
        check(settings)
        if settings.proxy_protocol == "json" and len(registry.roles) > 1:
            raise SettingsError("proxy_protocol json takes one bundle: its route does not name a model")
        if settings.proxy_model and len(registry.roles) > 1:
            raise SettingsError("setting proxy_model names one model, and several bundles are served")
        for model in registry.live():
            self._of(model)
        if not registry.roles:
            if watch is None:
                raise SettingsError("a proxy without a bundle only records, and setting record is off")
            watch.check()

    @property
    def problem(self) -> str | None:
        """Why no prediction can be answered; ``None`` if they can."""
        return self.upstream.problem

    @property
    def remark(self) -> str | None:
        """What the operator should know, though answers leave; ``None`` if nothing."""
        said = [comparison.problem for comparison in self._comparisons.values()]
        remarks = [remark for remark in (*said, self._unread) if remark]
        return "; ".join(remarks) or None

    async def forward(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request that is for the server behind the proxy.

        Raises:
            ServiceError: that server sent no reply, or the record has no room.
        """
        scope[FORWARDED] = True
        message = await receive()  # the middleware has read the body
        parts = Parts(scope, dict(scope["headers"]), message.get("body", b""))
        model = self.model(scope)
        run = None if model is None else await self._begin_checked(parts, model)
        if run is not None:
            await self.finish(run, partial(self.relay, send))
        elif model is None and (observed := self._observed(scope)) is not None:
            await self._watch_one(parts, observed, send)
        else:
            await self._pass(parts, receive, send)

    def _observed(self, scope: Scope) -> Observed | None:
        """The declared model that a request predicts with; ``None`` if there is none."""
        name = self.policy.predicts(scope["path"]) if scope["method"] == "POST" else None
        if self.watch is None or name is None or (model := self.watch.model(name)) is None:
            return None
        try:
            return self.watch.of(model)
        except SettingsError as error:  # declared anew
            self._note_unread(model.name, str(error))
            return None

    async def _watch_one(self, parts: Parts, observed: Observed, send: Send) -> None:
        """Pass a prediction and its reply on as they came, and record what the reply decides."""
        assert self.watch is not None
        groups, rows, name = list[dict[str, str]](), list[Watched](), observed.model.name
        reason = ""
        try:
            groups = self.watch.groups(observed, parts.headers)
        except Unreadable as error:
            reason = str(error)
        request = self._request(parts, uncompressed=True)
        flight = self.upstream.send(request, self._settings.proxy_reply_bytes)
        try:
            response = await flight.reply()
            replied_s = time.monotonic()
            if 200 <= response.status < 300:
                try:
                    _require_readable(response)
                    rows = [] if reason else self.watch.read(observed, groups, parts.headers, response)
                except Unreadable as error:
                    reason = f"the reply: {error}"
                if reason:
                    self._note_unread(name, reason)
            if self._records_first:
                await self.watch.record(rows)
            ids = [watched.row.id for watched in rows]
            await self.relay(send, replace(response, headers=[*response.headers, *_ids_header(ids)]))
            self._series.added(time.monotonic() - replied_s)
            if not self._records_first:
                self.watch.put(rows)
        finally:
            flight.cancel()

    async def _pass(self, parts: Parts, receive: Receive, send: Send) -> None:
        """Pass a request and its reply on as they came."""
        flight = self.upstream.send(self._request(parts), 0)
        gone = asyncio.create_task(_disconnected(receive))  # a stream may go on long after its client
        try:
            await self.relay(send, await flight.reply(), gone)
        finally:
            flight.cancel()
            gone.cancel()

    def model(self, scope: Scope) -> LoadedModel | None:
        """The bundle that corrects what a request predicts; ``None`` if none does."""
        name = self.policy.predicts(scope["path"]) if scope["method"] == "POST" else None
        if name is None or not self._registry.roles:
            return None
        if name in ("", self._settings.proxy_model):
            return self._registry.live()[0]
        return (
            self._registry.get(name)
            if not self._settings.proxy_model and name in self._registry.roles
            else None
        )

    def added(self, seconds: float) -> None:
        """Count what a prediction waited for the proxy after the server had replied."""
        self._series.added(seconds)

    @property
    def reads_first(self) -> bool:
        """Whether a request whose rows cannot be read is not sent on."""
        return self._settings.proxy_unread == "refuse"

    async def _begin_checked(self, parts: Parts, model: LoadedModel) -> Run | None:
        """Send a prediction to the server, once its rows are read if that has to be first.

        Raises:
            InvalidInput: they cannot be read, and such a request is refused.
        """
        work = _Work()
        if self.reads_first and (served := self._served_or_none(model)) is not None:
            await self._read(parts, model, served, work)
            if work.question is None:
                raise InvalidInput(f"the rows of this request cannot be read: {work.reason}")
        return self.begin(parts, model, work)

    def begin(self, parts: Parts, model: LoadedModel, work: _Work | None = None) -> Run | None:
        """Send a prediction to the server; ``None`` if its reply has to pass on as it comes.

        Raises:
            BreakerOpen: the server does not reply now.
        """
        served = self._served_or_none(model)
        if served is None:
            return None
        request = self._request(parts, uncompressed=True)
        flight = self.upstream.send(request, self._settings.proxy_reply_bytes)
        return Run(parts, model, served, work or _Work(), flight)

    def _served_or_none(self, model: LoadedModel) -> Served | None:
        try:
            return self._of(model)
        except SettingsError as error:  # a reloaded bundle
            self._note_unread(model.manifest.name, str(error))
            return None

    async def finish(self, run: Run, relay: Relay) -> None:
        """Correct, answer, record and count a prediction that was sent.

        Args:
            run: The prediction.
            relay: Sends its reply to the client, unless that has happened meanwhile.

        Raises:
            ServiceError: the server sent no reply, or the record has no room.
        """
        correction: asyncio.Task[None] | None = None
        try:
            if not await self._correct_quickly(run):
                correction = asyncio.create_task(self._correct(run))
            response = await run.flight.reply()
            replied_s = time.monotonic()
            if not run.relayed and (plain := self.plain(run, response)) is not None:
                await self._relay_once(run, plain, relay, replied_s)
            if run.relayed:
                await self._lull()
            answered = _Answered(response)
            if 200 <= response.status < 300:
                answered = await self._answered(run, correction, response)
            if self._records_first:
                await self._settle(run.served, answered)
            await self._relay_once(run, answered.response, relay, replied_s)
            if not self._records_first:
                await self._settle(run.served, answered)
        finally:
            run.flight.cancel()
            if correction is not None:
                correction.cancel()

    def _lull(self) -> asyncio.Future[None]:
        """When bookkeeping is next done, for all replies at once.

        A client that has its reply sends the next request: that must not wait for the books of the last one.
        """
        if self._pause is None or self._pause.done():
            loop = asyncio.get_running_loop()
            self._pause = pause = loop.create_future()
            loop.call_later(LULL_S, pause.set_result, None)
        return asyncio.shield(self._pause)

    async def _relay_once(self, run: Run, response: Response, relay: Relay, replied_s: float) -> None:
        if not run.relayed:
            run.relayed = True
            await relay(response)
            self._series.added(time.monotonic() - replied_s)

    def plain(self, run: Run, response: Response) -> Response | None:
        """What the client gets, where that is known before the reply is read: no gate is open.

        Returns:
            ``None`` if the reply has to be read, or the record comes first.
        """
        if not 200 <= response.status < 300:
            return response
        decided = run.work.decided
        if decided is None or self._records_first or response.rest is not None:
            return None
        for outcome in decided.outcomes:
            result = outcome.result
            if isinstance(result, Decision) and (result.corrected or result.abstained is not None):
                return None
        return Response(response.status, _headers(response.headers, {}, decided.outcomes), response.body)

    async def _settle(self, served: Served, answered: _Answered) -> None:
        """Record and count the rows of a reply."""
        if answered.decided is not None:
            await self._pipeline.settle(answered.decided)
        for row in answered.rows:
            if not isinstance(row, Joined):
                self._series.rows(served.name, row)
                continue
            self._series.rows(served.name, "same" if row.said is None else "corrected")
            self._series.agreement(served.name, row.agreement)
            self._comparisons[served.name].add(row.agreement)

    async def _answered(
        self, run: Run, correction: asyncio.Task[None] | None, response: Response
    ) -> _Answered:
        """What answers a request that the server has answered."""
        served, work = run.served, run.work
        if correction is not None and not correction.done():
            await asyncio.wait((correction,), timeout=self._settings.proxy_wait_s)
        if work.refusal is not None and self._settings.strict:
            raise work.refusal
        if work.question is None:
            self._note_unread(served.name, work.reason or "the correction came too late")
            return _Answered(response)
        if work.decided is None:
            return _uncorrected(work, work.question, response)
        try:
            return await _joined(served, work.decided, response)
        except Unreadable as error:
            self._note_unread(served.name, f"the reply: {error}")
        except Exception:
            log.exception("a reply could not be joined with its correction; it passes on as it came")
            self._note_unread(served.name, "the log says why")
        return _unread(work.decided, response)

    def _note_unread(self, name: str, reason: str) -> None:
        self._unread = f"{name}: a prediction passed on without being read: {reason}"
        self._series.rows(name, "unread")

    async def _correct_quickly(self, run: Run) -> bool:
        """Read the rows and decide them without another task, where both take less time than one.

        Returns:
            Whether that was so.
        """
        batcher = run.model.batcher
        if len(run.parts.body) > QUICK_BYTES or not batcher.is_quick(1):
            return False
        if run.work.question is None:
            await self._read(run.parts, run.model, run.served, run.work)
        question = run.work.question
        if question is not None and not batcher.is_quick(len(question.items) * run.model.engine.row_tokens):
            return False
        await self._correct(run)
        return True

    async def _correct(self, run: Run) -> None:
        """Read the rows and decide them; never raises, so that the server's reply is never lost."""
        work = run.work
        try:
            if work.question is None and not work.reason:
                await self._read(run.parts, run.model, run.served, work)
            if work.question is not None:
                work.decided = await self._pipeline.decide(work.question)
        except InvalidInput as error:
            work.question, work.reason, work.refusal = None, str(error), error
        except ServiceError as error:
            work.failure = error
        except Exception:
            log.exception("a correction failed; the server's reply passes on as it came")
            work.failure = EngineFailed()

    async def _read(self, parts: Parts, model: LoadedModel, served: Served, work: _Work) -> None:
        """The rows of a request; their groups come in a header."""
        try:
            if parts.headers.get(b"content-encoding", b"identity").lower() != b"identity":
                raise Unreadable("the body is compressed")
            items = await _in_time(partial(served.wire.items, parts.body, parts.headers), len(parts.body))
            groups = header_value(parts.headers, GROUPS)
            own_ids = header_value(parts.headers, OWN_IDS)
        except Unreadable as error:
            work.reason = str(error)
            return
        work.own_ids = preprocess.own_ids(own_ids, len(items))
        trace, began_s = parts.scope[TRACE], parts.began_s
        work.question = Question(model, items, trace, groups=groups, own_ids=own_ids, began_s=began_s)

    async def relay(self, send: Send, response: Response, gone: asyncio.Task[None] | None = None) -> None:
        """Send a reply to the client, until all of it is sent or ``gone`` is done."""
        await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
        if response.rest is None:
            await send({"type": "http.response.body", "body": response.body})
            return
        await send({"type": "http.response.body", "body": response.body, "more_body": True})
        try:
            async for part in self.upstream.rest(response):
                if gone is not None and gone.done():
                    return
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except (UpstreamAway, UpstreamSlow) as error:
            # The head has gone: an end without the last piece tells the client that the body broke off.
            log.warning("a reply broke off after its beginning (%s)", error.type)
        finally:
            response.rest.close()

    def _of(self, model: LoadedModel) -> Served:
        """What the proxy knows of a bundle; a reloaded one is looked at anew.

        Raises:
            SettingsError: a setting of the proxy does not fit it.
        """
        if model not in self._served:
            self._served[model] = served_of(model, self._settings, self._pipeline.max_items)
            self._comparisons.setdefault(model.manifest.name, Comparison())
            self._series.begin(model.manifest.name)
        return self._served[model]

    def _request(self, parts: Parts, uncompressed: bool = False) -> Request:
        """A client's request as it goes on, without the key for this proxy."""
        scope, settings = parts.scope, self._settings
        without = OURS | ({b"accept-encoding"} if uncompressed else set())
        headers = passed_on(scope["headers"], without)
        if settings.keys_file is not None or settings.jwt_jwks is not None:
            headers = [pair for pair in headers if not _is_key(*pair)]
        if settings.proxy_authorization:
            headers = [pair for pair in headers if pair[0] != b"authorization"]
            headers.append((b"authorization", settings.proxy_authorization.encode()))
        client = scope.get("client")
        forwarded = [value for name, value in headers if name == b"x-forwarded-for"]
        headers = [pair for pair in headers if pair[0] != b"x-forwarded-for"]
        chain = [*forwarded, *([client[0].encode()] if client else [])]
        if chain:
            headers.append((b"x-forwarded-for", b", ".join(chain)))
        query = scope.get("query_string", b"")
        path = scope.get("raw_path") or scope["path"].encode()
        target = path.split(b"?")[0] + (b"?" + query if query else b"")
        return Request(scope["method"], target.decode("latin-1"), headers, parts.body)


async def _joined(served: Served, decided: Decided, response: Response) -> _Answered:
    """Join the server's reply with the decisions about its rows.

    Raises:
        Unreadable: the reply does not hold an answer to every row.
    """
    _require_readable(response)
    headers = dict(response.headers)
    outcomes = decided.outcomes
    read = partial(served.wire.reply, response.body, headers, len(outcomes))
    reply: Reply = await _in_time(read, len(response.body))
    rows = [
        join(outcome.result, said, served.rules) if isinstance(outcome.result, Decision) else "failed"
        for outcome, said in zip(outcomes, reply.rows, strict=True)
    ]
    changes = {
        at: row.said for at, row in enumerate(rows) if isinstance(row, Joined) and row.said is not None
    }
    body, changed = reply.written(changes) if changes else (response.body, {})
    if changes:
        changed[b"content-length"] = str(len(body)).encode()
    merged = [
        Outcome(outcome.id, row.decision, outcome.truncated, outcome.own_id, outcome.warnings)
        if isinstance(row, Joined)
        else outcome
        for outcome, row in zip(outcomes, rows, strict=True)
    ]
    answer = Response(response.status, _headers(response.headers, changed, merged), body)
    return _Answered(answer, Decided(decided.question, merged, decided.declared), rows)


def _require_readable(response: Response) -> None:
    if response.rest is not None:
        raise Unreadable("it is larger than EVENHAND_PROXY_REPLY_BYTES")
    if dict(response.headers).get(b"content-encoding", b"identity").lower() != b"identity":
        raise Unreadable("it is compressed")


def _ids_header(ids: Sequence[str]) -> RawHeaders:
    """Ours of the rows' ids, if they fit."""
    return [(IDS, ",".join(ids).encode())] if 0 < len(ids) <= MOST_IDS else []


def _uncorrected(work: _Work, question: Question, response: Response) -> _Answered:
    """Pass a reply on whose correction failed or came too late; its rows are on record as such."""
    error = work.failure or DeadlineExceeded()
    outcomes = [Outcome(ulid(), error, truncated=False, own_id=own_id) for own_id in work.own_ids]
    declared = _declared(question, len(outcomes))
    decided = Decided(question, outcomes, declared)
    response = replace(response, headers=_headers(response.headers, {}, outcomes))
    return _Answered(response, decided, ["failed" if work.failure else "late"] * len(outcomes))


def _declared(question: Question, rows: int) -> list[dict[str, str]]:
    """The declared groups of rows that were not decided; none if they are not valid."""
    try:
        return preprocess.declared_groups(question.groups, rows, question.model.manifest)
    except InvalidInput:
        return [{} for _ in range(rows)]


def _unread(decided: Decided, response: Response) -> _Answered:
    """Pass a reply on that cannot be read; its rows are on record as such."""
    outcomes = [
        of if isinstance(of.result, ServiceError) else Outcome(of.id, UpstreamUnread(), False, of.own_id)
        for of in decided.outcomes
    ]
    response = replace(response, headers=_headers(response.headers, {}, outcomes))
    return _Answered(response, replace(decided, outcomes=outcomes))


async def _in_time(read: Callable[[], Any], size: int) -> Any:  # noqa: ANN401 - whatever it reads
    return read() if size <= QUICK_BYTES else await asyncio.to_thread(read)


def _is_key(name: bytes, value: bytes) -> bool:
    return name == b"x-api-key" or (name == b"authorization" and BEARER.match(value) is not None)


def _headers(headers: RawHeaders, changed: dict[bytes, bytes], outcomes: list[Outcome]) -> RawHeaders:
    """The server's headers, those that a changed body changes, and ours."""
    stale = OF_BODY if changed else frozenset()
    kept = [(name, changed.get(name, value)) for name, value in headers if name not in stale]
    kept += _ids_header([outcome.id for outcome in outcomes])
    decisions = [(row, outcome.result) for row, outcome in enumerate(outcomes)]
    corrected = [str(row) for row, result in decisions if isinstance(result, Decision) and result.corrected]
    abstained = [str(row) for row, result in decisions if isinstance(result, Decision) and result.abstained]
    if corrected:
        kept.append((CORRECTED, ",".join(corrected).encode()))
    if abstained:
        kept.append((ABSTAINED, ",".join(abstained).encode()))
    return kept


async def _disconnected(receive: Receive) -> None:
    """Return once the client has gone; a request without a body still has an empty message of it."""
    while (await receive())["type"] != "http.disconnect":
        pass
