"""Does the service answer, how fast, how full is it, and which version answers: its golden signals."""

from __future__ import annotations

from board import Board, add_common, alert_table
from colours import BLUE, GREY, ORANGE, PURPLE, SKY, VERMILLION
from grafana_foundation_sdk.models import dashboard as models
from parts import BYTES, NUMBER, PER_SECOND, SECONDS, SHARE, About, Line, by_label, count, lines, value
from series import ONE, RATE, rate_by
from service_detail import (
    candidate,
    candidate_answers,
    candidate_engine,
    records,
    reloads,
    spool,
    starts,
    versions,
)

ALERTS = 'alertname=~"Evenhand.*"'
REQUESTS = "evenhand_http_requests_total"
PREDICTIONS = 'route=~"/predict|/v2/.+/infer"'
QUANTILES = {"p50": (0.5, SKY), "p95": (0.95, BLUE), "p99": (0.99, VERMILLION)}


def make_service() -> models.Dashboard:
    """Build it."""
    board = Board(
        "evenhand-service", "Traffic, errors, latency and saturation of the service, and its versions."
    )
    add_common(board)
    board.alerts(ALERTS)
    board.row("Is it up, does it answer, how fast?")
    board.line(
        4,
        (4, _replicas()),
        (4, _traffic_now()),
        (4, _errors_now()),
        (4, _slow_now()),
        (4, _queue_now()),
        (4, _spool_now()),
    )
    board.line(8, (24, _alerts()))
    board.row("Traffic, errors, latency")
    board.line(8, (8, _traffic()), (8, _errors()), (8, _refused()))
    board.line(8, (8, _latency()), (8, _waits()), (8, _runs()))
    board.row("Saturation")
    board.line(8, (8, _queue()), (8, _batches()), (8, _padding()))
    board.line(8, (8, _memory()), (8, _processor()), (8, _files()))
    board.row("Versions")
    board.line(8, (10, versions()), (6, reloads()), (8, starts()))
    board.line(8, (9, candidate()), (5, candidate_engine()), (10, candidate_answers()))
    board.row("The record of decisions")
    board.line(8, (12, records()), (12, spool()))
    return board.build()


def _quantiles(series: str, chosen: str = "") -> list[Line]:
    buckets = rate_by("le", f"{series}_bucket{chosen}")
    return [
        Line(name, f"histogram_quantile({share}, {buckets})", name, colour)
        for name, (share, colour) in QUANTILES.items()
    ]


def _error_share() -> str:
    failed = f'(sum(rate({REQUESTS}{{status=~"5.."}}{RATE})) or vector(0))'
    return f"{failed} / (sum(rate({REQUESTS}{RATE})) > 0)"


def _replicas() -> object:
    about = About(
        "Replicas",
        "Replicas (processes, or groups of workers) that Prometheus reaches, and that it is told of.",
        "reached fewer than configured: look at the ones that are missing first.",
        "EvenhandDown",
    )
    drawn = [
        Line("up", 'sum(up{job="evenhand"})', "reached"),
        Line("known", 'count(up{job="evenhand"})', "configured"),
    ]
    return value(about, drawn, NUMBER, 0)


def _traffic_now() -> object:
    about = About("Requests", "Requests per second, all routes.", "compare with what is usual at this hour.")
    return value(about, [Line("rate", f"sum(rate({REQUESTS}{RATE}))", "requests")], PER_SECOND)


def _errors_now() -> object:
    about = About(
        "Failed",
        "Share of requests answered with a status of 5xx.",
        "read the log line with the request's id; every error names what to do.",
        "EvenhandErrorRate",
    )
    return value(about, [Line("share", _error_share(), "failed")], SHARE, 2)


def _slow_now() -> object:
    about = About(
        "Latency, 99 %",
        "Seconds from a request's first byte to the last of its answer, which 99 % of predictions stay "
        "under.",
        "if waiting grew, there is too much traffic for the cores; if runs grew, look at the machine.",
        "EvenhandLatencyHigh",
    )
    buckets = rate_by("le", f"evenhand_http_request_seconds_bucket{{{PREDICTIONS}}}")
    return value(about, [Line("p99", f"histogram_quantile(0.99, {buckets})", "p99")], SECONDS, 3)


def _queue_now() -> object:
    about = About(
        "Waiting",
        "Rows that wait for an engine now.",
        "steadily above a batch: add cores or replicas.",
        "EvenhandOverloaded",
    )
    return count(about, "rows", "sum(evenhand_queue_rows)", "rows")


def _spool_now() -> object:
    about = About(
        "Spooled",
        "Records of decisions on local disk because the database does not take them.",
        "bring the database back; the spool then empties by itself.",
        "EvenhandRecordSpooling",
    )
    return count(about, "rows", "sum(evenhand_record_spool_rows)", "rows")


