"""Small systems in memory, to see how they start."""

from collections.abc import Mapping
from hashlib import sha256

from holdfast.audit.facts.gather import facts_of
from holdfast.audit.model.accounts.gathering import accounts_of
from holdfast.audit.model.accounts.guessing import Guesser
from holdfast.audit.model.listeners import listeners_of
from holdfast.audit.model.shapes import Account, Listener, Started, Step
from holdfast.audit.model.startup.reading import read
from holdfast.audit.model.startup.system import System
from holdfast.audit.tree import Kind, Node, Tree
from tests.audit.elf_builder import build

SERVER = build(imports=("socket", "bind", "listen", "accept"), needed=("libc.so.0",))
PLAIN = build(imports=("open", "read"), needed=("libc.so.0",))
BUSYBOX = build(rodata=b"\0/etc/inittab\0telnetd\0httpd\0nc\0", needed=("libc.so.0",))
_PROGRAM_FOLDERS = ("bin/", "sbin/", "usr/bin/", "usr/sbin/", "opt/")


class Machine:
    """A system whose start-up was read."""

    def __init__(
        self,
        files: Mapping[str, str | bytes] | None = None,
        links: Mapping[str, str] | None = None,
        programs: str = "",
        modes: Mapping[str, int] | None = None,
    ) -> None:
        self.tree = Tree()
        contents: dict[str, bytes] = dict.fromkeys(programs.split(), PLAIN)
        for path, text in (files or {}).items():
            contents[path] = text if isinstance(text, bytes) else text.encode()
        for path, content in contents.items():
            runs = path.startswith(_PROGRAM_FOLDERS) or content.startswith(b"#!")
            mode = (modes or {}).get(path, 0o755 if runs else 0o644)
            self.tree.add(_file(path, content, mode))
        for path, target in (links or {}).items():
            self.tree.add(Node(path=path, kind=Kind.LINK, mode=0o777, target=target))
        self.digests = {path: sha256(content).hexdigest() for path, content in contents.items()}
        self.facts = {self.digests[path]: facts_of(content) for path, content in contents.items()}
        self.system: System = read(self.tree, self.facts, self.digests)

    @property
    def steps(self) -> tuple[Step, ...]:
        return self.system.graph.start_up().steps

    def command(self, program: str) -> Step:
        """Give the only command that runs a program."""
        found = self.commands(program)
        assert len(found) == 1, [(step.where, step.text) for step in found]
        return found[0]

    def commands(self, program: str) -> list[Step]:
        kinds = {"command", "inetd"}
        name = f"/{program}"
        return [
            step for step in self.steps if step.kind in kinds and f"/{step.program}".endswith(name)
        ]

    def when(self, program: str) -> Started | None:
        found = self.commands(program)
        return found[0].started if found else None

    def chain(self, step: Step) -> list[str]:
        """Give the places that lead to a step, from the kernel."""
        graph = self.system.graph
        return [graph.steps[number].where for number in graph.path_to(step.id, graph.parents())]

    @property
    def listeners(self) -> list[Listener]:
        return list(listeners_of(self.system))

    def listener(self, service: str) -> Listener:
        found = [one for one in self.listeners if one.service == service]
        assert len(found) == 1, self.listeners
        return found[0]

    def accounts(self, *, guess: bool = False) -> list[Account]:
        return list(accounts_of(self.system, Guesser() if guess else None))


def busybox(script: str, *, programs: str = "", **files: str) -> Machine:
    """Make a system whose inittab starts one script."""
    named = {name.replace("__", "/"): text for name, text in files.items()}
    return Machine(
        {
            "bin/busybox": BUSYBOX,
            "etc/inittab": "::sysinit:/etc/init.d/rcS\n",
            "etc/init.d/rcS": f"#!/bin/sh\n{script}\n",
            **named,
        },
        {"sbin/init": "../bin/busybox", "bin/sh": "busybox"},
        programs,
    )


def _file(path: str, content: bytes, mode: int) -> Node:
    return Node(path=path, kind=Kind.FILE, mode=mode, size_bytes=len(content), read=lambda: content)
