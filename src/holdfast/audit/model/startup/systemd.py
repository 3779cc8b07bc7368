"""What systemd starts: targets, services, sockets, timers, with drop-ins, masks and presets."""

import re
import shlex
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from holdfast.audit.model.configuration.units import Setting, Unit, walls
from holdfast.audit.model.shapes import Started
from holdfast.audit.model.startup.graph import Context
from holdfast.audit.model.startup.masking import masked
from holdfast.audit.model.startup.shell.outcome import Outcome
from holdfast.audit.model.startup.shell.runner import Shell
from holdfast.audit.model.startup.shell.variables import Value
from holdfast.audit.tree import Kind

if TYPE_CHECKING:
    from holdfast.audit.model.startup.system import System

FOLDERS: Final = (
    "etc/systemd/system", "run/systemd/system", "usr/local/lib/systemd/system",
    "usr/lib/systemd/system", "lib/systemd/system",
)  # fmt: skip
_PRESETS: Final = ("etc/systemd/system-preset", "usr/lib/systemd/system-preset",
                   "lib/systemd/system-preset")  # fmt: skip
_REQUIRES: Final = ("Unit.Wants", "Unit.Requires", "Unit.BindsTo", "Unit.Upholds")
_EXECUTED: Final = ("ExecStartPre", "ExecStart", "ExecStartPost")
MOST_UNITS: Final = 1500
_VARIABLE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?")
_ALWAYS: Final = frozenset(
    {"ConditionVirtualization", "ConditionCapability", "ConditionKernelVersion",
     "ConditionArchitecture", "ConditionControlGroupController", "ConditionMemory",
     "ConditionCPUs", "ConditionPathIsReadWrite", "ConditionUser", "AssertCapability"}
)  # fmt: skip
"""Conditions that hold on a device that runs the image by itself."""
_STARTS = frozenset({"start", "restart", "reload-or-restart", "try-restart"})
_SEEN_BETTER = {Started.BOOT: 4, Started.MAYBE: 3, Started.DEMAND: 2, Started.STARTABLE: 1}


