"""Where updates are looked for, what looks for them by itself, and what keeps older ones out."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from holdfast.audit.facts.shapes import FileKind
from holdfast.audit.model.addresses import is_called
from holdfast.audit.model.shapes import Started, Step
from holdfast.audit.model.update_feeds import Feed
from holdfast.audit.model.update_scene import Scene, Tool, as_json, shown

_MOST: Final = 40
_UPDATE_WORDS: Final = re.compile(
    r"firmware|fw[-_.]?(?:up|ver|info|check|query|latest|url)|upgrade"
    r"|upd(?:ate)?s?[-_.]?(?:url|uri|server|host|check|srv|addr)|//(?:fw|f?ota|updates?)[-.]"
    r"|/(?:updates?|f?ota|fw)/|auto[-_]?update|\.(?:swu|raucb|mender|ipk|trx|chk)\b",
    re.IGNORECASE,
)
# A program that does everything calls many; what only installs calls for images.
_INSTALLER: Final = re.compile(r"upd|upgr|ota|fw|firm|flash", re.IGNORECASE)
_NAMES_OF_HOSTS: Final = re.compile(
    r"/nic/update|[?&](?:update)?host(?:name)?=|[?&]my-?ip(?:v[46])?=|d(?:yn)?dns", re.IGNORECASE
)
_PAGES: Final = re.compile(r"(^|/)(www|web|htdocs|webinc|html?|webpages|help)[^/]*/|\.html?$")
_LINK: Final = re.compile(r"href|<a |window\.open|^\s*(?:#|//)", re.IGNORECASE)
_ASSIGNED: Final = re.compile(
    r"^\s*(?:export\s+)?([A-Za-z_]\w*)=[\"']?([^\"'`$;\s]{1,120})(?=[\"';\s]|$)"
)
_HOST_LINE: Final = re.compile(r"Host:\s*(\$?\{?[\w.-]+\}?)")
_REQUEST: Final = re.compile(r"GET\s+(\S+)\s+HTTP/1\.[01]")
_ADDRESS: Final = re.compile(r"https?://[^\s\"'<>;,]{4,140}")

_COMMAND: Final = (
    r"\s*(?:(?:\w+=\S*|exec|nice|ionice|nohup|env|sh|/bin/(?:ba|a|da)?sh|-\S+)\s+)*(?:/\S*/)?"
)
_DAEMONS: Final = re.compile(
    _COMMAND + r"(?:rauc-hawkbit-updater|mender|mender-updated?|aktualizr(?:-lite)?|snapd"
    r"|update_engine|balena-supervisor|auc|owut|f?otad|auto_?(?:update|upgrade)d?"
    r"|dnf-automatic)(?:\.sh)?(?:\s|$)"
)
_TASKS: Final = re.compile(
    _COMMAND + r"(?:opkg\s+(?:-\S+\s+)*upgrade|apt(?:-get)?\s+(?:-\S+\s+)*(?:dist-|full-)?upgrade"
    r"|apk\s+(?:-\S+\s+)*upgrade|(?:dnf|yum)\s+(?:-\S+\s+)*(?:update|upgrade)|sysupgrade\s"
    r"|rauc\s+install|swupdate\b.*\s(?:-u|--suricatta|-d|--download)(?:\s|$)"
    r"|(?:auto|check|fetch|poll)[-_]?(?:for[-_]?)?(?:fw|firmware|updates?|upgrade))"
)


def urls_of(scene: Scene, tools: Sequence[Tool], feeds: Sequence[Feed]) -> Iterator[str]:
    """Give `path address` for each place where updates are looked for."""
    for feed in feeds:
        yield f"{feed.where} {shown(feed.url)}"
    yield from _configured(scene)
    installers = {
        node.path
        for tool in tools
        if (node := scene.tree.resolve(tool.path))
        and _INSTALLER.search(node.path.rpartition("/")[2])
    }
    known = {feed.where.partition(":")[0] for feed in feeds}
    for path, hit in scene.hits("update-address"):
        if path in known or _PAGES.search(path) or not is_called(hit.text):
            continue
        facts = scene.fact(path)
        if facts is None or facts.module is not None:
            continue
        about, where = hit.text, f"{path}@{hit.offset}"
        if facts.elf is None:
            number, line = scene.line(path, hit.offset)
            about, where = f"{path} {line}", f"{path}:{number}" if number else where
        wanted = _UPDATE_WORDS.search(about) or path in installers
        if wanted and not _LINK.search(about) and not _NAMES_OF_HOSTS.search(about):
            yield f"{where} {shown(hit.text)}"
    yield from _requests(scene)


def _configured(scene: Scene) -> Iterator[str]:
    for node in scene.tree.glob("etc/swupdate*", "etc/swupdate/*", "etc/rauc-hawkbit*/*"):
        encrypted = not any(
            re.match(r"\s*ssl\s*=\s*false", line) for line in scene.lines(node.path)
        )
        for number, line in enumerate(scene.lines(node.path), start=1):
            match = re.match(r"\s*(?:url|hawkbit_server)\s*=\s*\"?([^\s\";]+)", line)
            if match is not None:
                address = match[1]
                if "://" not in address:
                    address = f"http{'s' if encrypted else ''}://{address}"
                yield f"{node.path}:{number} {shown(address)}"
    for config in ("etc/mender/mender.conf", "var/lib/mender/mender.conf"):
        settings = as_json("\n".join(scene.lines(config)))
        several = settings.get("Servers")
        named = [one.get("ServerURL") for one in several if isinstance(one, dict)] if isinstance(
            several, list) else []  # fmt: skip
        for address in (*named, settings.get("ServerURL")):
            if isinstance(address, str) and address:
                yield f"{config} {shown(address)}"


def _requests(scene: Scene) -> Iterator[str]:
    """Find HTTP that a script writes by hand, as to netcat: it is never encrypted."""
    for path, hit in scene.hits("update-request"):
        facts = scene.fact(path)
        if facts is None or facts.kind is not FileKind.SCRIPT or _PAGES.search(path):
            continue
        lines = scene.lines(path)
        if not any(_UPDATE_WORDS.search(line) for line in lines):
            continue
        if any(re.search(r"\b(?:s_client|stunnel|443|ssl)\b", line) for line in lines):
            continue
        values: dict[str, str] = {}
        for line in lines:
            match = _ASSIGNED.match(line)
            if match is not None:
                values.setdefault(match[1], match[2])
        request = _REQUEST.search(hit.text)
        host = next((found[1] for line in lines if (found := _HOST_LINE.search(line))), "")
        target = request[1] if request is not None else ""
        where = scene.place(path, hit.offset)
        yield f"{where} http://{_filled(host, values)}{_filled(target, values)}"


def _filled(text: str, values: dict[str, str]) -> str:
    return re.sub(r"\$\{?(\w+)\}?", lambda match: values.get(match[1], match[0]), text)


def automatic_of(scene: Scene, tools: Sequence[Tool]) -> Iterator[str]:
    """Give `place command` of what looks for updates without being asked."""
    asleep = {Started.NO, Started.STARTABLE}
    installers = {tool.path: tool.name for tool in tools}
    fetching = [
        tool.path for tool in tools
        if tool.name.startswith("vendor:") and scene.is_text(tool.path)
        and scene.has_hit(tool.path, "update-fetch")
    ]  # fmt: skip
    for step in scene.start_up.steps:
        called = any(path == step.program or f"/{path}" in step.text.split() for path in fetching)
        if step.started not in asleep and (called or _looks(step, installers)):
            yield f"{step.where} {' '.join(step.text.split())[:120]}"
    if not scene.program("unattended-upgrade", "unattended-upgrades"):
        return
    for node in scene.tree.glob("etc/apt/apt.conf.d/*"):
        for number, line in enumerate(scene.lines(node.path), start=1):
            if re.match(r"\s*APT::Periodic::Unattended-Upgrade\s+\"?[1-9]", line):
                yield f"{node.path}:{number} unattended-upgrade"


def _looks(step: Step, installers: dict[str, str]) -> bool:
    tool = installers.get(step.program, "")
    if tool in {"mender", "aktualizr", "snapd", "update_engine", "holdfast"}:
        return True
    if "holdfast.device" in step.text or "holdfast device" in step.text:
        return True
    return any(
        _DAEMONS.match(part) or _TASKS.match(part)
        for part in (f"/{step.program}", *re.split(r"[;&|]+", step.text))
    )


_FLOORED: Final = frozenset({"holdfast", "aktualizr", "snapd", "update_engine", "ostree", "fwupd"})
_BY_VERSION: Final = frozenset({"opkg", "apt", "apk", "rpm"})  # never lower unless asked to


def rollback_of(scene: Scene, tools: Sequence[Tool]) -> Iterator[str]:
    """Give `tool place` of what keeps an older version out."""
    for tool in tools:
        if tool.name in _FLOORED or (tool.name in _BY_VERSION and tool.verifier):
            yield f"{tool.name} {tool.path}"
        elif tool.name == "swupdate":
            yield from _swupdate_floor(scene)
        elif tool.name == "rauc":
            yield from _rauc_floor(scene)
        elif tool.name.startswith("vendor:"):
            node = scene.tree.resolve(tool.path)
            for path, hit in scene.hits("update-rollback"):
                if node is not None and path == node.path:
                    yield f"{tool.name} {path}@{hit.offset}"


def _rauc_floor(scene: Scene) -> Iterator[str]:
    for config in ("etc/rauc/system.conf", "usr/lib/rauc/system.conf"):
        for number, line in enumerate(scene.lines(config), start=1):
            if re.match(r"\s*min-bundle-version\s*=\s*\S", line):
                yield f"rauc {config}:{number}"


def _swupdate_floor(scene: Scene) -> Iterator[str]:
    for node in scene.tree.glob("etc/swupdate*", "etc/swupdate/*"):
        for number, line in enumerate(scene.lines(node.path), start=1):
            if re.match(r"\s*(?:no-downgrading|SWUPDATE_ARGS=.*(?:\s-N\s|--no-downgrading))", line):
                yield f"swupdate {node.path}:{number}"
    for step in scene.start_up.steps:
        if re.search(r"swupdate\b.*\s(?:-N\s|--no-downgrading)", step.text):
            yield f"swupdate {step.where}"
