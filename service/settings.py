"""The settings, from the environment, one YAML file and defaults. A misspelt name stops the start."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

PREFIX = "EVENHAND_"
CONFIG = "EVENHAND_CONFIG"
CONTROL = "EVENHAND_CONTROL_FILE"
OTHERS = {CONFIG, CONTROL, "EVENHAND_DATA"}
"""Variables with our prefix that are no settings: the YAML file, the file that processes share, and the
folder of training data."""


class SettingsError(ValueError):
    """A setting is not valid; the message names it and says what to do."""


def _paths(value: object) -> object:
    """Split ``EVENHAND_BUNDLES``: folders separated like ``PATH``."""
    return [part for part in value.split(os.pathsep) if part] if isinstance(value, str) else value


def _words(value: object) -> object:
    """Split ``EVENHAND_CORS_ORIGINS``: origins separated by commas."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Level = Literal["debug", "info", "warning", "error"]
"""How severe a log line must be to be written."""
Origin = Annotated[str, Field(pattern=r"^https?://[^/*\s,]+$")]


class Settings(BaseSettings):
    """Everything an operator can set."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    bundles: Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_paths)] = ()
    """Folders of the bundles to serve, separated like PATH in the environment."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=8000, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    log_level: Level = "info"
    """Least severe log lines to write; PUT /log-level changes it while the service runs."""
    log_format: Literal["text", "json"] = "text"
    """How log lines are written: for people, or one JSON object each."""
    access_log: Literal["off", "errors", "all"] = "off"
    """Which requests are logged, one line each: method, route, status, time and the key's name. Refused ones
    (401 and 403) are logged in any case, at most 10 in a minute."""
    access_log_address: bool = False
    """Whether these lines say the address at the other end of the connection, which may be personal data."""
    workers: int = Field(default=1, ge=1, le=64)
    """Processes that share the port; each loads every bundle."""
    lanes: int = Field(default=0, ge=0, le=64)
    """Batches that run at the same time; 0 takes one per core on a processor and one on a GPU."""
    threads: int = Field(default=0, ge=0)
    """Threads inside one operator; 0 divides the cores among processes and engine workers, and gives a run
    that is alone all cores of its process. The graph is then in memory twice."""
    provider: Literal["cpu", "cuda", "tensorrt"] = "cpu"
    """Where the graph runs."""
    max_body_bytes: int = Field(default=8 * 2**20, ge=1024)
    """Larger bodies are refused with 413."""
    max_bodies_bytes: int = Field(default=0, ge=0)
    """Bytes of all bodies that a process holds at once; more are refused with 429.
    0 is 32 times the largest body."""
    body_s: float = Field(default=30.0, gt=0)
    """Seconds within which a body must arrive; a later one is refused with 408."""
    max_items: int = Field(default=1024, ge=1)
    """More items in one request are refused with 413."""
    max_decisions_bytes: int = Field(default=2**30, ge=1024)
    """Larger bodies of decisions, as JSON lines or Parquet, are refused with 413. Their memory is bounded
    whatever this is: lines are read as they arrive, and a Parquet file waits on disk in the state folder."""
    max_queue_rows: int = Field(default=4096, ge=1)
    """Rows that may wait; beyond them a request is refused with 429."""
    max_wait_s: float = Field(default=1.0, gt=0)
    """A request that would probably wait longer for its turn is refused with 429 at once."""
    max_batch_rows: int = Field(default=0, ge=0)
    """Rows in one run of the graph at most; 0, here and below, depends on the provider:
    64 on a processor, else 256."""
    max_batch_tokens: int = Field(default=0, ge=0)
    """Tokens, padding included, in one run of the graph at most: 512 on a processor, else 16,384."""
    max_row_padding: int = Field(default=0, ge=0)
    """Tokens of padding that one more row may bring into a run: 4 on a processor, else 16,384."""
    deadline_s: float = Field(default=10.0, gt=0)
    """Seconds after which a request without an answer gets 504."""
    stall_s: float = Field(default=1.5, gt=0)
    """Seconds. A run of the graph that takes longer than this, and twice as long as a full batch did at the
    start, counts as hanging: the service is not ready. After three times as long the run is given up."""
    watch_s: float = Field(default=2.0, ge=0)
    """Seconds between two looks at the bundles' folders for a new version; 0 is never."""
    drain_s: float = Field(default=20.0, ge=0)
    """Seconds that a stopping service waits for the requests it accepted."""
    state: Path = Path("evenhand-state")
    """Folder of the record's keys and spool, and of its database where that is SQLite."""
    observed: Path | None = None
    """Folder of declarations of models whose decisions are made elsewhere, as evenhand observe writes them;
    the folder observed in the state folder if not given. It is looked at while the service runs."""
    record: str = ""
    """Where decisions are recorded: the URL of a database, such as postgresql+psycopg://user@host/name; empty
    for an SQLite file in the state folder; off for no record."""
    durability: Literal["batch", "request"] = "batch"
    """request: an answer leaves when its record is on disk; batch: a killed process may lose the records of
    its last 0.25 s and of the commit that was under way."""
    feedback_days: int = Field(default=90, ge=1)
    """Feedback on older decisions is not counted."""
    keep_decisions_days: int = Field(default=183, ge=1)
    """How long decisions stay on record."""
    keep_attributes_days: int = Field(default=90, ge=1)
    """The same for declared sensitive attributes."""
    prune_share: float = Field(default=0.1, gt=0, le=1)
    """The largest share of the record that one round deletes by age; more waits until evenhand audit prune
    confirms it. Raise it where records come in large batches, or rounds are rare."""
    checkpoint_s: float = Field(default=3600.0, gt=0)
    """Seconds between two rounds that delete old records and sign the record's head."""
    lot_rows: int = Field(default=10, ge=1)
    """Counters of groups are buffered and move by at least this many rows; fewer could reveal
    one person's outcome."""
    gap_limit: float = Field(default=0.05, gt=0, lt=1)
    """Largest tolerated gap between groups where the bundle's target states no limit; the worst cell may be
    less accurate than in validation by as much."""
    min_rows: int = Field(default=100, ge=1)
    """Rows that every group needs before there are verdicts and alerts."""
    flip_share: float = Field(default=0.0, ge=0, le=1)
    """Share of answered rows for which the service also evaluates a counterfactual, in the background: the
    row with another group's terms or value. It counts how often the label flips. Texts need a bundle with
    terms: evenhand flip --into."""
    days_per_false_alarm: float = Field(default=365.0, gt=0)
    """How rare a false alarm of the sequential detector must be, in days, for all of a model's groups
    together."""
    keys_file: Path | None = None
    """File of keys, made by evenhand key new; with it every route but health needs one."""
    key_rate_per_s: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Requests per second and process that each key, or token's subject, may make, unless the key's line says
    otherwise; 0 is no limit."""
    jwt_jwks: Path | None = None
    """File with a JSON Web Key Set: a token that one of these public keys verifies is accepted like a key."""
    jwt_issuer: str = ""
    """Required issuer of a token (iss)."""
    jwt_audience: str = ""
    """Required audience of a token (aud)."""
    jwt_claim: str = "scope"
    """The claim that holds a token's scopes: a text separated by spaces, or a list."""
    jwt_lifetime_s: int = Field(default=86_400, ge=60)
    """A token that is good for more seconds from now is refused: nobody here can take it back."""
    open: bool = False
    """Without keys, listen on addresses that other machines can reach; routes that change anything are
    then off."""
    strict: bool = False
    """A request that declares a group that the model does not list is refused with 422. Otherwise the group
    is counted as unknown, and the reply warns of it."""
    cors_origins: Annotated[tuple[Origin, ...], NoDecode, BeforeValidator(_words)] = ()
    """Sites whose pages may send requests from a browser, such as https://tool.example.org."""
    otlp_endpoint: str | None = Field(default=None, pattern=r"^https?://[^/]+")
    """Collector of OpenTelemetry traces, such as http://collector:4318; without it nothing is traced."""

    proxy_upstream: str = Field(default="", pattern=r"^(https?://[^/?#\s]+(/[^?#\s]*)?)?$")
    """Address of your own model server, such as http://triton:8000: the service then stands in front of it as
    a proxy. Empty: the service answers by itself."""
    proxy_protocol: Literal["oip", "json"] = "oip"
    """What the server behind the proxy speaks: the Open Inference Protocol v2, or JSON whose fields the paths
    below name."""
    proxy_model: str = ""
    """Name of the model at the server behind the proxy, where it is not the bundle's name. Without a bundle:
    the model that evenhand observe declared, under the server's name of it."""
    proxy_route: str = Field(default="", pattern=r"^(/[^?#\s]*)?$")
    """json: path of the route that predicts, such as /v1/moderations."""
    proxy_input_path: str = ""
    """json: where a request holds its rows, such as $.instances[*].text; oip: the input tensor that holds
    them, where there are several."""
    proxy_label_path: str = ""
    """json: where a reply holds each row's label, such as $.predictions[*].label; oip: the output tensor."""
    proxy_score_path: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)] = ()
    """The same for scores, perhaps in several places: one number, a list in the bundle's order of labels, or
    an object by label."""
    proxy_score_of: str = ""
    """Label whose probability a single number is; empty: of the label that the reply holds."""
    proxy_scores: Literal["probabilities", "logits"] = "probabilities"
    """What lists of scores hold."""
    proxy_label_values: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)] = ()
    """How the server behind the proxy writes labels, such as true=hate,false=not hate. Without it a text is
    the bundle's own label, and a whole number counts the bundle's labels from 0."""
    proxy_columns: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)] = ()
    """Names of a row's features, in order, where a row is a list of values or a line of a matrix."""
    proxy_authorization: str = ""
    """Value of the header Authorization for the server behind the proxy; empty passes on the client's, unless
    that is a key for this service."""
    proxy_timeout_s: float = Field(default=10.0, gt=0)
    """Seconds that the server behind the proxy has for its whole reply to a prediction; then the client gets
    504. Other replies may stream for longer, with pauses of at most as much."""
    proxy_connect_s: float = Field(default=1.0, gt=0)
    """Seconds that a connection to it may take; then the client gets 502."""
    proxy_wait_s: float = Field(default=1.0, ge=0)
    """Seconds that a reply waits for the correction at most; then it passes on as it came, and is counted."""
    proxy_quick_s: float = Field(default=0.001, ge=0)
    """A proxy runs graphs whose run of one row takes at most so many seconds, measured at the start, on its
    event loop: the change to another thread and back takes longer. 0: none."""
    proxy_connections: int = Field(default=256, ge=1)
    """Connections to the server behind the proxy at most, per process."""
    proxy_idle_s: float = Field(default=1.5, gt=0)
    """Seconds for which an unused connection is kept. Stay below that server's own limit."""
    proxy_reply_bytes: int = Field(default=32 * 2**20, ge=1024)
    """Larger replies pass on without being read, and are counted."""
    proxy_breaker_failures: int = Field(default=5, ge=0)
    """After so many requests in a row without any reply, others are refused at once with 503; 0 is never."""
    proxy_breaker_s: float = Field(default=2.0, gt=0)
    """Seconds until the server behind the proxy is tried again after that."""
    proxy_tolerance: float = Field(default=0.01, ge=0, le=1)
    """How far the server's probability of a label may be from the bundle's own base before it counts as
    different."""
    proxy_unread: Literal["pass", "refuse"] = "pass"
    """A request whose rows the proxy cannot read passes on, and is counted; or it is refused with 422."""
    proxy_disagreement: Literal["correct", "pass"] = "correct"
    """A row for which the server's label is not that of the bundle's own base: corrected like any other, or
    passed on as it came."""

    @model_validator(mode="after")
    def _groups_stay_while_feedback_may_come(self) -> Settings:
        """A group that is declared again after it was deleted would count twice."""
        if self.keep_attributes_days < self.feedback_days:
            raise ValueError(
                "keep_attributes_days must not be less than feedback_days; raise it, or lower the other"
            )
        return self

    @model_validator(mode="after")
    def _one_body_has_room(self) -> Settings:
        if 0 < self.max_bodies_bytes < self.max_body_bytes:
            raise ValueError(
                "max_bodies_bytes must not be less than max_body_bytes; raise it, or lower the other"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments override the environment, which overrides the YAML file."""
        file = os.environ.get(CONFIG)
        yaml = (YamlConfigSettingsSource(settings_cls, yaml_file=file),) if file else ()
        return (init_settings, env_settings, *yaml)


def observed_folder(chosen: Settings) -> Path:
    """Where declarations of observed models are."""
    return chosen.observed or chosen.state / "observed"


def load(**overrides: Any) -> Settings:  # noqa: ANN401 - settings have many types
    """Read the settings.

    Args:
        overrides: Settings that override the environment, as from the command line; ``None`` is ignored.

    Raises:
        SettingsError: a name is unknown or a value is not valid.
    """
    _refuse_unknown_names()
    file = os.environ.get(CONFIG)
    if file and not Path(file).is_file():
        raise SettingsError(f"{CONFIG}: no file {file}")
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        where = f"setting {name}: " if name else "settings: "
        raise SettingsError(f"{where}{first['msg']}{_nearest(name, Settings.model_fields)}") from error
    except Exception as error:  # the YAML library raises its own errors
        raise SettingsError(f"settings cannot be read: {str(error).splitlines()[0]}") from error


def control_file() -> Path | None:
    """The file that the processes of one service share; the supervisor sets its path."""
    file = os.environ.get(CONTROL)
    return Path(file) if file else None


def _refuse_unknown_names() -> None:
    """Refuse a misspelt variable, which pydantic-settings ignores silently."""
    names = OTHERS | {PREFIX + name.upper() for name in Settings.model_fields}
    for name in sorted(os.environ):
        if name.upper().startswith(PREFIX) and name.upper() not in names:
            raise SettingsError(f"unknown environment variable {name}{_nearest(name.upper(), names)}")


def _nearest(name: str, names: Any) -> str:  # noqa: ANN401 - any collection of names
    near = difflib.get_close_matches(name, list(names), n=1)
    return f"; did you mean {near[0]}?" if near and near[0] != name else ""
