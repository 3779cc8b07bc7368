"""Tools that give an account its password: what a script hands them stands in the image."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from holdfast.audit.model.shapes import Started
from holdfast.audit.model.startup.graph import Context
from holdfast.audit.model.startup.shell.outcome import Outcome
from holdfast.audit.model.startup.shell.variables import Value

if TYPE_CHECKING:
    from holdfast.audit.model.startup.shell.runner import Shell

Result = tuple[Outcome, str | None]
MOST_LINES: Final = 100
MOST_SCRIPT: Final = 500
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@$-]{0,63}")
_ACCOUNTS = re.compile(r"(?:^|/)m?(?:passwd|shadow)[^/]*$")
_FIELD = re.compile(r"\^?([A-Za-z_][\w.-]{0,63}):([^:]*)")
_LETTERED = frozenset({"-c", "-g", "-G", "-u", "-s", "-d", "-k", "-e", "-f", "-h", "-R", "-P"})


class Given(NamedTuple):
    """A password that a script gives an account; it stays in this process.

    Attributes:
        name: Of the account.
        secret: What it was given, "" for none.
        hashed: Whether that is a field of shadow, not the password itself.
    """

    name: str
    secret: str
    hashed: bool


def chpasswd(shell: "Shell", words: list[Value], context: Context) -> Result:
    """Read lines of `name:password`, with `-e` of `name:hash`."""
    hashed = any(word.text in {"-e", "--encrypted"} for word in words[1:])
    for line in (shell.handed or "").splitlines()[:MOST_LINES]:
        name, colon, secret = line.strip().partition(":")
        if colon and _NAME.fullmatch(name):
            _give(shell, Given(name, secret, hashed), context)
    return Outcome(), ""


def passwd(shell: "Shell", words: list[Value], context: Context) -> Result:
    """Read a password that is typed in twice; `-d` takes the password away."""
    flags = {word.text for word in words[1:] if word.text.startswith("-")}
    names = [word for word in words[1:] if not word.text.startswith("-")]
    name = names[0].text if names else "root"
    if not _NAME.fullmatch(name) or flags & {"-l", "-u", "-S", "--lock", "--unlock", "--status"}:
        return Outcome(), ""
    if flags & {"-d", "--delete"}:
        _give(shell, Given(name, "", hashed=True), context)
    elif shell.handed and shell.handed.strip():
        _give(shell, Given(name, shell.handed.split("\n", 1)[0], hashed=False), context)
    return Outcome(), ""


def usermod(shell: "Shell", words: list[Value], context: Context) -> Result:
    """Read `-p HASH NAME` of usermod and useradd."""
    secret: Value | None = None
    names = []
    rest = iter(words[1:])
    for word in rest:
        if word.text in {"-p", "--password"}:
            secret = next(rest, None)
        elif word.text.startswith("--password="):
            secret = Value(word.text.partition("=")[2], word.known)
        elif word.text in _LETTERED:
            next(rest, None)
        elif not word.text.startswith("-"):
            names.append(word.text)
    if secret is not None and secret.known and names and _NAME.fullmatch(names[-1]):
        _give(shell, Given(names[-1], secret.text, hashed=True), context)
    return Outcome(), ""


def sed(shell: "Shell", words: list[Value], context: Context) -> Result:
    """Read what is put into the fields of passwd and shadow."""
    scripts: list[Value] = []
    names: list[Value] = []
    rest = iter(words[1:])
    for word in rest:
        if word.text in {"-e", "--expression", "-ie"}:
            scripts += [script for script in [next(rest, None)] if script is not None]
        elif word.text.startswith("--expression="):
            scripts.append(Value(word.text.partition("=")[2], word.known))
        elif not word.text.startswith("-"):
            names.append(word)
    if not scripts and names:
        scripts.append(names.pop(0))
    if any(_ACCOUNTS.search(name.text) for name in names):
        for script in scripts:
            for given in _replaced(script.text[:MOST_SCRIPT]) if script.known else ():
                _give(shell, given, context)
    return Outcome(), None


def _replaced(script: str) -> Iterator[Given]:
    """Give what the `s` commands of a script of sed put behind the names of accounts."""
    at = 0
    while (start := script.find("s", at)) >= 0 and start + 1 < len(script):
        mark, before = script[start + 1], script[at:start]
        at = start + 1
        if mark.isalnum() or mark.isspace() or mark in "\\;]^-":
            continue
        parts = _parts(script, start + 2, mark)
        if parts is None:
            continue
        old, new, at = parts
        groups = re.findall(r"\\\(\^?([\w.:-]*)\\\)|(?<!\\)\(\^?([\w.:-]*)\)", old)
        for number, group in enumerate(groups[:9], start=1):
            new = new.replace(f"\\{number}", group[0] or group[1])
        named = _FIELD.match(old) or _FIELD.search(before)
        put = _FIELD.match(new)
        if put is None and named is not None and new.startswith("$"):  # /^root:/s/x/HASH/
            yield Given(named[1], new.strip(":"), hashed=True)
        elif put is not None and "\\" not in put[2] and "&" not in put[2]:
            emptied = named is not None and named[1] == put[1] and named[2]
            if put[2] or (emptied and old.endswith(":") == (new.count(":") > 1)):
                yield Given(put[1], put[2], hashed=True)


def _parts(script: str, start: int, mark: str) -> tuple[str, str, int] | None:
    """Part `old#new#` at its mark; None if it is not whole."""
    text = rf"((?:\\.|[^{re.escape(mark)}\\])*){re.escape(mark)}"
    match = re.compile(text + text, re.DOTALL).match(script, start)
    return (match[1], match[2], match.end()) if match else None


def _give(shell: "Shell", given: Given, context: Context) -> None:
    if context.started not in {Started.STARTABLE, Started.NO}:
        shell.world.give_password(given, shell.where)
