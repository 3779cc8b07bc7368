"""What is known of the programs that start-up meets."""

import re
from collections.abc import Iterator, Mapping
from typing import Final, Literal

from holdfast.audit.facts.shapes import ElfFacts, FileFacts
from holdfast.audit.model.daemons import DAEMONS, LIBRARIES, NOT_LISTENING, SWITCHABLE
from holdfast.audit.model.startup import golang
from holdfast.audit.model.startup.shell.files import Files
from holdfast.audit.model.startup.wrappers import SHELLS
from holdfast.audit.tree import Node

MOST_BYTES: Final = 16 * 1024 * 1024
MOST_LIBRARIES: Final = 64
_LIBRARY_FOLDERS = ("lib", "usr/lib", "lib64", "usr/lib64", "usr/local/lib", "lib32", "usr/lib32")
_STREAM = frozenset({"bind", "listen"})
_INTERNET = frozenset(
    {"inet_addr", "inet_aton", "inet_pton", "inet_ntoa", "inet_ntop", "getaddrinfo", "getpeername",
     "getservbyname", "gethostbyname", "htons", "ntohs", "if_nametoindex"}
)  # fmt: skip
_OF_PACKETS = frozenset({"htons", "ntohs", "if_nametoindex"})
"""Calls that those make too who speak to a link instead of an address."""
_MANY_IN_ONE = re.compile(rb"BusyBox v\d|toybox \d")
_CLIENT = re.compile(
    r"(?i)client|(?:dhcp6?|ntp|sntp|pppoe|l2tp|pptp)c$|ddns|dyndns|noip|netlink|monitor|ping|route"
)
_LOCAL_SOCKET = re.compile(rb"/(?:var|tmp|run|dev)/[\w./-]{0,60}(?:sock|ctrl|ctl|\.s\b)")
# Whoever answers and knows the types of pages serves some.
_ANSWER = re.compile(rb"HTTP/(?:1\.[01x]|1\.%[di]|%[ds](?:\.%d)?) (?:200|%\d*[dis])")
_SSH_SERVER = re.compile(rb"[Bb]ad password attempt|[Pp]assword auth succeeded")
_OF_DROPBEAR = frozenset({"dropbearmulti", "dropbearconvert", "dbclient", "ssh", "scp"})
_TYPES_OF_PAGES = (b"text/html", b"text/css")
_RPC_OF_TCP = frozenset({"svctcp_create", "svc_create", "svc_tli_create", "svc_tp_create"})
_CWMP = b"urn:dslforum-org:cwmp-1-"
_BANNERS = frozenset({"component-busybox", "component-toybox"})
_MULTI_CALL = re.compile(r"^(?:busybox|toybox)[\w.-]*$")