class Systemd:
    """Follows units from the default target."""

    def __init__(self, system: "System") -> None:
        self._system = system
        self._units: dict[str, Unit | None] = {}
        self._done: dict[str, int] = {}
        self._listens: dict[str, tuple[tuple[str, str], ...]] = {}
        system.hooks["systemctl"] = self._systemctl

    def start(self, context: Context) -> None:
        """Start the default target, then look at what else could be started."""
        first = "default.target" if self._unit("default.target") else "multi-user.target"
        graphical = self._closure([(first, context)])
        self._sysv(context, graphical=graphical)
        self._by_preset(context)
        self._by_dbus(context)
        later = replace(context, started=Started.STARTABLE, quiet=True)
        instances = {name.partition("@")[0] + "@" for name in self._done if "@" in name}
        for name in self._names():
            stem, at, _ = name.partition("@.")
            if at and f"{stem}@" in instances:
                continue
            if name.endswith((".service", ".socket")) and name not in self._done:
                self._closure([(name, later)], follow=False)

    def _closure(self, todo: list[tuple[str, Context]], *, follow: bool = True) -> bool:
        graphical = False
        while todo and len(self._done) < MOST_UNITS:
            name, context = todo.pop(0)
            unit = self._unit(name)
            rank = _SEEN_BETTER.get(context.started, 0)
            if unit is None or self._done.get(unit.name, -1) >= rank:
                continue
            graphical |= unit.name == "graphical.target"
            self._done[unit.name] = rank
            self._done.setdefault(name, rank)
            inside = self._conditional(unit, context)
            if inside is None:
                continue
            number = self._system.graph.add("unit", unit.path, unit.name, inside)
            below = replace(inside.under(number), conditions=inside.conditions)
            self._run(unit, below)
            todo += self._activated(unit, below)
            if follow:
                todo += [(other, below) for other in self._wanted(unit)]
        return graphical

    def _run(self, unit: Unit, context: Context) -> None:
        if not unit.name.endswith(".service"):
            return
        user = unit.last("Service.User")
        if not user and unit.is_on("Service.DynamicUser"):
            user = "dynamic"
        inside = replace(
            context, user=user or context.user, user_why="unit" if user else context.user_why,
            walls=walls(unit),
        )  # fmt: skip
        variables = self._environment(unit)
        for key in _EXECUTED:
            for one in unit.all(f"Service.{key}"):
                self._execute(unit, one, inside, variables)

    def _execute(
        self, unit: Unit, one: Setting, context: Context, variables: dict[str, str]
    ) -> None:
        line = one.value.lstrip("@-:|")
        if line.startswith(("+", "!")):  # with all privileges
            line = line.lstrip("@-:+!|")
            context = replace(context, user="root", user_why="unit", walls=())
        prefix, at, instance = unit.name.rpartition(".")[0].partition("@")
        line = (
            line.replace("%%", "\0").replace("%i", instance).replace("%I", instance)
            .replace("%n", unit.name).replace("%N", unit.name.rpartition(".")[0])
            .replace("%p", prefix).replace("\0", "%")
        )  # fmt: skip
        words: list[str] = []
        for word in _split(line):
            match = _VARIABLE.fullmatch(word)
            if match is not None and not word.startswith("${"):
                words += variables.get(match[1], "").split()
            else:
                words.append(_VARIABLE.sub(lambda m: variables.get(m[1], m[0]), word))
        if not words:
            return
        settings = self._listens.get(unit.name, ()) or self._listens.get(f"{prefix}{at}", ())
        shell = Shell(self._system, one.where)
        shell.place = one.where
        if settings and self._system.files.which(words[0]):
            path = self._system.files.which(words[0])
            self._system.note(words, path, context, one.where, masked(words), settings)
        else:
            self._system.launch(shell, [Value(word) for word in words], context, "")

    def _environment(self, unit: Unit) -> dict[str, str]:
        found: dict[str, str] = {}
        for one in unit.all("Service.EnvironmentFile"):
            text = self._system.files.text(one.value.lstrip("-")) or ""
            for line in text.splitlines()[:500]:
                name, equals, value = line.strip().partition("=")
                if equals and not name.startswith("#"):
                    found[name.strip()] = value.strip().strip("\"'")
        for one in unit.all("Service.Environment"):
            for word in _split(one.value):
                name, equals, value = word.partition("=")
                if equals:
                    found[name] = value
        return found

    def _activated(self, unit: Unit, context: Context) -> list[tuple[str, Context]]:
        """Find what a socket, timer or path unit starts when it is its turn."""
        kind = unit.name.rpartition(".")[2]
        if kind not in {"socket", "timer", "path"}:
            return []
        section = kind.capitalize()
        stem = unit.name.rpartition(".")[0]
        service = unit.last(f"{section}.{'Service' if kind == 'socket' else 'Unit'}")
        if not service:
            per_connection = kind == "socket" and unit.is_on("Socket.Accept")
            service = f"{stem}@.service" if per_connection else f"{stem}.service"
        if kind == "socket":
            listens = tuple(
                (key, one.value)
                for key in ("ListenStream", "ListenDatagram")
                for one in unit.all(f"Socket.{key}")
            )
            self._listens[service] = listens
        demand = Started.DEMAND
        if context.started in {Started.STARTABLE, Started.NO}:
            demand = context.started
        return [(service, replace(context, started=demand, quiet=context.quiet))]

    def _wanted(self, unit: Unit) -> list[str]:
        names = unit.words(*_REQUIRES)
        for folder in FOLDERS:
            for suffix in ("wants", "requires", "upholds"):
                names += self._system.files.tree.names(f"{folder}/{unit.name}.{suffix}")
        return list(dict.fromkeys(names))

    def _conditional(self, unit: Unit, context: Context) -> Context | None:
        """Apply the conditions of a unit; None if one cannot hold."""
        for key, values in unit.settings.items():
            section, _, name = key.partition(".")
            if section != "Unit" or not name.startswith(("Condition", "Assert")):
                continue
            for one in values:
                answer = self._condition(name, one.value)
                if answer is False:
                    return None
                if answer is None:
                    context = context.maybe(f"{name}={one.value}")
        return context

    def _condition(self, name: str, value: str) -> bool | None:
        if name in _ALWAYS:
            return True
        value = value.lstrip("|")
        turned = value.startswith("!")
        path = value.lstrip("!").strip()
        about_paths = any(part in name for part in ("Path", "File", "Directory"))
        if not about_paths or "*" in path:
            return None
        there = self._system.files.exists(path)
        node = self._system.files.node(path)
        if there and node is not None and "NotEmpty" in name:
            there = bool(self._system.files.tree.names(path)) or node.size_bytes > 0
        return there if there is None else there != turned

    def _unit(self, name: str) -> Unit | None:
        if name not in self._units:
            self._units[name] = None  # while it is loaded: links may go round in circles
            self._units[name] = self._load(name)
        return self._units[name]

    def _load(self, name: str) -> Unit | None:
        stem, dot, kind = name.rpartition(".")
        prefix, at, instance = stem.partition("@")
        candidates = [name] + ([f"{prefix}@.{kind}"] if at and instance else [])
        tree = self._system.files.tree
        for candidate in candidates:
            for folder in FOLDERS:
                path = f"{folder}/{candidate}"
                itself = tree.resolve(path, follow=False)
                if itself is None:
                    continue
                node = tree.resolve(path)
                if itself.kind is Kind.LINK and itself.target == "/dev/null":
                    return None  # masked
                if node is None:  # a link to a unit that is not there, but may be wanted by name
                    real = itself.target.rpartition("/")[2]
                    return self._unit(real) if real != name and "." in real else None
                if node.size_bytes == 0:
                    return None
                return self._read(name, node.path, (stem, prefix, at, kind, dot))
        wants = [f"{folder}/{name}.wants" for folder in FOLDERS]
        if kind == "target" and any(tree.names(folder) for folder in wants):
            return Unit(name, next(folder for folder in wants if tree.names(folder)))
        return None

    def _read(self, name: str, path: str, parts: tuple[str, str, str, str, str]) -> Unit:
        _, prefix, at, kind, _ = parts
        real = path.rpartition("/")[2]
        aliased = real != name and "@." not in real
        unit = Unit(real if aliased else name, path)
        files = self._system.files
        unit.add(path, files.text(path) or "")
        owners = [f"{kind}", *([f"{prefix}@.{kind}"] if at else []), name]
        owners += [real] if aliased else []
        for owner in owners:
            for folder in reversed(FOLDERS):
                for drop in files.tree.names(f"{folder}/{owner}.d"):
                    place = f"{folder}/{owner}.d/{drop}"
                    if drop.endswith(".conf") and (text := files.text(place)) is not None:
                        unit.add(place, text)
        return unit

    def _names(self) -> list[str]:
        names: set[str] = set()
        for folder in FOLDERS:
            names.update(self._system.files.tree.names(folder))
        return sorted(names)[:MOST_UNITS]

    def _sysv(self, context: Context, *, graphical: bool) -> None:
        """Start scripts of runlevels that have no unit, as systemd's generator does."""
        names: dict[str, str] = {}
        for level in ("2", "3", "4", *(["5"] if graphical else [])):
            for folder in (f"etc/rc{level}.d", f"etc/rc.d/rc{level}.d"):
                for link in self._system.files.tree.names(folder):
                    if link.startswith("S"):
                        names.setdefault(link[3:], f"{folder}/{link}")
        for name, place in names.items():
            masked_or_there = any(
                self._system.files.tree.resolve(f"{folder}/{name}.service", follow=False)
                for folder in FOLDERS
            )
            if not masked_or_there and self._system.files.text(place) is not None:
                self._system.run_script(
                    place, [Value("start")], context, where=place, shown=f"{place} start"
                )

    def _by_preset(self, context: Context) -> None:
        """Enable what a preset names, if the first boot will apply presets."""
        machine = self._system.files.text("etc/machine-id")
        if machine is not None and len(machine.strip()) > len("uninitialized"):
            return
        rules: list[tuple[str, str]] = []
        for folder in _PRESETS:
            for name in self._system.files.tree.names(folder):
                for line in (self._system.files.text(f"{folder}/{name}") or "").splitlines():
                    verb, _, pattern = line.strip().partition(" ")
                    if verb in {"enable", "disable"}:
                        rules.append((verb, pattern.strip()))
        later = context.maybe("the first boot applies the presets: there is no machine-id")
        for name in self._names():
            verb = next((verb for verb, rule in rules if _matches(name, rule)), "")
            if verb == "enable" and name not in self._done:
                unit = self._unit(name)
                if unit is not None and unit.words("Install.WantedBy", "Install.RequiredBy"):
                    self._closure([(name, later)])

    def _by_dbus(self, context: Context) -> None:
        """Look at services that a call on the system bus starts."""
        if not {"dbus.service", "dbus-broker.service"} & self._done.keys():
            return
        folder = "usr/share/dbus-1/system-services"
        demand = replace(context, started=Started.DEMAND, quiet=True)
        for name in self._system.files.tree.names(folder)[:MOST_UNITS]:
            text = self._system.files.text(f"{folder}/{name}") or ""
            fields = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
            service = fields.get("SystemdService", "")
            if service and service not in self._done:
                self._closure([(service, demand)])

    def _systemctl(self, shell: Shell, words: list[Value], context: Context) -> Outcome:
        texts = [word.text for word in words[1:]]
        verbs = [text for text in texts if not text.startswith("-")]
        if verbs and (verbs[0] in _STARTS or (verbs[0] == "enable" and "--now" in texts)):
            for name in verbs[1:]:
                full = name if "." in name else f"{name}.service"
                self._closure([(full, context)])
        shell.print(None, context)
        return Outcome()


def start(system: "System", context: Context) -> None:
    """Follow what systemd starts."""
    Systemd(system).start(context)


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line, posix=True)
    except ValueError:  # a quote that is not closed
        return line.split()


def _matches(name: str, rule: str) -> bool:
    return len(rule) < 100 and fnmatchcase(name, rule.split(" ", 1)[0])  # noqa: PLR2004 - a name