def _alerts() -> object:
    about = About(
        "Alerts",
        "Alerts about the service as a whole that fire or are pending. An empty list says only that no "
        "alert is up.",
        "open the runbook page by the alert's name.",
    )
    return alert_table(about, ALERTS)


def _traffic() -> object:
    about = About("Requests by route", "Requests per second by route template.", "see which clients changed.")
    return by_label(about, Line("rate", rate_by("route", REQUESTS), "{{route}}"), PER_SECOND)


def _errors() -> object:
    about = About(
        "Answers by status",
        "Requests per second by HTTP status. 4xx are the client's, 5xx ours; 429 and 503 ask to come back "
        "later.",
        "429: too much traffic. 503: not ready, see /readyz. 504: the deadline passed.",
        "EvenhandErrorRate",
    )
    return by_label(about, Line("rate", rate_by("status", REQUESTS), "{{status}}", ORANGE), PER_SECOND, 2)


def _refused() -> object:
    about = About(
        "Refused requests by error type",
        "Requests per second that got an error, by its type. No series: none was refused since the start.",
        "the type is in the answer's body too, with what to do.",
        "EvenhandErrorRate",
    )
    line = Line("rate", rate_by("type", "evenhand_rejected_total"), "{{type}}", PURPLE)
    return by_label(about, line, PER_SECOND, 2)


def _latency() -> object:
    about = About(
        "Latency of predictions",
        "Seconds from a request's first byte to the last of its answer: half, 95 % and 99 % of requests "
        "stay under.",
        "compare with waiting and runs beside it to see where the time goes.",
        "EvenhandLatencyHigh",
    )
    return lines(about, _quantiles("evenhand_http_request_seconds", f"{{{PREDICTIONS}}}"), SECONDS, 3)


def _waits() -> object:
    about = About(
        "Waiting of rows",
        "Seconds a row waited for an engine.",
        "grows first when there is more traffic than the cores can take.",
        "EvenhandLatencyHigh",
    )
    return lines(about, _quantiles("evenhand_queue_seconds", ONE), SECONDS, 3)


def _runs() -> object:
    about = About(
        "Runs of the graph",
        "Seconds of one run, whatever its number of rows.",
        "grows with other load on the machine, with longer rows, and with more flagged rows.",
        "EvenhandLatencyHigh",
    )
    return lines(about, _quantiles("evenhand_inference_seconds", ONE), SECONDS, 3)


def _queue() -> object:
    about = About(
        "Waiting rows",
        "Rows that wait now, per model.",
        "if it does not fall again, add cores or replicas.",
        "EvenhandOverloaded",
    )
    return by_label(about, Line("rows", "sum by (model) (evenhand_queue_rows)", "{{model}}"), NUMBER, 0)


def _batches() -> object:
    about = About(
        "Rows per run",
        "Mean rows in one run of the graph, and what 95 % of runs stay under. More rows a run is more "
        "throughput.",
        "at the largest batch with a queue, the service is full.",
        "EvenhandOverloaded",
    )
    mean = " / ".join(f"sum(rate(evenhand_batch_rows_{part}{ONE}{RATE}))" for part in ("sum", "count"))
    buckets = rate_by("le", f"evenhand_batch_rows_bucket{ONE}")
    drawn = [
        Line("mean", f"{mean} > 0", "mean", BLUE),
        Line("p95", f"histogram_quantile(0.95, {buckets})", "p95", SKY, dashed=True),
    ]
    return lines(about, drawn, NUMBER, 1)


def _padding() -> object:
    about = About(
        "Padding",
        "Tokens that batching added, as a share of all tokens run. Models without tokens have none.",
        "a large share wastes time: lower EVENHAND_MAX_ROW_PADDING.",
    )
    tokens = 'sum(rate(evenhand_batch_tokens_total{{model="$model"{}}}{}))'
    padding, every = tokens.format(', kind="padding"', RATE), tokens.format("", RATE)
    return lines(about, [Line("share", f"{padding} / ({every} > 0)", "padding", ORANGE)])


def _memory() -> object:
    about = About(
        "Resident memory",
        "Of each process. With several workers the client library does not tell it: take the container's.",
        "steady growth over hours is worth a report with the traffic that goes with it.",
    )
    return by_label(about, Line("bytes", "process_resident_memory_bytes", "{{instance}}"), BYTES, 0)


def _processor() -> object:
    about = About(
        "Processor time",
        "Cores in use by each process. With several workers the client library does not tell it.",
        "at the number of cores the service is full.",
    )
    expr = f"rate(process_cpu_seconds_total{RATE})"
    return by_label(about, Line("cores", expr, "{{instance}}", ORANGE), NUMBER, 2)


def _files() -> object:
    about = About(
        "Open files",
        "Of each process, as a share of what it may open; every connection is one.",
        "near 100 % raise the limit of open files or look for clients that leave connections open.",
    )
    expr = "process_open_fds / process_max_fds"
    return by_label(about, Line("share", expr, "{{instance}}", GREY))
