"""What the kernel starts first, and what that starts by its table."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Final, NamedTuple

from holdfast.audit.model.shapes import Started
from holdfast.audit.model.startup import android, jobs, openrc, openwrt, supervisors, systemd
from holdfast.audit.model.startup.graph import Context
from holdfast.audit.model.startup.masking import masked_text
from holdfast.audit.model.startup.shell.variables import Value
from holdfast.audit.model.startup.system import System
from holdfast.audit.model.startup.wrappers import SHELLS, interpreter_of

_CANDIDATES: Final = (
    "sbin/init", "etc/init", "bin/init", "init", "linuxrc", "usr/sbin/init",
    "usr/lib/systemd/systemd", "lib/systemd/systemd", "etc/preinit", "sbin/procd",
)  # fmt: skip
"""Where the kernel looks, and where boot loaders of products point it to."""
_FIRST_SCRIPTS: Final = (
    "etc/init.d/rcS", "etc/rc.d/rcS", "etc/rcS", "etc/rc", "etc/rc.sysinit", "etc/rc.local",
)  # fmt: skip
# Linkers keep a string that ends a longer one, as of "reloading /etc/inittab", only within that.
_TABLE_IN_BUSYBOX = re.compile(rb"(?<=[\0 ])(/[\w/.-]{1,60}/inittab)\0")
_TABLES: Final = ("etc/inittab", "etc_ro/inittab")
_SCRIPT_IN_BUSYBOX = re.compile(rb"(?<=[\0 ])(/[\w/.-]{1,60}/rcS)\0")
_PROFILE: Final = "etc/profile"
_DEFAULT_SCRIPT = "/etc/init.d/rcS"
_AT_BOOT = frozenset(
    {"sysinit", "wait", "once", "respawn", "askfirst", "boot", "bootwait", "askconsole",
     "respawnlate", "askconsolelate"}
)  # fmt: skip
_ON_DEMAND = frozenset({"ctrlaltdel", "kbrequest", "powerfail", "powerwait", "ondemand"})
_SHELL_SIGNS = re.compile(r"[~`!$^&*()=|\\{}\[\];\"'<>?]")
MOST_LINES: Final = 500
MOST_BYTES: Final = 16 * 1024 * 1024


class _Entry(NamedTuple):
    line: int
    id: str
    levels: str
    action: str
    command: str


def read(system: System) -> None:
    """Build the start-up graph of a system."""
    system.graph.add("kernel", "", "kernel")
    if system.files.text("etc/rc.common") is not None:
        openwrt.OpenWrt(system)
    path = next((path for path in _CANDIDATES if system.files.node(path) is not None), "")
    if not path:
        _without_init(system)
        return
    kind = _kind(system, path)
    system.graph.init = kind
    node = system.files.node(path)
    number = system.graph.add(
        "init", path, f"/{path}", Context(parent=0), program=node.path if node else path
    )
    system.inits["init"] = _again
    _READERS[kind](system, Context(parent=number), path)
    if path != "init" and interpreter_of(system.files.text("init") or ""):
        inside = Context(parent=0).maybe("the root is an initramfs, whose /init the kernel runs")
        system.run_script("init", [], inside, where="init", shown="/init")
    if path != "etc/preinit" and kind in {"busybox-init", "sysv", "vendor"}:
        _preinit(system)


def _without_init(system: System) -> None:
    """Follow the tables and scripts of a tree whose init is not there, as some init would."""
    context = Context(parent=0)
    if system.files.text("etc/rc.common") is not None and _is_procd(system):
        system.graph.init = "procd"
        _procd(system, context, "")
        return
    if system.files.text("etc/inittab") is not None:
        busybox = any(system.files.tree.glob("bin/busybox", "sbin/busybox"))
        system.graph.init = "busybox-init" if busybox else "sysv"
        _sysv(system, context, "")
        return
    if any(system.files.tree.glob("etc/systemd/system/*.wants/*")):
        system.graph.init = "systemd"
        systemd.start(system, context)
        return
    for script in _FIRST_SCRIPTS:
        if system.files.text(script) is not None:
            system.graph.init = "vendor"
            inside = context.maybe("an init that is not in the image runs it")
            system.run_script(script, [], inside, where=script, shown=f"/{script}")
            return
    system.graph.cut_off("no init was found in the image")


def _kind(system: System, path: str) -> str:
    """Tell which init it is, by what the name leads to and by what lies around."""
    node = system.files.node(path)
    name = node.path.rpartition("/")[2] if node else ""
    text = system.files.text(path)
    is_script = text is not None and bool(interpreter_of(text))
    tree = system.files.tree
    signs = (
        ("systemd", name.startswith("systemd")),
        ("procd", tree.resolve("etc/rc.common") is not None and _is_procd(system)),
        ("android", not is_script and android.is_there(system)),
        ("openrc", name == "openrc-init" or _runs_openrc(system)),
        ("busybox-init", system.programs.is_multi_call(path)),
        ("runit", name in {"runit", "runit-init"}),
        ("s6", name in {"s6-svscan", "s6-linux-init"}),
        ("s6", is_script and ("s6-linux-init" in str(text) or "s6-svscan" in str(text))),
        ("vendor", is_script),
        ("sysv", system.files.text("etc/inittab") is not None),
        ("upstart", bool(system.files.glob(jobs.UPSTART))),
    )
    return next((kind for kind, holds in signs if holds), "vendor")


def _is_procd(system: System) -> bool:
    """Tell whether procd is there, or a table that only procd can follow: its rcS is no file."""
    named = any(
        entry.command.startswith("/etc/init.d/rcS")
        for entry in entries(system.files.text("etc/inittab") or "")
    )
    there = system.files.tree.resolve("etc/init.d/rcS") is not None
    return system.files.tree.resolve("sbin/procd") is not None or (named and not there)


def _runs_openrc(system: System) -> bool:
    text = system.files.text("etc/inittab") or ""
    lines = (line.strip() for line in text.splitlines())
    return any("openrc" in line and not line.startswith("#") for line in lines)


def entries(text: str) -> list[_Entry]:
    """Read inittab; lines with fewer than four fields are left out."""
    found = []
    for number, line in enumerate(text.splitlines()[:MOST_LINES], start=1):
        fields = line.strip().split(":", 3)
        if line.lstrip().startswith("#") or len(fields) != 4:  # noqa: PLR2004 - of inittab(5)
            continue
        found.append(_Entry(number, *(field.strip() for field in fields)))
    return found


def _again(system: System, context: Context) -> None:
    """Follow the init of busybox that a script runs in the end."""
    place = system.programs.applet("init")
    if place and not any(step.kind == "init" and ":" in step.text for step in system.graph.steps):
        _busybox(system, context, place)


def _busybox(system: System, context: Context, path: str) -> None:
    content = system.files.content(path, MOST_BYTES) or b""
    named = [match[1].decode().lstrip("/") for match in _TABLE_IN_BUSYBOX.finditer(content)]
    # Built without the table, init has one of its own; products move it to elsewhere.
    tables = named if content else list(_TABLES)
    table = next((one for one in tables if system.files.text(one) is not None), "")
    if not table:
        match = _SCRIPT_IN_BUSYBOX.search(content)
        script = match[1].decode() if match else _DEFAULT_SCRIPT
        _entry(system, context, _Entry(0, "", "", "sysinit", script), path)
        _entry(system, context, _Entry(0, "", "", "askfirst", "-/bin/sh"), path)
        return
    for entry in entries(system.files.text(table) or ""):
        _entry(system, context, entry, f"{system.files.place(table)}:{entry.line}")


def _sysv(system: System, context: Context, _path: str) -> None:
    found = entries(system.files.text("etc/inittab") or "")
    level = next((one.levels for one in found if one.action == "initdefault"), "2")
    for entry in found:
        early = entry.action in {"sysinit", "boot", "bootwait", *_ON_DEMAND}
        if early or not entry.levels or any(one in entry.levels for one in level):
            _entry(system, context, entry, f"etc/inittab:{entry.line}")


def _entry(system: System, context: Context, entry: _Entry, where: str) -> None:
    """Follow one line of the table."""
    if entry.action in _ON_DEMAND:
        context = replace(context, started=Started.DEMAND, quiet=True)
    elif entry.action not in _AT_BOOT:
        return
    command = entry.command.removeprefix("-").lstrip("+@")
    if not command:
        return
    text = f"{entry.id}:{entry.levels}:{entry.action}:{entry.command}"
    number = system.graph.add("init", where, masked_text(text), context)
    inside = context.under(number)
    if _SHELL_SIGNS.search(command):
        system.run_code(command, inside, where)
    else:
        system.start(command.split(), inside, where)
    if entry.command.startswith("-") and command.split()[0].rpartition("/")[2] in SHELLS:
        _profile(system, inside, where, asked=entry.action.startswith("ask"))


def _profile(system: System, context: Context, where: str, *, asked: bool) -> None:
    """Follow what a login shell reads first: some products start everything there."""
    if system.files.text(_PROFILE) is not None:
        if asked:
            context = replace(context, started=Started.DEMAND, quiet=True)
        system.run_script(_PROFILE, [], context, where=where, shown=f"/{_PROFILE}")


def _procd(system: System, context: Context, path: str) -> None:
    text = system.files.text("etc/inittab") or "::sysinit:/etc/init.d/rcS S boot"
    for entry in entries(text):
        where = f"etc/inittab:{entry.line}"
        own = entry.command.startswith("/etc/init.d/rcS")  # procd has no such file, it knows it
        if own and system.files.text("etc/init.d/rcS") is None:
            if entry.action == "sysinit":
                number = system.graph.add("init", where, entry.command, context, program=path)
                openwrt.start(system, context.under(number))
        else:
            _entry(system, context, entry, where)


def _vendor(system: System, context: Context, path: str) -> None:
    if system.files.text(path) is not None:
        system.run_script(path, [], context, where=path, shown=f"/{path}")
        return
    if system.files.text("etc/inittab") is not None:
        _sysv(system, context, path)
    # What an unknown init starts is not written anywhere: its usual first scripts may be it.
    script = next((one for one in _FIRST_SCRIPTS if system.files.text(one) is not None), "")
    if script:
        inside = context.maybe(f"/{path} runs it")
        system.run_script(script, [], inside, where=path, shown=f"/{script}")
    system.note([path], path, context, path, f"/{path}")
    system.graph.cut_off(f"/{path} is an init of a kind that nobody here can follow")


def _preinit(system: System) -> None:
    """Follow what runs before init where the boot loader starts /etc/preinit."""
    if system.files.text("etc/preinit") is not None and system.graph.init != "procd":
        context = Context(parent=0).maybe("the kernel is told init=/etc/preinit")
        system.run_script("etc/preinit", [], context, where="etc/preinit", shown="/etc/preinit")


def _openrc(system: System, context: Context, _path: str) -> None:
    openrc.OpenRc(system)
    for entry in entries(system.files.text("etc/inittab") or ""):
        words = entry.command.split()
        if words[:1] and words[0].rpartition("/")[2] == "openrc":
            if entry.action in _AT_BOOT and words[1:]:
                openrc.runlevel(system, words[1], context, f"etc/inittab:{entry.line}")
            continue
        _entry(system, context, entry, f"etc/inittab:{entry.line}")
    if system.files.text("etc/inittab") is None:
        for level in ("sysinit", "boot", "default"):
            openrc.runlevel(system, level, context, f"etc/runlevels/{level}")


def _systemd(system: System, context: Context, _path: str) -> None:
    system.files.mount_table()
    systemd.start(system, context)
    generators = system.files.glob("*/systemd/system-generators/systemd-rc-local-generator")
    generators += system.files.glob("usr/lib/systemd/system-generators/systemd-rc-local-generator")
    units = system.files.glob("*/systemd/system/rc-local.service")
    units += system.files.glob("usr/lib/systemd/system/rc-local.service")
    if (generators or units) and system.files.is_executable("etc/rc.local"):
        where = "etc/rc.local"
        system.run_script(where, [Value("start")], context, where=where, shown=f"/{where} start")


def _runit(system: System, context: Context, _path: str) -> None:
    supervisors.runit(system, context)


def _s6(system: System, context: Context, path: str) -> None:
    supervisors.s6(system, context)
    if system.files.text(path) is not None:
        system.run_script(path, [Value("default")], context, where=path, shown=f"/{path}")


def _android(system: System, context: Context, _path: str) -> None:
    android.start(system, context)


def _upstart(system: System, context: Context, _path: str) -> None:
    jobs.upstart(system, context)


_READERS: Final[dict[str, Callable[[System, Context, str], None]]] = {
    "busybox-init": _busybox,
    "sysv": _sysv,
    "procd": _procd,
    "vendor": _vendor,
    "openrc": _openrc,
    "systemd": _systemd,
    "runit": _runit,
    "s6": _s6,
    "android": _android,
    "upstart": _upstart,
}
