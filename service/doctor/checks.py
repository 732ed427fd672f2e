"""``evenhand doctor``: checks everything that a service on this machine needs, and says what to do.

It changes nothing. This file checks settings, bundles, processor, port, clock and counters;
``access_checks.py`` checks the files of keys, ``record_checks.py`` the record, and ``package_checks.py`` the
installed packages.
"""

from __future__ import annotations

import errno
import os
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evenhand.service import settings
from evenhand.service.doctor.access_checks import check_access
from evenhand.service.doctor.findings import Finding
from evenhand.service.doctor.package_checks import check_packages
from evenhand.service.doctor.record_checks import check_record
from evenhand.service.resources import cores
from evenhand.service.settings import Settings

SHARED = "PROMETHEUS_MULTIPROC_DIR"
SECRET = ("key", "password", "secret", "token")
HIDDEN = "(hidden)"
AHEAD_S = 5.0
"""Tolerated difference between the clocks of two machines."""
SAMPLE_S = 0.2
DRIFT_S = 0.05
FEW_FILES = 1024
ASK_S = 2.0


def examine(options: Mapping[str, Any]) -> tuple[list[Finding], list[dict[str, str]]]:
    """Run all checks.

    Args:
        options: Settings of the command line; ``None`` for those that it does not set.

    Returns:
        The findings, and every setting with its value and source.
    """
    try:
        chosen = settings.load(**options)
    except settings.SettingsError as error:
        wrong = Finding("settings", "problem", str(error), "Nothing that depends on settings was looked at")
        return [wrong, *check_packages("cpu")], []
    shown = sources(chosen, options)
    own = [one for one in shown if one["source"] != "default"]
    said = f"{len(own)} of {len(shown)} given"
    findings = [
        Finding("settings", "ok", said),
        *check_bundles(chosen.bundles),
        *check_access(chosen),
        *check_record(chosen),
        *check_metrics(chosen),
        *check_clock(chosen),
        *check_packages(chosen.provider),
        check_port(chosen.host, chosen.port),
        *check_cores(chosen, cores()),
    ]
    return findings, shown


def sources(chosen: Settings, options: Mapping[str, Any]) -> list[dict[str, str]]:
    """Every setting with its value and its source: command line, environment, file or default."""
    from yaml import safe_load

    file = os.environ.get(settings.CONFIG)
    in_file: Mapping[str, Any] = (safe_load(Path(file).read_text()) or {}) if file else {}
    named = {name.upper() for name in os.environ}
    rows = []
    for name in Settings.model_fields:
        if options.get(name) is not None:
            source = "command line"
        elif (variable := settings.PREFIX + name.upper()) in named:
            source = f"environment: {variable}"
        else:
            source = f"file: {file}" if name in in_file else "default"
        rows.append({"name": name, "value": _shown(name, getattr(chosen, name)), "source": source})
    return rows


def _shown(name: str, value: object) -> str:
    """A value as text, without secrets."""
    if value and any(word in name for word in SECRET):
        return HIDDEN
    if name == "record" and "://" in str(value):
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import ArgumentError

        try:
            return make_url(str(value)).render_as_string(hide_password=True)
        except ArgumentError:
            return HIDDEN
    if isinstance(value, tuple):
        return os.pathsep.join(map(str, value))
    return "" if value is None else str(value)


def check_bundles(paths: tuple[Path, ...]) -> Iterator[Finding]:
    """Check every bundle's hashes, manifest and graph, and let each answer."""
    from evenhand.models.bundle.bundle import BundleError

    try:
        from evenhand.service.catalog.trial import try_bundle
    except ModuleNotFoundError as error:
        said = f"not looked at: the package {error.name} is not installed"
        yield Finding("bundle", "problem", said, "Install evenhand[cpu] or evenhand[gpu]")
        return
    if not paths:
        yield Finding(
            "bundle", "problem", "none is named", "Give folders to the command, or set EVENHAND_BUNDLES"
        )
    versions: dict[tuple[str, str], Path] = {}
    for path in paths:
        try:
            bundle = try_bundle(path).bundle
        except BundleError as error:
            yield Finding(
                "bundle", "problem", str(error), "Put the bundle there anew, whole, from where it was made"
            )
            continue
        manifest = bundle.manifest
        if (first := versions.setdefault((manifest.name, manifest.version), path)) != path:
            said = f"{first} and {path} are both {manifest.name} {manifest.version}"
            yield Finding("bundle", "problem", said, "Name one of them, or give one another version")
            continue
        applied = [attribute.name for attribute in manifest.attributes if attribute.mode == "apply"]
        said = f"{path}: {manifest.name} {manifest.version} verifies; "
        said += f"corrections apply to: {', '.join(applied) or '-'}"
        if applied and not manifest.certified:
            yield Finding("bundle", "ok", f"{said}, without a certificate: watch them in shadow mode first")
        else:
            yield Finding("bundle", "ok", said)


