"""Write the pages under docs/reference from the code: ``python docs/make_reference.py``. A test compares."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import typer
from prometheus_client import CollectorRegistry

from evenhand.cli.main import app
from evenhand.models.bundle import manifest
from evenhand.models.bundle.bundle import read_manifest
from evenhand.models.bundle.manifest import Manifest
from evenhand.service import settings
from evenhand.service.app import create_app
from evenhand.service.http import schemas
from evenhand.service.metrics.collectors import Metrics
from evenhand.service.settings import Settings

HERE = Path(__file__).parent / "reference"
DEMO = Path(__file__).parents[1] / "bundles/hate-speech"
MADE = "<!-- Made by docs/make_reference.py from the code: change that, not this page. -->"
Schema = dict[str, Any]


def pages() -> dict[str, str]:
    """Every page's text by its file name."""
    made = {
        "settings.md": settings_page(),
        "cli.md": cli_page(),
        "api.md": api_page(),
        "series.md": series_page(),
        "manifest.md": manifest_page(),
    }
    return {name: f"{MADE}\n\n{text.rstrip()}\n" for name, text in made.items()}


def table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in row) + " |" for row in lines
    )


def said_of(module: ModuleType) -> dict[str, dict[str, str]]:
    """What the texts below a module's fields say, by class and field."""
    descriptions: dict[str, dict[str, str]] = {}
    for made in ast.parse(inspect.getsource(module)).body:
        if not isinstance(made, ast.ClassDef):
            continue
        for field, text in zip(made.body, made.body[1:], strict=False):
            documented = isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
            if documented and isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                said = inspect.cleandoc(text.value.value)  # type: ignore[attr-defined]
                descriptions.setdefault(made.name, {})[field.target.id] = said
    return descriptions


def settings_page() -> str:
    """Every setting with its kind, default and meaning."""
    said = said_of(settings)["Settings"]
    properties = Settings.model_json_schema()["properties"]

    def rows() -> Iterator[Sequence[str]]:
        for name, field in Settings.model_fields.items():
            default = "" if field.default in (None, "", ()) else f"`{field.default}`"
            yield f"`EVENHAND_{name.upper()}`", kind(properties[name]), default, said[name]

    return (
        "# Settings\n\nThe command line wins over the environment, the environment over the YAML file that "
        "`EVENHAND_CONFIG` names (there a setting's name is in lower case, without the prefix). An unknown "
        "name stops the start. `evenhand doctor` shows each value and where it came from.\n\n"
        + table(("variable", "kind", "default", "meaning"), rows())
    )


