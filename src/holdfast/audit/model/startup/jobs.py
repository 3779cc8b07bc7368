"""Jobs of upstart, and the programs that supervisord and monit keep running."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from holdfast.audit.model.shapes import Started
from holdfast.audit.model.startup.graph import Context, Launch
from holdfast.audit.model.startup.masking import masked_text

if TYPE_CHECKING:
    from holdfast.audit.model.startup.system import System

MOST_LINES: Final = 2000
UPSTART: Final = "etc/init/*.conf"
_OTHER_LEVELS: Final = re.compile(r"runlevel\s+\[(?!\^|!)[016sS]*\]")
_SECTION: Final = re.compile(r"\[([a-z]+):?([^\]]*)\]")
_MONIT: Final = re.compile(r'\bstart(?:\s+program)?\s*=?\s*"([^"]{1,500})"')
_SUPERVISORD: Final = ("etc/supervisord.conf", "etc/supervisor/supervisord.conf",
                       "etc/supervisord/supervisord.conf")  # fmt: skip
_MONITRC: Final = ("etc/monitrc", "etc/monit/monitrc", "etc/monit.conf")


def upstart(system: "System", context: Context) -> None:
    """Follow the jobs of upstart.

    Source:
        init(5) of upstart.
    """
    for place in system.files.glob(UPSTART):
        text = system.files.text(place) or ""
        override = system.files.text(f"{place.removesuffix('.conf')}.override") or ""
        whole = f"{text}\n{override}"
        says = " ".join(line.strip() for line in whole.splitlines() if "start on" in line)
        runs = says and not re.search(r"(?m)^\s*manual\b", whole)
        when = context if runs and not _OTHER_LEVELS.search(says) else replace(
            context, started=Started.STARTABLE, quiet=True
        )  # fmt: skip
        user = re.search(r"(?m)^\s*setuid\s+(\S+)", whole)
        if user:
            when = replace(when, user=user[1], user_why="unit")
        number = context.parent if when.quiet else system.graph.add("unit", place, place, when)
        for line, code in _code(text):
            system.run_code(code, when.under(number), f"{place}:{line}")
    system.runlevel("2", context, "etc/init", "runlevel 2")


def _code(text: str) -> Iterator[tuple[int, str]]:
    """Give the commands of a job: `exec` lines, and what stands between `script` and its end."""
    first, script = 0, list[str]()
    for number, line in enumerate(text.splitlines()[:MOST_LINES], start=1):
        words = line.split()
        if first:
            if words == ["end", "script"]:
                yield first, "\n".join(script)
                first, script = 0, []
            else:
                script.append(line)
        elif words[-1:] == ["script"] and words[0] in {"script", "pre-start", "post-start"}:
            first = number
        elif words[1:] and (words[0] == "exec" or words[:2] in (
            ["pre-start", "exec"], ["post-start", "exec"]
        )):  # fmt: skip
            yield number, line.split("exec", 1)[1]


def read(system: "System") -> None:
    """Follow what supervisors, which start-up runs, start in turn."""
    for number, launch in list(system.graph.launches.items()):
        step = system.graph.steps[number]
        context = Context(
            parent=number,
            started=step.started,
            conditions=(step.condition,)[: bool(step.condition)],
        )
        if launch.name == "supervisord":
            _supervisord(system, _configuration(system, launch, _SUPERVISORD), context)
        elif launch.name == "monit":
            _monit(system, _configuration(system, launch, _MONITRC), context)


def _configuration(system: "System", launch: Launch, usual: tuple[str, ...]) -> list[str]:
    """Give the files of a configuration, those that it includes too."""
    named = [after for word, after in pairwise(launch.arguments) if word in {"-c", "--config"}]
    first = next((path for path in (*named, *usual) if system.files.text(path) is not None), "")
    if not first:
        system.graph.cut_off(f"the configuration of {launch.name} is not in the image")
        return []
    found = [system.files.place(first)]
    text = system.files.text(first) or ""
    for match in re.finditer(r"(?m)^\s*(?:files\s*=|include)\s*(.{1,500})$", text):
        for pattern in match[1].split():
            above = "" if pattern.startswith("/") else found[0].rpartition("/")[0]
            found += system.files.glob(system.files.place(pattern, f"/{above}"))
    return found


def _supervisord(system: "System", places: list[str], context: Context) -> None:
    for place in places:
        section, fields, first = "", dict[str, str](), 0
        lines = (system.files.text(place) or "").splitlines()[:MOST_LINES]
        for number, line in enumerate([*lines, "[end:]"], start=1):
            match = _SECTION.match(line)
            if match is None:
                name, equals, value = line.partition("=")
                if equals and not line.startswith((";", "#")):
                    fields[name.strip()] = value.split(" ;", 1)[0].strip()
                continue
            if section in {"program", "eventlistener", "fcgi-program"} and "command" in fields:
                _program(system, fields, context, f"{place}:{first}")
            section, fields, first = match[1], {}, number


def _program(system: "System", fields: dict[str, str], context: Context, where: str) -> None:
    off = fields.get("autostart", "true").lower() in {"false", "no", "off", "0"}
    if off:
        context = replace(context, started=Started.STARTABLE, quiet=True)
    if "user" in fields:
        context = replace(context, user=fields["user"], user_why="config")
    try:
        words = shlex.split(fields["command"])
    except ValueError:
        words = fields["command"].split()
    if words:
        number = context.parent if off else system.graph.add(
            "unit", where, masked_text(fields["command"]), context
        )  # fmt: skip
        system.start(words, context.under(number), where)


def _monit(system: "System", places: list[str], context: Context) -> None:
    for place in places:
        lines = (system.files.text(place) or "").splitlines()[:MOST_LINES]
        for number, line in enumerate(lines, start=1):
            match = None if line.lstrip().startswith("#") else _MONIT.search(line)
            if match is not None:  # it starts what does not run
                inside = context.maybe("it does not run yet")
                system.run_code(match[1], inside, f"{place}:{number}")
