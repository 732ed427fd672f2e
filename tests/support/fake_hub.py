"""A small hub over HTTP for the real client of huggingface_hub: commits and files in memory."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI, Request, Response
from waiting import until


class FakeHub:
    """What the server holds, and what was asked of it."""

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, dict[str, bytes]]] = {}
        """By name the files of every commit, by the commit; ``main`` is the newest."""
        self.private: dict[str, bool] = {}
        self.requests: list[str] = []
        self.app = FastAPI()
        self._routes()

    def commit(self, repo: str, files: dict[str, bytes]) -> str:
        """Add or change files; gives the commit."""
        commits = self.repos[repo]
        content = {**commits.get("main", {}), **files}
        digest = hashlib.sha256(f"{len(commits)}".encode())
        for name, data in sorted(content.items()):
            digest.update(name.encode() + data)
        oid = digest.hexdigest()[:40]
        commits[oid] = commits["main"] = content
        return oid

    def oid(self, repo: str, revision: str) -> str | None:
        """The commit that a revision names."""
        commits = self.repos.get(repo, {})
        if revision != "main":
            return revision if revision in commits else None
        return next((oid for oid in reversed(commits) if oid != "main"), None)

    def _routes(self) -> None:
        files = "/{owner}/{name}/resolve/{revision}/{path:path}"
        of_repo = "/api/models/{owner}/{name}"
        self.app.middleware("http")(self._note)
        self.app.post("/api/repos/create")(self._create)
        self.app.post("/api/validate-yaml")(self._validate)
        self.app.post(of_repo + "/preupload/{revision}")(self._preupload)
        self.app.post(of_repo + "/commit/{revision}")(self._commit)
        self.app.api_route(files, methods=["GET", "HEAD"])(self._resolve)

    async def _note(self, request: Request, call_next):
        self.requests.append(f"{request.method} {request.url.path}")
        return await call_next(request)

    async def _create(self, request: Request):
        body = await request.json()
        repo = f"{body['organization']}/{body['name']}"
        if repo in self.repos:
            return Response(json.dumps({"error": "exists", "url": f"{request.base_url}{repo}"}), 409)
        self.repos[repo] = {}
        self.private[repo] = body.get("visibility") == "private" or bool(body.get("private"))
        return {"url": f"{request.base_url}{repo}", "name": repo, "id": "1"}

    async def _validate(self):
        return {"errors": [], "warnings": []}

    async def _preupload(self, request: Request):
        paths = [file["path"] for file in (await request.json())["files"]]
        return {"files": [{"path": p, "uploadMode": "regular", "shouldIgnore": False} for p in paths]}

    async def _commit(self, owner: str, name: str, request: Request):
        lines = [json.loads(line) for line in (await request.body()).splitlines() if line.strip()]
        files = [line["value"] for line in lines if line["key"] == "file"]
        repo = f"{owner}/{name}"
        oid = self.commit(repo, {file["path"]: base64.b64decode(file["content"]) for file in files})
        return {"success": True, "commitOid": oid, "commitUrl": f"{request.base_url}{repo}/commit/{oid}"}

    async def _resolve(self, owner: str, name: str, revision: str, path: str, request: Request):
        repo = f"{owner}/{name}"
        oid = self.oid(repo, revision)
        if oid is None:
            return _missing("RevisionNotFound" if repo in self.repos else "RepoNotFound")
        data = self.repos[repo][oid].get(path)
        if data is None:
            return _missing("EntryNotFound", oid)
        etag = hashlib.sha1(data).hexdigest()
        headers = {"X-Repo-Commit": oid, "ETag": f'"{etag}"', "Content-Length": str(len(data))}
        return Response(b"" if request.method == "HEAD" else data, headers=headers)


def _missing(code: str, oid: str = "") -> Response:
    return Response("", 404, {"X-Error-Code": code, **({"X-Repo-Commit": oid} if oid else {})})


@contextmanager
def serving() -> Iterator[tuple[FakeHub, str]]:
    """A hub, and its address."""
    hub = FakeHub()
    server = uvicorn.Server(uvicorn.Config(hub.app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    try:
        yield hub, f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(60)
