"""``GET /docs``: the API as a page without scripts and without anything from another host."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from hashlib import sha256
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

router = APIRouter()
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color: #1a1a1a; background: #fff; }
h2 { margin: 2.5rem 0 .5rem; font-size: 1.1rem; border-top: 1px solid #ddd; padding-top: 1rem; }
h2 code { font-size: 1.1rem; background: none; padding: 0; }
code, pre { font: .9em ui-monospace, monospace; background: #f3f4f6; border-radius: 4px; padding: .1em .3em; }
pre { padding: .8rem; overflow-x: auto; }
li { margin: .2rem 0; }
:target { background: #fff7d6; }
@media (prefers-color-scheme: dark) {
  body { color: #e6e6e6; background: #16181d; } a { color: #8ab4f8; } code, pre { background: #262a33; }
  h2 { border-color: #333; } :target { background: #3a3420; }
}
"""
POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
REFERENCE = "#/components/schemas/"
Schema = Mapping[str, Any]


@router.get("/docs", response_class=Response, include_in_schema=False)
async def docs(request: Request) -> Response:
    """The API for people; programs read ``/openapi.json``."""
    page = "".join(_page(request.app.openapi()))
    return Response(page, media_type="text/html", headers={"content-security-policy": POLICY})


def _page(described: Schema) -> Iterator[str]:
    info, paths, schemas = described["info"], described["paths"], described["components"]["schemas"]
    title = f"{escape(info['title'])} {escape(info['version'])}"
    yield f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
    yield f"<h1>{title}</h1><p>{_text(info['description'])}</p>"
    yield '<p>The same for programs: <a href="/openapi.json">/openapi.json</a>, '
    yield "for any viewer of OpenAPI.</p><ul>"
    for path, methods in paths.items():
        for method in methods:
            link, shown = _anchor(method, path), f"{method.upper()} {escape(path)}"
            yield f'<li><a href="#{link}"><code>{shown}</code></a></li>'
    yield "</ul>"
    for path, methods in paths.items():
        for method, operation in methods.items():
            yield from _operation(method, path, operation)
    yield "<h1>Forms</h1>"
    for name, schema in sorted(schemas.items()):
        yield f'<h2 id="{escape(name)}"><code>{escape(name)}</code></h2>'
        yield _text(schema.get("description", ""))
        yield f"<pre>{_linked(schema)}</pre>"


def _operation(method: str, path: str, operation: Schema) -> Iterator[str]:
    yield f'<h2 id="{_anchor(method, path)}"><code>{method.upper()} {escape(path)}</code></h2>'
    yield f"<p>{_text(operation.get('description', ''))}</p><ul>"
    scopes = [scope for one in operation.get("security", ())[:1] for of in one.values() for scope in of]
    if scopes:
        named = " or ".join(f"<code>{scope}</code>" for scope in scopes)
        yield f"<li>key with the scope {named}, where there are keys</li>"
    for one in operation.get("parameters", ()):
        description = _text(one.get("description", ""))
        yield f"<li><code>{escape(one['name'])}</code> in {one['in']}: {description}</li>"
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<li>body, <code>{escape(kind)}</code>: {_form(content.get('schema', {}))}</li>"
    for status, said in sorted(operation["responses"].items()):
        forms = [_form(content.get("schema", {})) for content in said.get("content", {}).values()]
        texts = [_text(said["description"].rstrip(".")), *filter(None, forms)]
        yield f"<li>{escape(status)}: {', '.join(texts)}</li>"
    yield "</ul>"


def _form(schema: Schema) -> str:
    """A link to a named schema, or the schema itself."""
    if not schema:
        return ""
    if "$ref" in schema:
        name = escape(schema["$ref"].removeprefix(REFERENCE))
        return f'<a href="#{name}">{name}</a>'
    return f"<pre>{_linked(schema)}</pre>"


def _linked(schema: Schema) -> str:
    """JSON in which names of schemas are links."""
    shown = escape(json.dumps(schema, indent=2, ensure_ascii=False), quote=False)
    return re.sub(rf'"{REFERENCE}(\w+)"', r'<a href="#\1">\1</a>', shown)


def _text(said: str) -> str:
    return re.sub(r"`+([^`]+)`+", r"<code>\1</code>", escape(said, quote=False)).replace("\n\n", "<br><br>")


def _anchor(method: str, path: str) -> str:
    return re.sub(r"\W+", "-", f"{method}{path}").strip("-")
