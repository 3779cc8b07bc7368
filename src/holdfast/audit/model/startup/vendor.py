"""What programs and pages start by themselves, told by the command lines in them."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from holdfast.audit.facts.shapes import FileFacts, FileKind
from holdfast.audit.model.daemons import DAEMONS
from holdfast.audit.model.shapes import Started
from holdfast.audit.model.startup.graph import STRENGTH, Context
from holdfast.audit.model.startup.shell.variables import Value
from holdfast.audit.model.startup.wrappers import LANGUAGES, SHELLS, interpreter_of
from holdfast.product.behaviour import OFF_BY_DEFAULT

if TYPE_CHECKING:
    from holdfast.audit.model.startup.system import System

PATTERN: Final = "start-daemon"
MOST_BYTES: Final = 16 * 1024 * 1024
MOST_FILES: Final = 300
MOST_STRING: Final = 240
_ELSEWHERE = re.compile(
    r"^:|(?:^|/)(?:usr/share/(?!udhcpc)|usr/include|usr/lib/python|usr/src|var/lib/|usr/lib/opkg/"
    r"|lib/modules|lib/systemd|usr/lib/systemd|etc/systemd|usr/libexec/git)"
    r"|\.(?:html?|js|css|xml|json|md|svg|po|pem|man|[1-9]|conf|service|socket|control|list"
    r"|postinst|prerm|preinst|postrm)$|(?:^|/)(?:services|protocols|magic|group|passwd)$"
)
_PRINTED = re.compile(rb"[\x09\x20-\x7e]*")
_QUOTED = re.compile(r"\"((?:[^\"\\]|\\.){1,240})\"|'([^']{1,240})'|`([^`]{1,240})`")
_OPTION = re.compile(r"(?:[-/%$&>|;<(]|\d|start\b|\Z)")
_STARTS = frozenset(
    {"system", "popen", "execl", "execlp", "execle", "execv", "execvp", "execve", "vfork", "fork",
     "posix_spawn", "posix_spawnp", "doSystemCmd", "doSystem", "_eval", "_system", "eval"}
)  # fmt: skip
_FRAMES: Final = frozenset({"rc.common", "openrc-run", "execlineb"})
_CALLS: Final = re.compile(r"(?i)system|popen|spawn|exec|subprocess|\b(?:call|run)\s*\(|`")
_MOST_LINE: Final = 2000
_WITHOUT_PROGRAM = frozenset({"telnet", "ssh"})


class _Host(NamedTuple):
    """A step that runs a program, or one that needs it as a library.

    Attributes:
        step: Its id.
        started: When it runs.
        manages: Whether it only starts others, and waits for nobody on a network itself.
        path: Of its program.
    """

    step: int
    started: Started
    manages: bool
    path: str


def read(system: "System") -> None:
    """Add what nothing in the tables starts, but something in the image can."""
    found = list(_with_names(system))[:MOST_FILES]
    if not found:
        return
    hosts = _hosts(system)
    scripts = {step.program for step in system.graph.steps if step.kind == "script"}
    # Command lines first: a name alone may be in a list of processes, it counts if nothing else.
    for alone in (False, True):
        for path, facts, offsets in found:
            if facts.elf is not None:
                _of_program(system, path, offsets, hosts, alone=alone)
    running = _running(system)
    for path, facts, offsets in found:
        if facts.elf is not None or facts.kind not in {FileKind.SCRIPT, FileKind.TEXT}:
            continue
        if path in running:
            _of_running(system, path, offsets, running[path])
        elif path not in scripts:
            _of_text(system, path, facts, offsets)


def _with_names(system: "System") -> Iterator[tuple[str, FileFacts, list[int]]]:
    """Give the files that hold names of daemons, each content once."""
    seen: set[str] = set()
    for path, facts in system.programs.every():
        if facts.sha256 in seen or _ELSEWHERE.search(path) or system.programs.is_multi_call(path):
            continue
        offsets = [hit.offset for hit in facts.hits if hit.pattern == PATTERN]
        if offsets:
            seen.add(facts.sha256)
            yield path, facts, offsets


def _hosts(system: "System") -> dict[str, _Host]:
    """Map programs and the libraries that they need to the step that runs them first."""
    hosts: dict[str, _Host] = {}
    for number, launch in system.graph.launches.items():
        step = system.graph.steps[number]
        node = system.files.node(step.program)
        if node is None or system.programs.is_multi_call(step.program):
            continue
        manages = not system.programs.listens(launch.name, step.program)
        host = _Host(number, step.started, manages, node.path)
        for path in (node.path, *system.programs.libraries(node.path)):
            known = hosts.get(path)
            if known is None or _rank(host) > _rank(known):
                hosts[path] = host
    return hosts


def _rank(host: _Host) -> tuple[int, bool]:
    return STRENGTH[host.started], host.manages


def _context(host: _Host | None, name: str) -> Context:
    """Say when a command that stands in a program is run.

    What a process started at boot, which serves nobody itself, starts belongs to the product:
    it may run. But what products keep off has a switch, and what a server starts, somebody asks
    for: these are startable.
    """
    startable = Context(parent=0, started=Started.STARTABLE, quiet=True, outside=True)
    if host is None:
        return startable
    daemon = DAEMONS.get(name)
    usual = daemon is not None and daemon.service not in OFF_BY_DEFAULT
    runs = host.started in {Started.BOOT, Started.MAYBE}
    if usual and runs and host.manages:
        started = Context(parent=host.step, quiet=True, outside=True)
        return started.maybe(f"{host.path} starts it")
    return replace(startable, parent=host.step).maybe(f"{host.path} starts it")


def _of_program(
    system: "System", path: str, offsets: list[int], hosts: dict[str, _Host], *, alone: bool
) -> None:
    """Look at the strings of a program or library."""
    elf = system.programs.elf(path)
    content = system.files.content(path, MOST_BYTES)
    host = hosts.get(path)
    if content is None or elf is None or not (host or _STARTS.intersection(elf.imports)):
        return
    done: set[bytes] = set()
    for offset in offsets:
        text, start = _string_at(content, offset + 1)
        if text not in done:
            done.add(text)
            command = text.decode("ascii")
            if alone is (len(command.split()) == 1):
                _command(system, path, command, f"{path}@{start}", host)


def _string_at(content: bytes, offset: int) -> tuple[bytes, int]:
    """Give the printable text around a place, and where it starts."""
    before = content[max(0, offset - MOST_STRING) : offset]
    head = _PRINTED.match(before[::-1])
    start = offset - (head.end() if head else 0)
    match = _PRINTED.match(content, start, offset + MOST_STRING)
    return (match[0] if match else b"").strip(), start


def _command(
    system: "System", path: str, text: str, where: str, host: _Host | Context | None
) -> None:
    """Follow a text if it reads as a command line that starts a daemon.

    `host` is who would start it, or when it is started.
    """
    for part in re.split(r"[;&|]+", text):
        words = part.split()
        name = words[0].rpartition("/")[2] if words else ""
        while name in {"exec", "nohup", "sh", "-c", "start-stop-daemon", "busybox", "sudo"}:
            words = words[1:]
            name = words[0].rpartition("/")[2] if words else ""
        daemon = DAEMONS.get(name)
        if daemon is None or not _OPTION.match(" ".join(words[1:])):
            continue
        place = system.files.which(words[0]) or system.programs.applet(name)
        node = system.files.node(place)
        if node is None:
            as_program = "/" not in words[0] or "bin/" in words[0]
            if daemon.service in _WITHOUT_PROGRAM and "@" in where and as_program:
                system.graph.miss(where, name)
        elif _is_another(system, path, node.path, text == name) and not (
            text == name and _is_started(system, place)
        ):
            context = host if isinstance(host, Context) else _context(host, name)
            system.run_code(text, context, where)
            return


def _is_another(system: "System", path: str, called: str, is_bare: bool) -> bool:  # noqa: FBT001
    """Tell a command from the name that a program, or a copy of it, has for itself."""
    same = system.programs.facts(path) is system.programs.facts(called)
    itself = is_bare and path.rpartition("/")[2] == called.rpartition("/")[2]
    return path != called and not same and not itself


def _is_started(system: "System", place: str) -> bool:
    steps = system.graph.steps
    return any(steps[number].program == place for number in system.graph.launches)


def _running(system: "System") -> dict[str, int]:
    """Map scripts of other languages than the shell's to the step that runs them first."""
    found: dict[str, int] = {}
    for step in system.graph.steps:
        launch = system.graph.launches.get(step.id)
        places = [step.program] if step.kind == "script" else []
        if launch is not None and LANGUAGES.fullmatch(step.program.rpartition("/")[2]):
            places = [word for word in launch.arguments if not word.startswith("-")][:1]
        for place in places:
            node = system.files.node(place)
            words = interpreter_of(system.files.text(place) or "") if node else []
            shell = step.kind == "script" and (not words or words[0] in SHELLS | _FRAMES)
            if node is None or shell:
                continue
            known = found.get(node.path)
            if known is None or (
                STRENGTH[step.started] > STRENGTH[system.graph.steps[known].started]
            ):
                found[node.path] = step.id
    return found


