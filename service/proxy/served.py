"""What the proxy knows of one bundle: how its rows and answers look at the server behind it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from evenhand.service.catalog.loader import LoadedModel
from evenhand.service.proxy.answers import forms_of
from evenhand.service.proxy.merge import Rules, rules_of
from evenhand.service.proxy.wires.json_path import Path, PathError, parse
from evenhand.service.proxy.wires.json_wire import JsonReplies, JsonWire
from evenhand.service.proxy.wires.oip_wire import OipReplies, OipWire
from evenhand.service.proxy.wires.wire import Replies, Wire, columns_of
from evenhand.service.settings import Settings, SettingsError

_MISSING = "setting {} is empty, and proxy_protocol json needs it; see the page on the proxy"


@dataclass(frozen=True, slots=True)
class Served:
    """One bundle behind the proxy."""

    name: str
    wire: Wire
    rules: Rules


def replies_of(settings: Settings) -> Replies:
    """How the settings say that replies look.

    Raises:
        SettingsError: a path is none.
    """
    if settings.proxy_protocol == "oip":
        return OipReplies(settings.proxy_label_path, settings.proxy_score_path)
    return JsonReplies(*_json_places(settings))


def served_of(model: LoadedModel, settings: Settings, max_items: int) -> Served:
    """What the settings say about a bundle.

    Raises:
        SettingsError: they do not fit it.
    """
    manifest = model.manifest
    try:
        columns = columns_of(model.encoder, manifest.input.kind, settings.proxy_columns)
    except ValueError as error:
        raise SettingsError(f"setting proxy_columns: {error}") from None
    forms = forms_of(manifest, settings.proxy_label_values, settings.proxy_score_of, settings.proxy_scores)
    rules = rules_of(manifest, forms, settings.proxy_tolerance, settings.proxy_disagreement)
    label, scores = settings.proxy_label_path, settings.proxy_score_path
    if settings.proxy_protocol == "oip":
        wire: Wire = OipWire(label, scores, columns, model.encoder, settings.proxy_input_path, max_items)
    else:
        inputs = settings.proxy_input_path
        if not inputs:
            raise SettingsError(_MISSING.format("proxy_input_path"))
        wire = JsonWire(*_json_places(settings), columns, _path("proxy_input_path", inputs))
    return Served(manifest.name, wire, rules)


def check(settings: Settings) -> None:
    """Check the proxy's settings, as far as that needs no bundle.

    Raises:
        SettingsError: they contradict each other, or one is missing.
    """
    if "@" in urlsplit(settings.proxy_upstream).netloc:
        raise SettingsError(
            "setting proxy_upstream holds a user or a password; proxy_authorization is the place for them"
        )
    if settings.proxy_protocol != "json":
        return
    if not settings.proxy_route:
        raise SettingsError(_MISSING.format("proxy_route"))
    if not settings.proxy_label_path and not settings.proxy_score_path:
        raise SettingsError("proxy_protocol json needs proxy_label_path, proxy_score_path or both")


def _json_places(settings: Settings) -> tuple[Path | None, tuple[Path, ...]]:
    """Where a reply's label and scores are."""
    label = settings.proxy_label_path
    return (
        _path("proxy_label_path", label) if label else None,
        tuple(_path("proxy_score_path", score) for score in settings.proxy_score_path),
    )


def _path(name: str, text: str) -> Path:
    try:
        return parse(text)
    except PathError as error:
        raise SettingsError(f"setting {name}: {error}") from None
