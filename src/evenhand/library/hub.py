"""Bundles on the Hugging Face hub: ``hub:<owner>/<name>``, with ``@<revision>`` for one of several.

A command or a script of the operator's fetches; the service imports nothing of this, so that no client can
make it fetch anything. A bundle is verified before it gets its place.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from evenhand.models.bundle import bundle as bundles
from evenhand.models.bundle.bundle import BundleError

HUB = "hub:"
NAME = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?", re.ASCII)
README = "README.md"
"""The hub shows it as the repository's page; it is no part of the bundle."""


@dataclass(frozen=True)
class HubName:
    """A repository of the hub, at a revision."""

    repo: str
    revision: str | None = None

    @classmethod
    def of(cls, text: str) -> HubName:
        """Read ``hub:<owner>/<name>[@<revision>]``, with or without ``hub:``.

        Raises:
            BundleError: it is no such name.
        """
        match = NAME.fullmatch(text.removeprefix(HUB))
        if match is None:
            raise BundleError(f"{text}: expected hub:<owner>/<name>, or hub:<owner>/<name>@<revision>")
        return cls(match["repo"], match["revision"])


def is_hub(source: object) -> bool:
    """Whether a bundle is named by its place on the hub."""
    return str(source).startswith(HUB)


def pull(source: str, into: Path) -> Path:
    """Fetch a bundle and verify it; what is there already is not fetched again.

    Args:
        source: ``hub:<owner>/<name>[@<revision>]``.
        into: The bundle's folder becomes ``into/<owner>--<name>/<commit>``.

    Raises:
        BundleError: it cannot be fetched, or must not be served.
    """
    name, hub = HubName.of(source), _library()
    try:
        manifest = Path(hub.hf_hub_download(name.repo, bundles.MANIFEST, revision=name.revision))
    except Exception as error:  # the library passes on the errors of all its back ends
        raise BundleError(f"{source}: {_reason(error)}") from error
    commit = manifest.parent.name
    place = into / name.repo.replace("/", "--") / commit
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=".part-") as draft:
            folder = Path(draft) / "bundle"
            _copy(hub, name.repo, commit, manifest, folder)
            bundles.load(folder)
            folder.rename(place)
    bundles.load(place)
    return place


def _copy(hub: Any, repo: str, commit: str, manifest: Path, folder: Path) -> None:  # noqa: ANN401
    """The manifest, and all files that it lists, to a new folder.

    Raises:
        BundleError: a file is not there, or would lie outside.
    """
    listed, _ = bundles.read_manifest(manifest.parent)
    for file in (bundles.MANIFEST, *listed.files):
        pure = PurePosixPath(file)
        if pure.is_absolute() or ".." in pure.parts:
            raise BundleError(f"{HUB}{repo}: its manifest lists {file!r}, which lies outside of the bundle")
        try:
            fetched = hub.hf_hub_download(repo, file, revision=commit)
        except Exception as error:  # the library passes on the errors of all its back ends
            raise BundleError(f"{HUB}{repo}: {file}: {_reason(error)}") from error
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(fetched, folder / file)


def push(folder: Path, target: str, *, private: bool = True, token: str | None = None) -> str:
    """Put a bundle on the hub, in a repository that is made if there is none.

    Args:
        folder: Of the bundle; it is verified first.
        target: ``hub:<owner>/<name>``, or ``<owner>/<name>``; ``@<revision>`` for a branch.
        private: Whether a repository that is made here is visible to its owner alone.
        token: Of the hub; by default the one that ``hf auth login`` has stored, or ``HF_TOKEN``.

    Returns:
        The commit, as ``hub:<owner>/<name>@<commit>``, which always names these very files.

    Raises:
        BundleError: the bundle must not be served, or the hub refuses it.
    """
    name, hub = HubName.of(target), _library()
    manifest = bundles.load(folder).manifest
    with tempfile.TemporaryDirectory() as draft:
        copy = Path(draft) / "bundle"
        for file in (bundles.MANIFEST, *manifest.files):
            (copy / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / file, copy / file)
        (copy / README).write_text(_page((folder / bundles.CARD).read_text()))
        try:
            api = hub.HfApi(token=token)
            api.create_repo(name.repo, private=private, exist_ok=True)
            if name.revision:
                api.create_branch(name.repo, branch=name.revision, exist_ok=True)
            commit = api.upload_folder(
                repo_id=name.repo,
                folder_path=copy,
                revision=name.revision,
                commit_message=f"{manifest.name} {manifest.version}",
            )
        except Exception as error:  # the library passes on the errors of all its back ends
            raise BundleError(f"{target}: {_reason(error)}") from error
    return f"{HUB}{name.repo}@{commit.oid}"


def _page(card: str) -> str:
    """The model card with what the hub reads."""
    return f"---\nlibrary_name: evenhand\ntags:\n- fairness\n---\n\n{card}"


def _library() -> Any:  # noqa: ANN401 - a module
    try:
        import huggingface_hub
    except ImportError as error:
        raise BundleError(
            "hub: needs the package huggingface_hub: install evenhand with its extra `hub`"
        ) from error
    return huggingface_hub


def _reason(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines)[:300]}" if lines else type(error).__name__
