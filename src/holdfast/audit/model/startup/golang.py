"""What a Go program says of itself: its build information and the names of its functions.

Go links everything in and takes nothing from libraries, but it leaves what is never called out,
and keeps the names of all functions, stripped or not.

Source:
    Go, `debug/buildinfo` (since 1.18 the text stands in the program) and `runtime.pclntab`.
"""

import re
from typing import Final, Literal, NamedTuple

PATTERN: Final = "go-build-information"
MOST_MODULES: Final = 1000
MOST_BYTES: Final = 256 * 1024
_MAGIC: Final = b"\xff Go buildinf:"
_HEADER: Final = 32
_INLINE: Final = 2
_MARK: Final = 16  # bytes before and behind the list of modules
_VERSION: Final = re.compile(r"go(\d+\.\d+(?:\.\d+)?(?:rc\d+|beta\d+)?)")
_PLAIN: Final = re.compile(r"[\w.~!/+-]{1,200}")
_SERVES_PAGES: Final = b"net/http.(*Server).Serve\0"
_LISTENS: Final[tuple[tuple[bytes, Literal["tcp", "udp"]], ...]] = (
    (b"net.(*sysListener).listenTCP\0", "tcp"),
    (b"net.(*sysListener).listenUDP\0", "udp"),
)


class Module(NamedTuple):
    """A module of Go that is linked into a program.

    Attributes:
        path: Such as `golang.org/x/net`.
        version: Without the leading `v`.
    """

    path: str
    version: str


class Build(NamedTuple):
    """Build information.

    Attributes:
        version: Of Go, such as `1.22.1`; "" if not known.
        modules: What was linked in.
    """

    version: str
    modules: tuple[Module, ...]


def build(content: bytes, offset: int) -> Build:
    """Read the build information that begins at a place; empty where it is not understood."""
    head = content[offset : offset + _HEADER]
    if len(head) < _HEADER or not head.startswith(_MAGIC) or not head[15] & _INLINE:
        return Build("", ())
    end = min(len(content), offset + MOST_BYTES)
    version, at = _text(content, offset + _HEADER, end)
    listing, _ = _text(content, at, end)
    found = _VERSION.match(version.decode(errors="replace"))
    text = listing[_MARK:-_MARK].decode(errors="replace")
    return Build(found[1] if found else "", tuple(_modules(text)))


def _modules(text: str) -> list[Module]:
    found: list[Module] = []
    for line in text.splitlines():
        kind, *fields = line.split("\t")
        if kind == "=>" and found and fields[1:]:  # replaces the one before
            found.pop()
        elif kind != "dep" or not fields[1:]:
            continue
        path, version = fields[0], fields[1].removeprefix("v")
        if _PLAIN.fullmatch(path) and _PLAIN.fullmatch(version) and len(found) < MOST_MODULES:
            found.append(Module(path, version))
    return found


def _text(content: bytes, at: int, end: int) -> tuple[bytes, int]:
    """Read a text behind its length, which is a varint, and where it ends."""
    size = shift = 0
    while at < end:
        byte = content[at]
        at += 1
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80 or shift > 28:  # noqa: PLR2004 - of a varint
            break
    return (content[at : at + size], at + size) if at + size <= end else (b"", end)


def listens(content: bytes) -> Literal["tcp", "udp"] | None:
    """Tell by the functions in a Go program for which sockets it can wait."""
    return next((protocol for name, protocol in _LISTENS if name in content), None)


def serves_pages(content: bytes) -> bool:
    """Tell whether a Go program can be a web server."""
    return _SERVES_PAGES in content and listens(content) == "tcp"