def _of_running(system: "System", path: str, offsets: list[int], number: int) -> None:
    """Look at a script of another language that start-up runs: it may do all that it says."""
    step = system.graph.steps[number]
    context = Context(parent=number, started=step.started, quiet=True, outside=True)
    inside = context.maybe(f"/{path} comes to it")
    for line, where in _lines(system.files.text(path) or "", path, offsets):
        if line.lstrip().startswith(("#", "//", "--")):
            continue
        quoted = [match[1] or match[2] or match[3] for match in _QUOTED.finditer(line)]
        texts = [text.replace("\\n", " ") for text in quoted if len(text.split()) > 1]
        if _CALLS.search(line):  # also a program and its arguments one by one
            texts = texts or [" ".join(quoted)]
        for text in texts:
            _command(system, path, text, where, inside)


def _lines(text: str, path: str, offsets: list[int]) -> Iterator[tuple[str, str]]:
    """Give the lines that hold certain bytes, each once, and their places."""
    lines = text.encode(errors="replace")
    done: set[int] = set()
    for offset in offsets:
        number = lines.count(b"\n", 0, offset + 1) + 1
        if number not in done:
            done.add(number)
            start = lines.rfind(b"\n", 0, offset + 1) + 1
            line = lines[start : start + _MOST_LINE].split(b"\n", 1)[0]
            yield line.decode(errors="replace"), f"{path}:{number}"