def check_metrics(chosen: Settings) -> Iterator[Finding]:
    """Check the folder in which several processes share their counters."""
    named = os.environ.get(SHARED)
    if not named:
        said = "workers share a folder of their own" if chosen.workers > 1 else "one process counts in memory"
        yield Finding("metrics", "ok", said)
        return
    folder = Path(named)
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        yield Finding(
            "metrics", "problem", f"{SHARED}={folder} is no folder to write to", f"Make it, or unset {SHARED}"
        )
        return
    dead = sorted(file.name for file in folder.glob("*.db") if not _lives(file.stem.rsplit("_", 1)[-1]))
    if dead:
        said = f"{folder} holds {len(dead)} files of processes that are gone, whose counts would be added"
        yield Finding("metrics", "warning", said, "Empty it while no worker runs")
    else:
        yield Finding("metrics", "ok", f"counters are shared in {folder}")


def _lives(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        pass
    return True


def check_clock(chosen: Settings) -> Iterator[Finding]:
    """Compare the clock with times of files and with the monotonic clock."""
    files = [file for bundle in chosen.bundles for file in bundle.glob("*")]
    files += (
        list(chosen.state.glob("*")) if chosen.state.is_dir() and os.access(chosen.state, os.R_OK) else []
    )
    newest_s = max((file.stat().st_mtime for file in files if file.is_file()), default=0.0)
    ahead_s = newest_s - time.time()
    if ahead_s > AHEAD_S:
        said = f"a file in a bundle or in the state folder is {ahead_s:.0f} s newer than now"
        yield Finding("clock", "problem", said, "Set this machine's clock (NTP); records are dated with it")
        return
    wall_s, steady_s = time.time(), time.monotonic()
    time.sleep(SAMPLE_S)
    apart_s = abs((time.time() - wall_s) - (time.monotonic() - steady_s))
    if apart_s > DRIFT_S:
        said = f"the clock moved by {apart_s:.2f} s against the monotonic one within {SAMPLE_S} s"
        yield Finding("clock", "warning", said, "Let NTP slew it rather than step it")
    else:
        yield Finding("clock", "ok", "no file is from the future; the clock goes evenly")


def check_port(host: str, port: int) -> Finding:
    """Check whether the port is free, or Evenhand listens there."""
    where = f"{host} port {port}"
    if port == 0:
        return Finding("port", "ok", "a free one will be taken")
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(address)
            tried.listen()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return _used_port(host, port, where)
        do = "Name an address of this machine in EVENHAND_HOST, and a port from 1024 up in EVENHAND_PORT"
        return Finding("port", "problem", f"{where} cannot be listened on ({error.strerror})", do)
    return Finding("port", "ok", f"{where} is free")


def _used_port(host: str, port: int, where: str) -> Finding:
    """The finding for a used port: a ready Evenhand, one that is not ready, or another program."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 # nosec B104 - a lookup, no listener
    url = f"http://{f'[{reached}]' if ':' in reached else reached}:{port}/readyz"
    ours = False
    try:
        with urllib.request.urlopen(url, timeout=ASK_S) as reply:  # nosec B310
            ours = "traceresponse" in reply.headers
    except urllib.error.HTTPError as error:
        if "traceresponse" in error.headers:
            return Finding(
                "port", "problem", f"Evenhand answers on {where} and is not ready", f"See what {url} says"
            )
    except (OSError, ValueError):
        pass
    if ours:
        return Finding("port", "ok", f"Evenhand answers on {where} and is ready")
    return Finding("port", "problem", f"another program listens on {where}", "Stop it, or set EVENHAND_PORT")


def check_cores(chosen: Settings, count: int) -> Iterator[Finding]:
    """Check threads against cores, and the limit on open files."""
    import resource

    busy = chosen.workers * (chosen.lanes or 1) * (chosen.threads or 1)
    lanes, threads = chosen.lanes or "auto", chosen.threads or "auto"
    said = f"{count} usable; workers {chosen.workers}, lanes {lanes}, threads {threads}"
    if chosen.provider == "cpu" and busy > count:
        do = "Leave EVENHAND_LANES and EVENHAND_THREADS at 0, and take no more workers than cores"
        yield Finding("cores", "warning", f"{said}: {busy} threads would run on {count} cores", do)
    else:
        yield Finding("cores", "ok", said)
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files != resource.RLIM_INFINITY and files < FEW_FILES:
        said = f"{files} at most, and every connection is one"
        yield Finding("files", "warning", said, "Raise it (ulimit -n, LimitNOFILE)")
    else:
        yield Finding(
            "files", "ok", f"{files if files != resource.RLIM_INFINITY else 'any number of'} may be open"
        )
