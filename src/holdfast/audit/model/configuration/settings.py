"""What a configuration says that matters for a listener, and the small tools to read it."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final, Literal, NamedTuple

MOST_LINES: Final = 20_000
MOST_INCLUDED: Final = 40
_EVERY = frozenset({"", "*", "0.0.0.0", "::", "[::]", "any", "_default_", "all"})  # noqa: S104
_LAN = re.compile(r"^(?:br-lan|br0|lan\d*|br-?lan\d*|eth0\.1|brlan)$")
_ENDPOINT = re.compile(
    r"(?:\[(?P<six>[0-9a-fA-F:.%\w]*)\]|(?P<host>[^:\[\]\s]*))?:?(?P<port>\d{1,5})?"
)


class Line(NamedTuple):
    """A directive.

    Attributes:
        name: First word, in lower case.
        value: The rest, without quotes around it.
        where: `path:line`.
    """

    name: str
    value: str
    where: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One socket.

    Attributes:
        port: None if not known.
        address: "" for all, `loopback`, `lan`, or as configured.
        protocol: `tcp` or `udp`.
        service: If it differs from that of the daemon.
        where: `path:line` that says so.
    """

    port: int | None
    address: str = ""
    protocol: Literal["tcp", "udp"] = "tcp"
    service: str = ""
    where: str = ""


@dataclass(slots=True)
class Settings:
    """What was read.

    Attributes:
        endpoints: Sockets; empty if the configuration leaves them to the daemon.
        user: Account, "" if it says nothing.
        where: Line that names the account.
        walls: What confines the daemon.
        options: Facts, such as `root-login=yes`.
        off: Whether it says that nothing is to be served.
    """

    endpoints: list[Endpoint] = field(default_factory=list)
    user: str = ""
    where: str = ""
    walls: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    off: bool = False


class Reading(NamedTuple):
    """A configuration file, and how to get at those that it includes.

    Attributes:
        path: Of the file.
        text: Its content.
        read: Gives the text of another file, None if there is none.
        glob: Gives the paths that a pattern matches.
    """

    path: str
    text: str
    read: Callable[[str], str | None]
    glob: Callable[[str], list[str]]

    def include(self, name: str, folder: str = "") -> "Iterator[Reading]":
        """Give the files that a directive includes; names without slash are in a folder."""
        path = name.strip("\"'; ")
        if not path.startswith("/"):
            path = f"{folder or self.path.rpartition('/')[0]}/{path}"
        path = path.lstrip("/")
        for place in (self.glob(path) if any(c in path for c in "*?[") else [path])[:MOST_INCLUDED]:
            text = self.read(place)
            if text is not None:
                yield self._replace(path=place, text=text)


def directives(reading: Reading, comment: str = "#") -> Iterator[Line]:
    """Give lines of `name value` or `name = value`; comments are left out."""
    for number, line in enumerate(reading.text.splitlines()[:MOST_LINES], start=1):
        plain = line.strip()
        if not plain or plain[0] in comment:
            continue
        match = re.match(r"([^\s=]+)\s*(?:\+?=\s*|\s)?(.*)", plain)
        if match is not None:
            value = re.sub(r"\s+#.*$", "", match[2]).strip().strip("\"'")
            yield Line(match[1].lower(), value, f"{reading.path}:{number}")


_WORDS: Final = re.compile(r"#[^\n]*|\n|[;{}]|\"[^\"]{0,500}\"|'[^']{0,500}'|[^\s;{}\"'#]+")


def statements(reading: Reading) -> Iterator[Line]:
    """Give what ends with a semicolon, in blocks or not, wherever lines are broken: `name value;`.

    The line is that of the name.
    """
    words: list[str] = []
    line = started = 1
    for match in _WORDS.finditer(reading.text):
        word = match[0]
        if word == "\n":
            line += 1
            if line > MOST_LINES:
                return
        elif word == ";":
            if words:
                value = " ".join(words[1:])
                yield Line(words[0].lower(), value, f"{reading.path}:{started}")
            words = []
        elif word in {"{", "}"}:
            words = []
        elif not word.startswith("#"):
            started = started if words else line
            words.append(word.strip("\"'"))
            line += word.count("\n")


def included(
    reading: Reading,
    *keywords: str,
    folder: str = "",
    lines: Callable[[Reading], Iterator[Line]] = directives,
) -> Iterator[Line]:
    """Give the directives of a file and, in their place, those of the files that it includes.

    Args:
        reading: The file.
        keywords: What includes another.
        folder: Where names without a slash are; that of the file if "".
        lines: Reads the directives of one file.
    """
    todo = [lines(reading)]
    seen = 0
    while todo:
        line = next(todo[-1], None)
        if line is None:
            todo.pop()
        elif line.name not in keywords:
            yield line
        else:
            above = reading._replace(path=line.where.rpartition(":")[0])
            for one in reversed(list(above.include(line.value, folder))):
                seen += 1
                if seen <= MOST_INCLUDED:
                    todo.append(lines(one))


def endpoint(text: str, where: str = "", **more: str) -> Endpoint | None:
    """Read `80`, `1.2.3.4:80`, `[::]:80`, `*:80` or `:80`; None if it is a name in the system."""
    text = text.strip().strip("\"'")
    if text.startswith(("/", "unix:", "@", "local:")):
        return None
    if text.isdecimal():
        return Endpoint(int(text) if len(text) < 6 else None, where=where, **more)  # type: ignore[arg-type]  # noqa: PLR2004
    match = _ENDPOINT.fullmatch(text)
    if match is None:
        return Endpoint(None, where=where, **more)  # type: ignore[arg-type]
    host = match["six"] if match["six"] is not None else match["host"] or ""
    port = int(match["port"]) if match["port"] else None
    return Endpoint(port, address(host), where=where, **more)  # type: ignore[arg-type]


def address(host: str) -> str:
    """Say where an address is: "" for everywhere, `loopback`, `lan`, else as it stands."""
    host = host.strip().strip("\"'")
    if host.lower() in _EVERY:
        return ""
    if host.lower() in {"localhost", "lo"}:
        return "loopback"
    if _LAN.match(host):
        return "lan"
    try:
        return "loopback" if ip_address(host.partition("%")[0]).is_loopback else host
    except ValueError:
        return host


def number(text: str) -> int | None:
    """Read a port; None if it is none."""
    text = text.strip()
    return int(text) if text.isdecimal() and len(text) < 6 and 0 < int(text) < 65536 else None  # noqa: PLR2004


def is_on(text: str, *, default: bool = False) -> bool:
    """Read a switch."""
    value = text.strip().lower()
    if value in {"yes", "on", "true", "1", "enable", "enabled"}:
        return True
    return default and value not in {"no", "off", "false", "0", "disable", "disabled"}
