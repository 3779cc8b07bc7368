"""The init of Android: `init.rc` with its actions and services.

Source:
    Android Open Source Project, system/core/init/README.md.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from holdfast.audit.model.shapes import Started
from holdfast.audit.model.startup.graph import Context
from holdfast.audit.model.startup.masking import masked

if TYPE_CHECKING:
    from holdfast.audit.model.startup.system import System

MOST_FILES: Final = 200
MOST_LINES: Final = 20_000
MOST_SERVICES: Final = 1000
MAIN: Final = ("init.rc", "system/etc/init/hw/init.rc")
_FOLDERS: Final = ("system/etc/init/*.rc", "vendor/etc/init/*.rc", "odm/etc/init/*.rc",
                   "system_ext/etc/init/*.rc", "product/etc/init/*.rc")  # fmt: skip
_PROPERTIES: Final = ("default.prop", "prop.default", "system/etc/prop.default",
                      "system/build.prop", "vendor/build.prop", "vendor/default.prop")  # fmt: skip
_AT_BOOT: Final = frozenset(
    {"early-init", "init", "late-init", "early-fs", "fs", "post-fs", "late-fs", "post-fs-data",
     "early-boot", "boot", "nonencrypted", "zygote-start", "load_system_props_action",
     "load_persist_props_action", "firmware_mounts_complete"}
)  # fmt: skip
_STARTS: Final = frozenset({"start", "restart", "exec_start", "enable"})
_CLASSES: Final = frozenset({"class_start", "class_restart"})
_RUNS: Final = frozenset({"exec", "exec_background"})


_Action = tuple[str, str, list[str]]  # trigger, place, words


@dataclass(slots=True)
class _Service:
    where: str
    words: list[str]
    options: dict[str, list[str]] = field(default_factory=dict)


def is_there(system: "System") -> bool:
    """Tell whether an image starts as Android does."""
    return any(system.files.text(path) is not None for path in MAIN)


def start(system: "System", context: Context) -> None:
    """Follow what happens at boot, then look at the services that something else starts."""
    services, actions = _read(system)
    classes: dict[str, Context] = {}
    properties = _properties(system)
    for trigger, where, words in actions:
        when = _when(trigger, properties, context)
        if words[0] in _CLASSES and words[1:]:
            known = classes.get(words[1])
            if known is None or when.started is Started.BOOT:
                classes[words[1]] = when
        elif words[0] in _STARTS and words[1:] and words[1] in services:
            _run(system, services[words[1]], when)
        elif words[0] in _RUNS:
            command = words[words.index("--") + 1 :] if "--" in words else words[1:]
            system.start(command, when, where)
    later = replace(context, started=Started.STARTABLE, quiet=True)
    for service in services.values():
        name = next(iter(service.options.get("class", [])), "default")
        off = "disabled" in service.options or name not in classes
        _run(system, service, later if off else classes[name])


def _read(system: "System") -> tuple[dict[str, _Service], list[_Action]]:
    services: dict[str, _Service] = {}
    actions: list[_Action] = []
    inside: _Service | None = None
    trigger = ""
    for where, words in _lines(system):
        if words[0] == "service" and len(words) > 2:  # noqa: PLR2004 - service NAME PROGRAM
            inside = _Service(where, words[2:])
            if len(services) < MOST_SERVICES:
                services.setdefault(words[1], inside)
        elif words[0] == "on":
            inside, trigger = None, " ".join(words[1:])
        elif inside is not None:
            inside.options[words[0]] = words[1:]
        elif words[0] != "import":
            actions.append((trigger, where, words))
    return services, actions


def _run(system: "System", service: _Service, context: Context) -> None:
    user = next(iter(service.options.get("user", [])), "root")
    context = replace(context, user=user, user_why="unit")
    name = masked(["service", *service.words])
    number = context.parent if context.quiet else system.graph.add(
        "unit", service.where, name, context
    )  # fmt: skip
    system.start(service.words, context.under(number), service.where)


def _when(trigger: str, properties: dict[str, str], context: Context) -> Context:
    """Tell when an action runs: at boot, when a property has a value, or when something is up."""
    for part in trigger.split(" && "):
        name, is_property, value = part.removeprefix("property:").partition("=")
        if part.startswith("property:"):
            shipped = properties.get(name, properties.get(f"persist.{name}"))
            if shipped is None or not is_property or value not in {"*", shipped}:
                return replace(context, started=Started.DEMAND)
            context = context.maybe(f"{name} is {value}")
        elif part not in _AT_BOOT:
            return replace(context, started=Started.DEMAND)
    return context


def _properties(system: "System") -> dict[str, str]:
    found: dict[str, str] = {}
    for path in _PROPERTIES:
        for line in (system.files.text(path) or "").splitlines()[:MOST_LINES]:
            name, equals, value = line.partition("=")
            if equals and not name.startswith("#"):
                found.setdefault(name.strip(), value.strip())
    return found


def _lines(system: "System") -> Iterator[tuple[str, list[str]]]:
    """Give the lines of all files with their places, imports followed."""
    todo = [path for path in MAIN if system.files.text(path) is not None]
    for pattern in _FOLDERS:
        todo += system.files.glob(pattern)
    done: set[str] = set()
    count = 0
    for path in todo:  # grows while it is gone through
        text = system.files.text(path)
        if path in done or text is None:
            continue
        if len(done) >= MOST_FILES:
            system.graph.cut_off("too many files say what init starts")
            return
        done.add(path)
        parts: list[str] = []
        for number, line in enumerate(text.splitlines(), start=1):
            count += 1
            if count > MOST_LINES:
                system.graph.cut_off("what init starts is too long")
                return
            parts += [] if line.lstrip().startswith("#") else line.removesuffix("\\").split()
            if line.endswith("\\") or not parts:
                continue
            if parts[0] == "import" and parts[1:]:
                named = re.sub(r"\$\{[^}]*\}", "*", parts[1]).lstrip("/")
                todo += [named] if "*" not in named else system.files.glob(named)
            yield f"{path}:{number}", [part.strip('"') for part in parts]
            parts = []
