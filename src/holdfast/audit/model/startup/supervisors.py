"""runit and s6: folders with a `run` script for each service."""

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from holdfast.audit.model.shapes import Started
from holdfast.audit.model.startup.graph import Context
from holdfast.audit.model.startup.shell.runner import Shell
from holdfast.audit.model.startup.shell.variables import Value

if TYPE_CHECKING:
    from holdfast.audit.model.startup.system import System

_RUNIT: Final = ("etc/runit/runsvdir/default", "etc/runit/runsvdir/current", "etc/service",
                 "var/service", "service", "etc/runit/services")  # fmt: skip
_S6: Final = ("etc/services.d", "etc/s6/services", "etc/s6/service", "etc/s6", "service",
              "run/service", "etc/s6/servicedirs")  # fmt: skip
_S6_RC: Final = ("etc/s6-rc/source", "etc/s6-overlay/s6-rc.d", "etc/s6-rc.d",
                 "usr/lib/s6-rc/source", "etc/s6/rc", "etc/s6/sv")  # fmt: skip
MOST_WORDS: Final = 400
_BLOCKS = frozenset({"foreground", "background", "if", "ifelse", "ifte", "backtick", "pipeline",
                     "redirfd", "forbacktickx", "importas", "define", "multidefine"})  # fmt: skip
_SKIPPED: Final = {
    "fdmove": 2, "fdclose": 1, "cd": 1, "umask": 1, "s6-fdholder-retrieve": 2, "s6-setlock": 1,
    "exec": 0, "emptyenv": 0, "s6-envdir": 1, "s6-notifyoncheck": 0, "unexport": 1, "export": 2,
    "s6-softlimit": 0, "with-contenv": 0, "s6-log": 0, "tryexec": 0, "redirfd": 3, "importas": 2,
    "define": 2, "envfile": 1, "s6-cd": 1, "s6-umask": 1, "exec-init": 0,
}  # fmt: skip


def runit(system: "System", context: Context) -> None:
    """Follow the stages of runit, and the services that it watches."""
    system.interpreters["execlineb"] = execline
    for stage in ("etc/runit/1", "etc/runit/2"):
        if system.files.text(stage) is not None:
            system.run_script(stage, [], context, where=stage, shown=f"/{stage}")
    _folders(system, _RUNIT, context)


def s6(system: "System", context: Context) -> None:
    """Follow the scripts that s6 runs once, and the services that it watches."""
    system.interpreters["execlineb"] = execline
    for folder in ("etc/cont-init.d", "etc/s6/init.d"):
        for name in system.files.tree.names(folder):
            place = f"{folder}/{name}"
            if system.files.text(place) is not None:
                system.run_script(place, [], context, where=place, shown=f"/{place}")
    _folders(system, _S6, context)
    for folder in _S6_RC:
        names = _bundle(system, folder)
        for name in names:
            _service(system, f"{folder}/{name}", context)


def _folders(system: "System", folders: tuple[str, ...], context: Context) -> None:
    for folder in folders:
        for name in system.files.tree.names(folder):
            _service(system, f"{folder}/{name}", context)


def _service(system: "System", folder: str, context: Context) -> None:
    """Run one service folder; a file `down` keeps it from starting by itself."""
    for name in ("run", "up"):
        place = f"{folder}/{name}"
        text = system.files.text(place)
        if text is None:
            continue
        if system.files.node(f"{folder}/down") is not None and name == "run":
            context = replace(context, started=Started.STARTABLE, quiet=True)
        if name == "up" and not text.startswith("#!"):
            _tokens(system, place, text, context)
        else:
            system.run_script(place, [], context, where=place, shown=f"/{place}")


def _bundle(system: "System", folder: str) -> list[str]:
    """Give the services of the bundle `default` or `user`, those it holds and needs too."""
    names = system.files.tree.names(folder)
    todo: list[str] = [name for name in ("default", "user", "ok-all") if name in names]
    found: dict[str, None] = {}
    while todo:
        name = todo.pop()
        if name in found or name not in names:
            continue
        found[name] = None
        for part in ("contents", "dependencies"):
            todo += (system.files.text(f"{folder}/{name}/{part}") or "").split()[:200]
            todo += system.files.tree.names(f"{folder}/{name}/{part}.d")
    return list(found)


def execline(system: "System", place: str, arguments: list[Value], context: Context) -> None:
    """Run a script of execlineb."""
    del arguments
    text = system.files.text(place) or ""
    _tokens(system, place, text.split("\n", 1)[1] if "\n" in text else "", context)


def _tokens(system: "System", place: str, text: str, context: Context) -> None:
    """Find the commands: one in each block, and what the chain ends in."""
    lines = [
        (number, word)
        for number, line in enumerate(text.splitlines(), start=2)
        for word in line.partition("#")[0].split()
    ][:MOST_WORDS]
    words: list[str] = []
    first = 0
    for number, word in [*lines, (0, "{")]:
        if word in {"{", "}"}:
            _one(system, f"{place}:{first or 1}", words, context)
            words, first = [], 0
        else:
            first = first or number
            words.append(word.strip('"'))


def _one(system: "System", where: str, words: list[str], context: Context) -> None:
    while words:
        name = words[0].rpartition("/")[2]
        if name == "s6-setuidgid" and len(words) > 1:
            context = replace(context, user=words[1].partition(":")[0], user_why="command")
            words = words[2:]
        elif name in _SKIPPED or name in _BLOCKS:
            words = words[1:]
            while words and words[0].startswith("-"):
                words = words[1:]
            words = words[_SKIPPED.get(name, 0) :]
        else:
            break
    if words:
        shell = Shell(system, where)
        shell.place = where
        system.launch(shell, [Value(word) for word in words], context, "")
