"""Accounts of the system: passwd and shadow, their copies, and where links lead."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from holdfast.audit.model.accounts import hashes
from holdfast.audit.model.accounts.entries import Entry
from holdfast.audit.model.accounts.hashes import Kept
from holdfast.audit.model.shapes import Password
from holdfast.audit.model.startup.system import System
from holdfast.audit.tree import Kind

MOST_FILES: Final = 60
MOST_LINES: Final = 5000
_PASSWD_NAME = re.compile(r"^(?:m?passwd|master\.passwd|ftpd?\.?passwd)(?:[-._~+].*|\d*)?$")
_SHADOW_NAME = re.compile(r"^(?:m?shadow)(?:[-._~+].*|\d*)?$")
_ELSEWHERE = re.compile(r"(?:^|/)(?:usr/share|usr/lib|lib|pam\.d|init\.d|usr/bin|bin|proc)/")
_NO_SHELL = re.compile(r"(?:nologin|false|sync|halt|shutdown|true|null)$")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@$-]{0,63}")
_ANY_NAME = re.compile(r"[^\s:+#-][^:\x00-\x1f]{0,63}")
"""What the C library takes, and `useradd` would not: only in a line that is whole."""
_FIELDS = 7
_SHADOW_COLONS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A line of passwd or shadow."""

    name: str
    password: str
    where: str
    uid: int | None = None
    shell: str = ""


def read(system: System) -> Iterator[Entry]:
    """Give the accounts of every passwd and shadow file."""
    passwds = list(_files(system, _PASSWD_NAME))
    shadows = {path: list(_shadow(path, text)) for path, text in _files(system, _SHADOW_NAME)}
    used: set[str] = set()
    seen: set[tuple[str, str, int | None, str]] = set()
    for path, text in passwds:
        shadow = _shadow_of(system, path, shadows)
        by_name = {line.name: line for line in reversed(shadows.get(shadow, []))}
        for line in _passwd(path, text):
            entry = _entry(line, by_name.get(line.name), shadow)
            if line.name in by_name and entry.where == by_name[line.name].where:
                used.add(entry.where)
            key = (entry.name, entry.kept.secret, entry.uid, str(entry.kept.password))
            if key not in seen or entry.kept.password in {Password.EMPTY, Password.HASHED}:
                if key in seen and path.endswith("-"):
                    continue  # the backup that useradd leaves says nothing new
                seen.add(key)
                yield entry
    for lines in shadows.values():
        for line in lines:
            if line.where not in used:
                kept = hashes.of_field(line.password)
                if kept.password is not Password.LOCKED:
                    used.add(line.where)
                    yield Entry(name=line.name, where=line.where, service="system", kept=kept)


def _files(system: System, name: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """Give the text files whose name speaks of accounts, those of /etc first."""
    every = [*(node.path for node in system.files.tree.files()), *system.files.written()]
    found = [
        path
        for path in every
        if name.match(path.rpartition("/")[2]) and not _ELSEWHERE.search(path)
    ]
    found.sort(key=lambda path: (not path.startswith("etc/"), path))
    for path in found[:MOST_FILES]:
        text = system.files.text(path)
        if text is not None:
            yield path, text


def _passwd(path: str, text: str) -> Iterator[_Line]:
    for number, line in enumerate(text.splitlines()[:MOST_LINES], start=1):
        fields = line.strip().split(":")
        named = _ANY_NAME if len(fields) == _FIELDS and fields[3].isdecimal() else _NAME
        if len(fields) < 4 or not named.fullmatch(fields[0]) or not fields[2].isdecimal():  # noqa: PLR2004
            continue
        shell = fields[6] if len(fields) >= _FIELDS else ""
        yield _Line(
            name=fields[0], password=fields[1], where=f"{path}:{number}",
            uid=int(fields[2][:9]), shell=shell,
        )  # fmt: skip


def _shadow(path: str, text: str) -> Iterator[_Line]:
    for number, line in enumerate(text.splitlines()[:MOST_LINES], start=1):
        name, colon, rest = line.strip().partition(":")
        named = _ANY_NAME if line.count(":") == _SHADOW_COLONS else _NAME
        if colon and named.fullmatch(name):
            yield _Line(name=name, password=rest.partition(":")[0], where=f"{path}:{number}")


def _shadow_of(system: System, path: str, shadows: dict[str, list[_Line]]) -> str:
    """Find the shadow file that belongs to a passwd file; "" if there is none."""
    folder, _, name = path.rpartition("/")
    suffix = re.sub(r"^(?:m?passwd|master\.passwd|ftpd?\.?passwd)", "", name)
    for candidate in (f"{folder}/shadow{suffix}", f"{folder}/shadow", "etc/shadow"):
        plain = candidate.lstrip("/")
        if plain in shadows:
            return plain
        itself = system.files.tree.resolve(plain, follow=False)
        if itself is not None and itself.kind is Kind.LINK:
            node = system.files.node(itself.target) or system.files.node(plain)
            if node is not None and node.path in shadows:
                return node.path
    return ""


def _entry(line: _Line, shadow: _Line | None, shadow_path: str) -> Entry:
    where, kept = line.where, hashes.of_field(line.password)
    if line.password == "x":  # noqa: S105 - the mark that shadow has it
        kept = hashes.NONE
        if shadow is not None:
            where, kept = shadow.where, hashes.of_field(shadow.password)
        elif shadow_path:
            kept = hashes.LOCKED  # the file has no line for it
    shell = line.shell or "/bin/sh"
    return Entry(
        name=line.name, where=where, service="system", kept=kept, uid=line.uid,
        shell=line.shell, login=_can_log_in(shell, kept),
    )  # fmt: skip


def _can_log_in(shell: str, kept: Kept) -> bool:
    usable = kept.password in {Password.EMPTY, Password.HASHED, Password.PLAIN}
    return usable and not _NO_SHELL.search(shell)
