"""Reads the accounts of an older product from the files that it kept them in.

Nothing is computed here, and nothing that is wrong ends the reading: each line becomes an entry or
a fault with its number. A fault never shows any of a hash or a password.
"""

import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from holdfast.accounts.errors import LegacyHashError
from holdfast.accounts.hashing import legacy

MOST_CHARACTERS: Final = 4 << 20
MOST_ENTRIES: Final = 10_000
LONGEST_LINE: Final = 1024
LONGEST_NAME: Final = 64
# A star before forty digits is how MySQL writes a hash.
_LOCKED: Final = re.compile(r"(?!\*[0-9a-fA-F]{40}$)[!*].*|NP|LK|nologin|locked")
_SHADOW_FIELDS: Final = 9
_PASSWD_FIELDS: Final = 7
_EXPIRES: Final = 7
_UNPRINTABLE: Final = frozenset({"Cc", "Cs", "Cn", "Co", "Zl", "Zp"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An account that can be taken over.

    Attributes:
        line: Where it stands, from 1; in JSON the place in the list.
        name: As it stands there.
        hash: What `passwords.wrap` takes.
        scheme: Of that hash, for a table.
    """

    line: int
    name: str
    hash: str = field(repr=False)
    scheme: str


class Fault(NamedTuple):
    """An account that is not taken over.

    Attributes:
        line: Where it stands, from 1; 0 for all of the text.
        name: Of the account; empty where it cannot be shown.
        reason: Why not, and what to do.
    """

    line: int
    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What a file holds.

    Attributes:
        entries: What can be taken over, in the order of the file.
        faults: What cannot, and has to be seen to.
        locked: Names that nobody logs in with by password (`*`, `!`), which stay out.
    """

    entries: tuple[Entry, ...] = ()
    faults: tuple[Fault, ...] = ()
    locked: tuple[str, ...] = ()


class _Row(NamedTuple):
    """A line, taken apart: what it is called, what it holds, and what is wrong with it."""

    line: int
    name: str
    hash: str
    reason: str = ""


def parse_shadow(text: str) -> Imported:
    """Read /etc/shadow, or an old /etc/passwd with the hashes in it.

    Args:
        text: The whole file.
    """
    return _sorted_out(text, (_of_shadow(*one) for one in _lines(text)))


def parse_htpasswd(text: str) -> Imported:
    """Read a password file of a web server (Apache, nginx, lighttpd)."""
    return _sorted_out(text, (_of_htpasswd(*one) for one in _lines(text)))


def parse_json(text: str) -> Imported:
    """Read `[{"name": NAME, "hash": HASH}, ...]`, for a product with a format of its own."""
    if len(text) > MOST_CHARACTERS:
        return _sorted_out(text, iter(()))
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        return Imported(faults=(Fault(0, "", "this is no JSON"),))
    if not isinstance(found, list):
        return Imported(faults=(Fault(0, "", "this is no list of accounts"),))
    return _sorted_out(text, (_of_json(number, one) for number, one in enumerate(found, 1)))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Give the lines that hold something; only a line feed ends one."""
    if len(text) > MOST_CHARACTERS:
        return
    for number, line in enumerate(text.split("\n"), 1):
        bare = line.removesuffix("\r")
        if bare.strip() and not bare.startswith("#"):
            yield number, bare


def _of_shadow(number: int, line: str) -> _Row:
    fields = line.split(":")
    name = fields[0]
    if len(line) > LONGEST_LINE:
        return _Row(number, "", "", f"the line is longer than {LONGEST_LINE} characters")
    if len(fields) not in {_SHADOW_FIELDS, _PASSWD_FIELDS}:
        return _Row(
            number, name, "",
            f"the line has {len(fields)} fields and not {_SHADOW_FIELDS} (shadow) or "
            f"{_PASSWD_FIELDS} (passwd)",
        )  # fmt: skip
    if len(fields) == _SHADOW_FIELDS and fields[_EXPIRES] and not _LOCKED.fullmatch(fields[1]):
        return _Row(
            number, name, "",
            "the account has an end, which would be lost; make it locked, or take the end out",
        )  # fmt: skip
    if fields[1] == "x":
        return _Row(number, name, "", "its hash is kept in shadow; read that file")
    return _Row(number, name, fields[1])


def _of_htpasswd(number: int, line: str) -> _Row:
    name, colon, rest = line.partition(":")
    if len(line) > LONGEST_LINE:
        return _Row(number, "", "", f"the line is longer than {LONGEST_LINE} characters")
    if not colon:
        return _Row(number, "", "", "the line has no colon")
    # Some programs write a remark behind a second colon.
    return _Row(number, name, rest.partition(":")[0])


def _of_json(number: int, found: object) -> _Row:
    if not isinstance(found, dict):
        return _Row(number, "", "", "this is no object with name and hash")
    name, text = found.get("name"), found.get("hash")
    if not isinstance(name, str) or not isinstance(text, str) or len(found) != len("ab"):
        return _Row(number, "", "", "this is no object with name and hash and nothing else")
    return _Row(number, name, text)


def _sorted_out(text: str, rows: Iterator[_Row]) -> Imported:
    if len(text) > MOST_CHARACTERS:
        reason = f"this is longer than {MOST_CHARACTERS} characters"
        return Imported(faults=(Fault(0, "", reason),))
    entries: dict[str, Entry] = {}
    faults: list[Fault] = []
    locked: list[str] = []
    for row in rows:
        if len(entries) + len(faults) + len(locked) >= MOST_ENTRIES:
            faults.append(Fault(row.line, "", f"there are more than {MOST_ENTRIES} accounts"))
            break
        reason = row.reason or _odd_name(row.name)
        if not reason and _LOCKED.fullmatch(row.hash):
            locked.append(row.name)
            continue
        if not reason and row.name in entries:
            reason = f"the name stands in line {entries[row.name].line} already"
        if not reason:
            try:
                scheme = legacy.parse(row.hash).old.scheme
            except LegacyHashError as error:
                reason = error.reason
            else:
                entries[row.name] = Entry(
                    line=row.line, name=row.name, hash=row.hash, scheme=scheme
                )  # fmt: skip
                continue
        faults.append(Fault(row.line, "" if _odd_name(row.name) else row.name, reason))
    return Imported(
        entries=tuple(entries.values()), faults=tuple(faults), locked=tuple(locked)
    )  # fmt: skip


def _odd_name(name: str) -> str:
    if not name:
        return "there is no name"
    if len(name) > LONGEST_NAME:
        return f"the name is longer than {LONGEST_NAME} characters"
    if any(unicodedata.category(mark) in _UNPRINTABLE for mark in name):
        return "the name has a character that cannot be printed"
    return ""