def kind(schema: Schema) -> str:
    """What a value is, in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return " or ".join(dict.fromkeys(kind(one) for one in schema[word]))
    limits = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    said = " ".join(f"{word} {schema[name]:g}" for name, word in limits.items() if name in schema)
    word = str(schema.get("type", "any"))
    if word == "array":
        word = f"list of {kind(schema['items']) if schema.get('items') else 'any'}"
    if word == "object" and isinstance(schema.get("additionalProperties"), dict):
        word = f"object of {kind(schema['additionalProperties'])}"
    return f"{word} {said}".strip()


def cli_page() -> str:
    """Every command with its options."""
    parts = "\n\n".join(_commands(typer.main.get_command(app), "evenhand"))
    return f"# Commands\n\nErrors are one line on standard error; exit code 0 is success.\n\n{parts}"


def _commands(command: Any, name: str) -> Iterator[str]:  # noqa: ANN401 - click's own, or typer's copy of it
    if hasattr(command, "commands"):
        for inner, one in sorted(command.commands.items()):
            yield from _commands(one, f"{name} {inner}")
        return
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    usage = " ".join([name, *(f"[{param.name}]" for param in arguments)])
    shown = [param for param in command.params if param.name != "help"]

    def rows() -> Iterator[Sequence[str]]:
        for param in shown:
            names = (
                [*param.opts, *param.secondary_opts] if param.param_type_name == "option" else [param.name]
            )
            default = param.default
            plain = default is None or default == () or default == [] or callable(default) or default is False
            shown_default = (
                "" if plain or str(default) == "" or "Sentinel" in str(default) else f"`{default}`"
            )
            yield (
                ", ".join(f"`{one}`" for one in names),
                "yes" if param.required else "",
                shown_default,
                param.help or "",
            )

    text = f"## `{name}`\n\n{inspect.cleandoc(command.help or '')}\n\n```text\n{usage}\n```"
    yield text + ("\n\n" + table(("option", "required", "default", "meaning"), rows()) if shown else "")


def api_page() -> str:
    """Every route, and every body, from OpenAPI."""
    schema = create_app(Settings(bundles=(DEMO,), record="off", lanes=1)).openapi()
    routes = []
    for path, methods in sorted(schema["paths"].items()):
        for method, one in methods.items():
            routes.append(_route(path, method, one))
    bodies = _schemas(schema["components"]["schemas"], said_of(schemas))
    return (
        "# HTTP interface\n\nThe running service has the same at `/openapi.json`, and a page to try it at "
        "`/docs`. "
        'Every route answers an error as `{"error": {"type": ..., "message": ...}}`.\n\n## Routes\n\n'
        + "\n\n".join(routes)
        + "\n\n## Bodies\n\n"
        + bodies
    )


def _route(path: str, method: str, one: Schema) -> str:
    lines = [f"### `{method.upper()} {path}`", inspect.cleandoc(one.get("description", ""))]
    for param in one.get("parameters", ()):
        head = f"- `{param['name']}` ({param['in']}, {kind(param['schema'])})"
        lines.append(f"{head} {param.get('description', '')}".strip())
    for content in one.get("requestBody", {}).get("content", {}).values():
        lines.append(f"- body: {kind(content['schema'])}")
    for status, answer in sorted(one["responses"].items()):
        types = [
            kind(content["schema"]) for content in answer.get("content", {}).values() if content.get("schema")
        ]
        lines.append(f"- {status}: {answer['description'].rstrip('.')}" + (f", {types[0]}" if types else ""))
    return "\n\n".join(lines[:2]) + ("\n\n" + "\n".join(lines[2:]) if lines[2:] else "")


def _schemas(schemas: dict[str, Schema], said: Mapping[str, Mapping[str, str]]) -> str:
    parts = []
    for name, schema in sorted(schemas.items()):
        required = set(schema.get("required", ()))

        def rows(
            schema: Schema = schema,
            required: set[str] = required,
            texts: Mapping[str, str] = said.get(name, {}),
        ) -> Iterator[Sequence[str]]:
            for field, one in schema.get("properties", {}).items():
                text = one.get("description") or texts.get(field, "")
                yield f"`{field}`", kind(one), "yes" if field in required else "", text

        head = f"### {name}\n\n{inspect.cleandoc(schema.get('description', ''))}".rstrip()
        fields = (
            table(("field", "kind", "required", "meaning"), rows())
            if schema.get("properties")
            else kind(schema)
        )
        parts.append(f"{head}\n\n{fields}")
    return "\n\n".join(parts)


def series_page() -> str:
    """Every Prometheus series of a service with the demo bundle."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    demo, digest = read_manifest(DEMO)
    metrics.add_model(demo, digest, True, {})
    metrics.add_model(demo.model_copy(update={"version": "2.0.0"}), digest, False, {})
    ours = [
        collector for collector in list(registry._collector_to_names) if hasattr(collector, "_labelnames")
    ]

    def rows() -> Iterator[Sequence[str]]:
        for one in sorted(ours, key=lambda one: one._name):  # type: ignore[attr-defined]
            kind_of: str = one._type  # type: ignore[attr-defined]
            suffix = {"counter": "_total", "histogram": "_bucket, _sum, _count"}.get(kind_of, "")
            labels = ", ".join(f"`{label}`" for label in one._labelnames)  # type: ignore[attr-defined]
            name = f"`{one._name}{suffix}`" if "," not in suffix else f"`{one._name}` ({suffix})"  # type: ignore[attr-defined]
            yield name, one._type, labels, one._documentation  # type: ignore[attr-defined]

    return (
        "# Series\n\nWhat `/metrics` shows, beside the `process_` and `python_` series of the client "
        "library. Rules over them are in `deploy/prometheus/rules`; their alerts have a [page "
        "each](../howto/alert.md).\n\n" + table(("series", "type", "labels", "meaning"), rows())
    )


def manifest_page() -> str:
    """Every field of a bundle's ``manifest.json``."""
    schema = Manifest.model_json_schema()
    whole = {**schema.pop("$defs"), "Manifest": schema}
    return (
        "# Manifest\n\n`manifest.json` of a bundle. A field that is not here, or a file without its hash, "
        "stops the "
        "loading; `evenhand bundle verify FOLDER` says which.\n\n" + _schemas(whole, said_of(manifest))
    )


def main() -> None:
    """Write the pages."""
    HERE.mkdir(exist_ok=True)
    for name, text in pages().items():
        (HERE / name).write_text(text)
        sys.stdout.write(f"wrote docs/reference/{name}\n")


if __name__ == "__main__":
    main()
