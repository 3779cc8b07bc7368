"""Package feeds: where opkg, apt, apk and rpm look, and whether they check signatures."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from holdfast.audit.model.update_scene import Scene

_OPKG_FILES: Final = ("etc/opkg.conf", "etc/opkg/*.conf", "usr/etc/opkg/*.conf")
_ON: Final = frozenset({"1", "yes", "true", "on"})


class Feed(NamedTuple):
    """One source of packages.

    Attributes:
        tool: `opkg`, `apt`, `apk`, `rpm`.
        where: `path:line`.
        url: As written.
        unsigned: Why packages from here are not checked, "" if they are.
        unchecked: Why its server is not checked, "" if it is.
    """

    tool: str
    where: str
    url: str
    unsigned: str = ""
    unchecked: str = ""


def feeds_of(scene: Scene) -> list[Feed]:
    """Read the sources of all package managers; those on a disk or disc do not count."""
    found = [*_opkg(scene), *_apt_lines(scene), *_apt_paragraphs(scene), *_apk(scene), *_rpm(scene)]
    return [feed for feed in found if "://" in feed.url and not _is_local(feed.url)]


def _is_local(url: str) -> bool:
    return url.startswith(("file:", "cdrom:", "copy:"))


def _numbered(scene: Scene, *patterns: str) -> Iterator[tuple[str, int, str]]:
    for node in scene.tree.glob(*patterns):
        for number, line in enumerate(scene.lines(node.path), start=1):
            bare = line.strip()
            if bare and not bare.startswith("#"):
                yield node.path, number, bare


def _opkg(scene: Scene) -> list[Feed]:
    checks, off, found = False, "", []
    for path, number, line in _numbered(scene, *_OPKG_FILES):
        words = line.split()
        where = f"{path}:{number}"
        if words[0].startswith("src") and len(words) > 2:  # noqa: PLR2004 - src name address
            found.append(Feed("opkg", where, words[2]))
        elif words[0] == "option" and words[1:2] in [["check_signature"], ["check_pkg_signature"]]:
            checks = len(words) == 2 or words[2].strip("\"'").lower() in _ON  # noqa: PLR2004
            off = "" if checks else f"check_signature is off in {where}"
    why = "" if checks else off or "no `option check_signature`, so opkg checks nothing"
    return [feed._replace(unsigned=why) for feed in found]


def _apt_lines(scene: Scene) -> Iterator[Feed]:
    for path, number, line in _numbered(
        scene, "etc/apt/sources.list", "etc/apt/sources.list.d/*.list"
    ):
        match = re.match(r"deb\s+(?:\[([^\]]*)\]\s+)?(\S+)", line)
        if match is None:
            continue
        options = (match[1] or "").replace(" ", "").lower()
        loose = next(
            (word for word in ("trusted=yes", "allow-insecure=yes") if word in options), ""
        )
        yield Feed("apt", f"{path}:{number}", match[2], f"[{loose}]" if loose else "")


def _apt_paragraphs(scene: Scene) -> Iterator[Feed]:
    for node in scene.tree.glob("etc/apt/sources.list.d/*.sources"):
        fields: dict[str, tuple[int, str]] = {}
        for number, line in enumerate([*scene.lines(node.path), ""], start=1):
            if ":" in line and line[:1] not in {"#", " ", "\t"}:
                name, _, text = line.partition(":")
                fields[name.strip().lower()] = (number, text.strip())
            elif not line.strip():
                yield from _paragraph(node.path, fields)
                fields = {}


def _paragraph(path: str, fields: dict[str, tuple[int, str]]) -> Iterator[Feed]:
    def off(name: str) -> bool:
        return fields.get(name, (0, ""))[1].lower() not in {"yes", "true", "1"}

    if fields.get("enabled", (0, "yes"))[1].lower() in {"no", "false", "0"}:
        return
    if "deb" not in fields.get("types", (0, ""))[1].split():
        return
    loose = next((name for name in ("trusted", "allow-insecure") if not off(name)), "")
    number, urls = fields.get("uris", (0, ""))
    for url in urls.split():
        yield Feed("apt", f"{path}:{number}", url, f"{loose.title()}: yes" if loose else "")


def _apk(scene: Scene) -> Iterator[Feed]:
    for path, number, line in _numbered(scene, "etc/apk/repositories", "etc/apk/repositories.d/*"):
        url = line.split()[-1]
        yield Feed("apk", f"{path}:{number}", url)


def _rpm(scene: Scene) -> Iterator[Feed]:
    for node in scene.tree.glob("etc/yum.repos.d/*.repo", "etc/zypp/repos.d/*.repo"):
        for section in _sections(scene.lines(node.path)):
            if section.get("enabled", (0, "1"))[1] == "0":
                continue
            for name in ("baseurl", "mirrorlist", "metalink"):
                if name in section:
                    number, url = section[name]
                    unsigned = section.get("gpgcheck", (0, "1"))[1] in {"0", "no", "false"}
                    unchecked = section.get("sslverify", (0, "1"))[1] in {"0", "no", "false"}
                    yield Feed(
                        "rpm", f"{node.path}:{number}", url,
                        "gpgcheck=0" if unsigned else "", "sslverify=0" if unchecked else "",
                    )  # fmt: skip


def _sections(lines: list[str]) -> list[dict[str, tuple[int, str]]]:
    found: list[dict[str, tuple[int, str]]] = []
    for number, line in enumerate(lines, start=1):
        if line.startswith("["):
            found.append({})
        elif "=" in line and found and line[:1] not in {"#", ";"}:
            name, _, text = line.partition("=")
            found[-1][name.strip().lower()] = (number, text.strip().lower())
    return found
