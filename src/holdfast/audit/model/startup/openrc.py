"""OpenRC: runlevels and service scripts of variables and functions."""

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from holdfast.audit.model.startup.graph import Context
from holdfast.audit.model.startup.shell.outcome import Outcome, Status
from holdfast.audit.model.startup.shell.runner import Shell
from holdfast.audit.model.startup.shell.variables import Value

if TYPE_CHECKING:
    from holdfast.audit.model.startup.system import System

_IGNORED: Final = (
    "ebegin", "eend", "einfo", "einfon", "ewarn", "eerror", "ewend", "eindent", "eoutdent",
    "vebegin", "veend", "veinfo", "vewarn", "need", "use", "want", "after", "before", "provide",
    "keyword", "depend", "yesno", "service_set_value", "service_get_value", "checkpath",
    "mark_service_started", "mark_service_inactive", "fstabinfo", "mountinfo", "is_older_than",
    "service_started", "rc_conf_value", "shell_var", "einfo_once",
)  # fmt: skip


class OpenRc:
    """Knows the frame of OpenRC's scripts."""

    def __init__(self, system: "System") -> None:
        system.openrc = True
        system.hooks |= dict.fromkeys(_IGNORED, self._ignore)
        system.hooks["default_start"] = self._default_start
        system.interpreters["openrc-run"] = self.run
        system.interpreters["runscript"] = self.run
        self._system = system

    def _ignore(self, _shell: Shell, _words: list[Value], _context: Context) -> Outcome:
        return Outcome(Status.UNKNOWN)

    def run(self, system: "System", place: str, arguments: list[Value], context: Context) -> None:
        """Run a service script."""
        text = system.files.text(place)
        if text is None or not arguments or arguments[0].text not in {"start", "restart"}:
            return
        node = system.files.node(place)
        name = place.rpartition("/")[2]
        shell = Shell(system, node.path if node else place, arguments)
        shell.variables.set("RC_SVCNAME", Value(name))
        shell.variables.set("SVCNAME", Value(name))
        for defaults in ("etc/rc.conf", f"etc/conf.d/{name}"):
            if system.files.text(defaults) is not None:
                shell.source(defaults, context)
        shell.fallbacks["start"] = self._default_start
        first, *rest = text.split("\n", 1)
        calls = "\nstart_pre\nstart\nstart_post\n"
        shell.fallbacks |= {"start_pre": self._ignore, "start_post": self._ignore}
        system.run_block(shell, "\n".join((first, *rest)) + calls, context)

    def _default_start(self, shell: Shell, _words: list[Value], context: Context) -> Outcome:
        """Start what the variables name, as the script's own `start` is missing."""
        command = shell.variables.look_up("command").text
        if not command:
            return Outcome(Status.UNKNOWN)
        arguments = shell.variables.look_up("command_args").text
        more = shell.variables.look_up("command_args_foreground").text
        user = shell.variables.look_up("command_user").text.partition(":")[0]
        walls = context.walls
        if shell.variables.look_up("chroot").text:
            walls = (*walls, "chroot")
        inside = replace(
            context, user=user or context.user, walls=walls,
            user_why="unit" if user else context.user_why,
        )  # fmt: skip
        shell.line = _line_of(self._system.files.text(shell.path) or "", "command")
        words = [command, *_split(f"{arguments} {more}")]
        return self._system.launch(
            shell, [Value(word, "$" not in word) for word in words], inside, ""
        )


def runlevel(system: "System", level: str, context: Context, where: str) -> None:
    """Start the services of a runlevel."""
    folder = f"etc/runlevels/{level}"
    number = system.graph.add("script", where, f"openrc {level}", context)
    for name in system.files.tree.names(folder):
        place = f"etc/init.d/{name}"
        if system.files.text(place) is None:
            place = f"{folder}/{name}"
        if system.files.text(place) is not None:
            system.run_script(
                place, [Value("start")], context.under(number),
                where=f"{folder}/{name}", shown=f"{place} start",
            )  # fmt: skip


def _line_of(text: str, name: str) -> int:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith(f"{name}="):
            return number
    return 1


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()
