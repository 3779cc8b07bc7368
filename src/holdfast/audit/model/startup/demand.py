"""What starts when something happens: a connection, a time, a device that is plugged in."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from holdfast.audit.model.shapes import Started
from holdfast.audit.model.startup.graph import Context, Launch, strongest
from holdfast.audit.model.startup.masking import masked, masked_text
from holdfast.audit.model.startup.shell.variables import Value

if TYPE_CHECKING:
    from holdfast.audit.model.startup.system import System

MOST_LINES: Final = 2000
_INETD = re.compile(r"(?:x?inetd|rlinetd)")
_SPECIAL_TIMES: Final = ("@reboot", "@hourly", "@daily", "@weekly", "@monthly", "@yearly",
                         "@annually", "@midnight")  # fmt: skip
_CRON_FOLDERS: Final = ("etc/cron.hourly", "etc/cron.daily", "etc/cron.weekly",
                        "etc/cron.monthly")  # fmt: skip
_USER_TABLES: Final = ("var/spool/cron/crontabs", "etc/crontabs", "var/spool/cron",
                       "var/cron/tabs", "etc/cron/crontabs")  # fmt: skip
_RUN = re.compile(r'(?:RUN|PROGRAM)(?:\{program\})?\+?="([^"]{1,500})"')
_HOTPLUG: Final = ("etc/hotplug.d/*/*", "etc/rc.button/*", "etc/hotplug/*.agent",
                   "etc/udhcpc.script", "etc/udhcpc/*", "usr/share/udhcpc/*.script",
                   "etc/ppp/ip-up", "etc/ppp/ip-up.d/*", "etc/acpi/*.sh",
                   "etc/network/if-up.d/*")  # fmt: skip
_SAID: Final = (Value("$1", known=False), Value("$2", known=False))
"""What events tell their scripts is not known before."""
_HOOK_OPTIONS: Final = {
    "udhcpc": "-s", "udhcpc6": "-s", "odhcp6c": "-s", "zcip": "-s", "ntpd": "-S", "wpa_cli": "-a",
    "hostapd_cli": "-a", "ifplugd": "-r", "openvpn": "--up", "dhclient": "-sf",
}  # fmt: skip
_IFUP: Final = re.compile(r"ifup|ifquery|networking")


class Inetd(NamedTuple):
    """One service of inetd or xinetd.

    Attributes:
        where: `path:line`.
        service: Name in /etc/services, or a number.
        protocol: `tcp` or `udp`.
        user: Account.
        words: Program and arguments; empty for a service of inetd itself.
        address: That it listens on, "" for all.
    """

    where: str
    service: str
    protocol: str
    user: str
    words: list[str]
    address: str = ""


def read(system: "System") -> None:
    """Add what is started on demand to the graph."""
    _inetd(system)
    _cron(system)
    _events(system)
    _logins(system)


def _logins(system: "System") -> None:
    """Follow the scripts that Telnet runs instead of asking who comes."""
    for number, launch in list(system.graph.launches.items()):
        step = system.graph.steps[number]
        if not launch.name.endswith("telnetd") or step.started is Started.NO:
            continue
        for word, after in pairwise((*launch.arguments, "")):
            place = system.files.place(after if word == "-l" else word[2:])
            if word.startswith("-l") and system.files.text(place) is not None:
                context = Context(parent=number, started=Started.DEMAND)
                system.run_script(place, [], context, where=step.where, shown=f"/{place}")


def _starter(system: "System", pattern: re.Pattern[str]) -> tuple[int, Started]:
    """Find the step that starts a daemon, and when."""
    found = [
        (number, system.graph.steps[number].started)
        for number, launch in system.graph.launches.items()
        if pattern.fullmatch(launch.name)
    ]
    if not found:
        return 0, Started.NO
    best = strongest(started for _, started in found)
    return next(number for number, started in found if started is best), best


def _inetd(system: "System") -> None:
    entries = [*_of_inetd(system), *_of_xinetd(system)]
    if not entries:
        return
    parent, started = _starter(system, _INETD)
    when = Started.DEMAND if started in {Started.BOOT, Started.MAYBE} else started
    for one in entries:
        context = Context(parent=parent, started=when, user=one.user, user_why="config")
        path = system.files.which(one.words[0]) if one.words else ""
        if one.words and not path:
            system.graph.miss(one.where, one.words[0])
            continue
        if path and system.files.text(path) is not None and not system.programs.elf(path):
            number = _serves(system, one, path, context)
            system.run_script(
                path, [], context.under(number), where=one.where, shown=masked(one.words)
            )
            continue
        arguments = one.words[1:]
        name = (one.words or [one.service])[0].rpartition("/")[2]
        if name == "tcpd" and arguments:
            name, path = arguments[0].rpartition("/")[2], system.files.which(arguments[0]) or path
            arguments = arguments[1:]
        if name in {"busybox", "toybox"} and arguments:
            name, arguments = arguments[0], arguments[1:]
        _serves(system, one, path, context, [name, *arguments])


def _serves(
    system: "System", one: Inetd, path: str, context: Context, words: Sequence[str] = ()
) -> int:
    """Note what inetd starts for a service, and so listens for; `words` if it is no script."""
    named = list(words) or [path.rpartition("/")[2]]
    settings = (("inetd", f"{one.service}/{one.protocol}"), ("address", one.address))
    launch = Launch(
        name=named[0], arguments=tuple(named[1:]), user=one.user, user_why="config",
        environment=settings,
    )  # fmt: skip
    shown = f"{one.service}/{one.protocol} {masked(one.words)}".strip()
    return system.graph.add("inetd", one.where, shown, context, program=path, launch=launch)


def _of_inetd(system: "System") -> list[Inetd]:
    found = []
    for path in ("etc/inetd.conf", "etc/inetd.d", "etc/inet/inetd.conf"):
        places = [path, *(f"{path}/{name}" for name in system.files.tree.names(path))]
        for place in places:
            text = system.files.text(place)
            for number, line in enumerate((text or "").splitlines()[:MOST_LINES], start=1):
                fields = line.split()
                if len(fields) < 6 or fields[0].startswith("#"):  # noqa: PLR2004 - inetd.conf(5)
                    continue
                service, _, protocol, _, user, server, *arguments = fields
                words = [] if server == "internal" else [server, *arguments[1:]]
                if arguments and server.rpartition("/")[2] in {"tcpd", "busybox"}:
                    words = [server, *arguments]
                    if words[1:2] and words[1].rpartition("/")[2] == server.rpartition("/")[2]:
                        words = [server, *arguments[1:]]
                address, colon, name = service.rpartition(":")
                found.append(
                    Inetd(
                        f"{place}:{number}", name if colon else service,
                        "udp" if protocol.startswith("udp") else "tcp",
                        re.split(r"[.:]", user)[0], words, address.strip("*"),
                    )
                )  # fmt: skip
    return found


def _of_xinetd(system: "System") -> list[Inetd]:
    found = []
    places = ["etc/xinetd.conf"]
    places += [f"etc/xinetd.d/{name}" for name in system.files.tree.names("etc/xinetd.d")]
    for place in places:
        name, fields, first = "", dict[str, str](), 0
        for number, line in enumerate((system.files.text(place) or "").splitlines(), start=1):
            words = line.split("#", 1)[0].split()
            if words[:1] == ["service"] and len(words) > 1:
                name, fields, first = words[1], {}, number
            elif words[:1] == ["}"] and name:
                if fields.get("disable", "no") != "yes" and "server" in fields:
                    found.append(
                        Inetd(
                            f"{place}:{first}", fields.get("port") or name,
                            "udp" if fields.get("protocol") == "udp" else "tcp",
                            fields.get("user", "root"),
                            [fields["server"], *fields.get("server_args", "").split()],
                            fields.get("bind") or fields.get("interface", ""),
                        )
                    )  # fmt: skip
                name = ""
            elif len(words) > 2 and words[1] in {"=", "+="}:  # noqa: PLR2004 - name = value
                fields[words[0]] = " ".join(words[2:])
    return found


def _cron(system: "System") -> None:
    parent, started = _starter(system, re.compile(r"(?:v?ix?ie-?|f|d)?crond?|anacron|busybox-cron"))
    if started is Started.NO:
        return
    context = Context(parent=parent, started=Started.DEMAND)
    tables = ["etc/crontab", *(f"etc/cron.d/{n}" for n in system.files.tree.names("etc/cron.d"))]
    for place in tables:
        _table(system, place, "", context)
    for folder in _USER_TABLES:
        for user in system.files.tree.names(folder):
            _table(system, f"{folder}/{user}", user, context)
    for folder in _CRON_FOLDERS:
        for name in system.files.tree.names(folder):
            place = f"{folder}/{name}"
            if system.files.text(place) is not None:
                number = system.graph.add("cron", place, f"/{place}", context)
                inside = replace(context.under(number), quiet=True)
                system.run_script(place, [], inside, where=place, shown=f"/{place}")


def _table(system: "System", place: str, user: str, context: Context) -> None:
    """Read a table of cron; `user` is its owner, or "" where each line names one."""
    text = system.files.text(place) or ""
    for number, line in enumerate(text.splitlines()[:MOST_LINES], start=1):
        times = 1 if line.startswith(_SPECIAL_TIMES) else 5
        fields = line.split(None, times + (not user))
        if len(fields) != times + (not user) + 1 or fields[0][0] == "#" or "=" in fields[0]:
            continue
        where = f"{place}:{number}"
        as_whom = replace(context, user=user or fields[times], user_why="config")
        step = system.graph.add("cron", where, masked_text(" ".join(line.split())), as_whom)
        system.run_code(fields[-1], replace(as_whom.under(step), quiet=True), where)


def _events(system: "System") -> None:
    """Look through scripts that devices, links and buttons start, for what listens."""
    context = Context(parent=0, started=Started.DEMAND, quiet=True, outside=True)
    for pattern in _HOTPLUG:
        for place in system.files.glob(pattern):
            if system.files.text(place) is not None:
                system.run_script(place, _SAID, context, where=place, shown=f"/{place}")
    for number, launch in list(system.graph.launches.items()):
        _hooks(system, number, launch, context)
    _interfaces(system, context)
    for place in system.files.glob("etc/mdev.conf"):
        _mdev(system, place, context)
    for folder in ("etc/udev/rules.d", "lib/udev/rules.d", "usr/lib/udev/rules.d"):
        for name in system.files.tree.names(folder):
            _udev(system, f"{folder}/{name}", context)


def _hooks(system: "System", number: int, launch: Launch, context: Context) -> None:
    """Look through the script that a client of the network was told to run when it has news."""
    step = system.graph.steps[number]
    if launch.name not in _HOOK_OPTIONS or step.started in {Started.STARTABLE, Started.NO}:
        return
    option = _HOOK_OPTIONS[launch.name]
    for word, after in pairwise((*launch.arguments, "")):
        place = after if word == option else word.removeprefix(option)
        if word.startswith(option) and place and system.files.text(place) is not None:
            inside = context.under(number)
            system.run_script(
                system.files.place(place), _SAID, inside, where=step.where, shown=f"{place} $1"
            )


def _interfaces(system: "System", context: Context) -> None:
    """Follow the commands that ifupdown runs when an interface comes up or goes down."""
    parent, started = _starter(system, _IFUP)
    if started in {Started.STARTABLE, Started.NO}:
        return
    places = ["etc/network/interfaces", *system.files.glob("etc/network/interfaces.d/*")]
    by_itself: set[str] = set()
    name = ""
    for place in places:
        lines = (system.files.text(place) or "").splitlines()[:MOST_LINES]
        for number, line in enumerate(lines, start=1):
            word, _, rest = line.strip().partition(" ")
            if word == "auto" or word.startswith("allow-"):
                by_itself.update(rest.split())
            elif word == "iface":
                name = rest.split(" ", 1)[0]
            elif word in {"up", "pre-up", "post-up", "down", "pre-down", "post-down"}:
                up = word.endswith("up") and name in by_itself
                inside = replace(context, parent=parent, started=started if up else Started.DEMAND)
                system.run_code(rest, inside, f"{place}:{number}")


# Device, owner, mode, perhaps where to move it, and after a mark what to run.
_MDEV = re.compile(r"\s*[^#\s]\S*\s+[\w.-]+:[\w.-]+\s+[0-7]+\s+(?:[=>!]\S*\s+)?[@$*]\s*(\S.*)")


def _mdev(system: "System", place: str, context: Context) -> None:
    for number, line in enumerate((system.files.text(place) or "").splitlines(), start=1):
        match = _MDEV.match(line)
        if match is not None:
            system.run_code(match[1], context, f"{place}:{number}")


def _udev(system: "System", place: str, context: Context) -> None:
    text = system.files.text(place) or ""
    for number, line in enumerate(text.splitlines()[:MOST_LINES], start=1):
        if line.startswith("#") or "RUN" not in line:
            continue
        for match in _RUN.finditer(line):
            try:
                words = shlex.split(match[1])
            except ValueError:
                words = match[1].split()
            if words and not words[0].startswith(("socket:", "builtin")):
                system.start(words, context, f"{place}:{number}")