class Programs:
    """Looks up what the facts say of a program.

    Attributes:
        files: What is in the image.
    """

    def __init__(
        self, files: Files, facts: Mapping[str, FileFacts], digests: Mapping[str, str]
    ) -> None:
        self.files = files
        self._facts, self._digests = facts, digests
        self._applets: dict[str, bool] = {}
        self._box: tuple[str, bytes] | None = None

    def facts(self, path: str) -> FileFacts | None:
        """Give the facts of a file, links followed."""
        node = self.files.node(path)
        return self._facts.get(self._digests.get(node.path, "")) if node else None

    def elf(self, path: str) -> ElfFacts | None:
        """Give what an ELF file says of itself; None if it is none."""
        facts = self.facts(path)
        return facts.elf if facts else None

    def is_multi_call(self, path: str) -> bool:
        """Tell whether a path leads to busybox or toybox, under whatever name."""
        node = self.files.node(path)
        if node is None or _MULTI_CALL.match(node.path.rpartition("/")[2]):
            return node is not None
        facts = self._facts.get(self._digests.get(node.path, ""))
        return (
            facts is not None
            and facts.elf is not None
            and any(hit.pattern in _BANNERS for hit in facts.hits)
        )

    def listens(self, name: str, path: str) -> bool:
        """Tell whether a program may wait for others on a network."""
        if name in DAEMONS or name in SWITCHABLE:
            return True
        if name in NOT_LISTENING or self.is_multi_call(path):
            return False
        return self.serves(path) is not None or self.served_by(path) != ""

    def serves(self, path: str) -> Literal["tcp", "udp"] | None:
        """Tell the protocol that the calls of a program speak of.

        Sockets in the file system are left out: their programs remove the name before, and
        know no internet addresses, or have the name of such a socket in them.
        """
        elf = self.elf(path)
        if elf is None or elf.type == "object" or _CLIENT.search(path.rpartition("/")[2]):
            return None
        if self._is_go(path):
            return golang.listens(self.files.content(path, MOST_BYTES) or b"")
        calls = _calls(elf)
        internet = bool(calls & _INTERNET)
        if "svc_run" in calls:  # Sun's remote procedure calls
            return "udp" if "svcudp_create" in calls and not calls & _RPC_OF_TCP else "tcp"
        if calls >= _STREAM:
            if "unlink" not in calls:
                return "tcp"
            content = self.files.content(path, MOST_BYTES) or b""
            return "tcp" if internet and not _LOCAL_SOCKET.search(content) else None
        datagrams = calls >= {"bind", "recvfrom"} and "unlink" not in calls
        return "udp" if datagrams and "connect" not in calls else None

    def may_be_local(self, path: str) -> bool:
        """Tell whether the sockets that `serves` found may be none of the internet.

        Those of netlink, of packets without addresses and of names inside this system take the
        same calls; only who makes or reads an internet address surely means one.
        """
        if self._is_go(path):
            return not self.served_by(path)
        elf = self.elf(path)
        told = _INTERNET if self.serves(path) == "tcp" else _INTERNET - _OF_PACKETS
        return elf is None or not (_calls(elf) & told)

    def is_opaque(self, name: str, path: str) -> bool:
        """Tell whether nobody can see if a program listens: it is linked statically, unnamed."""
        elf = self.elf(path)
        if elf is None or not elf.static or _calls(elf) or self._is_go(path):
            return False
        if name in DAEMONS or name in SWITCHABLE or name in NOT_LISTENING or name in SHELLS:
            return False
        content = self.files.content(path, MOST_BYTES)
        return content is None or not _MANY_IN_ONE.search(content)

    def _is_go(self, path: str) -> bool:
        facts = self.facts(path)
        return facts is not None and any(hit.pattern == golang.PATTERN for hit in facts.hits)

    def served_by(self, path: str) -> str:
        """Tell what a program serves by its libraries, by Go or by its answers; "" if unknown."""
        elf = self.elf(path)
        for needed in elf.needed if elf else ():
            for library, service in LIBRARIES:
                if needed.startswith(library) and service:
                    return service
        if elf is not None and "svc_run" in _calls(elf):
            return "rpc"
        if elf is not None and self._is_go(path):
            content = self.files.content(path, MOST_BYTES) or b""
            return "http" if golang.serves_pages(content) else ""
        waits = elf is not None and elf.type == "program" and _calls(elf) >= _STREAM
        if not waits:
            return ""
        content = self.files.content(path, MOST_BYTES) or b""
        if _CWMP in content and b"ConnectionRequest" in content:
            return "tr069"
        pages = all(one in content for one in _TYPES_OF_PAGES)
        return "http" if pages and _ANSWER.search(content) else ""

    def lets_in(self, name: str, path: str) -> bool:
        """Tell whether a server of SSH is built into a program that waits for others."""
        elf = self.elf(path)
        if elf is None or elf.type != "program" or not _calls(elf) >= _STREAM:
            return False
        if name in DAEMONS or name in NOT_LISTENING or name in _OF_DROPBEAR:
            return False
        content = self.files.content(path, MOST_BYTES) or b""
        return b"SSH-2.0-dropbear" in content and bool(_SSH_SERVER.search(content))

    def every(self) -> Iterator[tuple[str, FileFacts]]:
        """Give every file with facts, sorted by path."""
        for path in sorted(self._digests):
            facts = self._facts.get(self._digests[path])
            if facts is not None:
                yield path, facts

    def applet(self, name: str) -> str:
        """Give the path of a busybox that holds an applet without a link to it, or ""."""
        if name not in self._applets:
            path, content = self._busybox()
            self._applets[name] = bool(path) and f"\0{name}\0".encode() in content
        return self._busybox()[0] if self._applets[name] else ""

    def _busybox(self) -> tuple[str, bytes]:
        if self._box is None:
            self._box = ("", b"")
            for place in ("bin/busybox", "sbin/busybox", "usr/bin/busybox", "usr/sbin/busybox"):
                node: Node | None = self.files.node(place)
                content = self.files.content(place, MOST_BYTES) if node else None
                if node is not None and content is not None:
                    self._box = (node.path, content)
                    break
        return self._box

    def libraries(self, path: str) -> list[str]:
        """Give the libraries of the image that a program needs, those of libraries too."""
        found: dict[str, None] = {}
        todo = [path]
        while todo and len(found) < MOST_LIBRARIES:
            elf = self.elf(todo.pop())
            for name in elf.needed if elf else ():
                place = self._library(name)
                if place and place not in found:
                    found[place] = None
                    todo.append(place)
        return list(found)

    def _library(self, name: str) -> str:
        for folder in _LIBRARY_FOLDERS:
            node = self.files.node(f"{folder}/{name}")
            if node is not None:
                return node.path
        return ""


def _calls(elf: ElfFacts) -> frozenset[str]:
    """Give the functions that a program calls; one linked statically brings them along."""
    return frozenset((*elf.imports, *(elf.exports if elf.static else ())))