def _of_text(system: "System", path: str, facts: FileFacts, offsets: list[int]) -> None:
    """Look at a script that nothing was seen to run, or at a page or template."""
    text = system.files.text(path)
    if text is None:
        return
    startable = Context(parent=0, started=Started.STARTABLE, quiet=True, outside=True)
    shell = facts.interpreter.split("/")[-1].split(" ")[0] in SHELLS
    if shell or "rc.common" in facts.interpreter or "openrc-run" in facts.interpreter:
        before = len(system.graph.launches)
        system.run_script(path, [Value("start")], startable, where=path, shown=f"/{path} start")
        if len(system.graph.launches) > before:
            return
    host = _reader_of(system, path) if not shell else None
    for line, where in _lines(text, path, offsets):
        if shell:
            _command(system, path, line.strip(), where, startable)
            continue
        for match in _QUOTED.finditer(line):
            quoted = (match[1] or match[2] or match[3]).replace("\\n", " ")
            if "/" in quoted or len(quoted.split()) > 1:
                _command(system, path, quoted, where, host)


def _reader_of(system: "System", path: str) -> _Host | None:
    """Find a process that runs at boot and knows the folder of a template."""
    parts = path.split("/")[:-1]
    wanted = [f"/{'/'.join(parts[:end])}/".encode() for end in range(2, len(parts) + 1)]
    if not wanted:
        return None
    for number, launch in system.graph.launches.items():
        step = system.graph.steps[number]
        node = system.files.node(step.program)
        runs = step.started in {Started.BOOT, Started.MAYBE}
        if node is None or not runs or system.programs.is_multi_call(step.program):
            continue
        content = system.files.content(step.program, MOST_BYTES)
        if content is not None and any(folder in content for folder in wanted):
            manages = not system.programs.listens(launch.name, step.program)
            return _Host(number, step.started, manages, node.path)
    return None
