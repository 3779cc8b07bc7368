"""The system that starts up: runs scripts, and notes what they start."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Final

from holdfast.audit.facts.shapes import FileFacts
from holdfast.audit.model.shapes import Started
from holdfast.audit.model.startup.graph import Context, Graph, Launch
from holdfast.audit.model.startup.masking import masked, masked_text
from holdfast.audit.model.startup.programs import Programs
from holdfast.audit.model.startup.shell.builtins import TOOLS
from holdfast.audit.model.startup.shell.files import PATH, Files
from holdfast.audit.model.startup.shell.grammar import parse
from holdfast.audit.model.startup.shell.outcome import Outcome, Status
from holdfast.audit.model.startup.shell.runner import Hook, Shell
from holdfast.audit.model.startup.shell.syntax import Script
from holdfast.audit.model.startup.shell.variables import Value
from holdfast.audit.model.startup.wrappers import SHELLS, Command, unwrap
from holdfast.audit.tree import Tree

MOST_COMMANDS: Final = 15_000
MOST_DEPTH: Final = 14
MOST_PARSED: Final = 400
_PROGRAM_NAME = re.compile(r"[A-Za-z0-9_./+-]{1,200}")
_RUNLEVEL = re.compile(r"[0-6Ss]")
_SERVICE_COMMANDS = frozenset({"service", "invoke-rc.d", "rc-service"})
_LIKELY, _UNKNOWN = Outcome(), Outcome(Status.UNKNOWN)
Interpreter = Callable[["System", str, list[Value], Context], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """An account that a command line creates, such as `telnetd -u user:password`.

    Attributes:
        name: Of the user.
        where: Place of the command.
        service: Of the program.
        empty: Whether the password is known to be empty.
    """

    name: str
    where: str
    service: str
    empty: bool


class System:
    """Everything that start-up works on.

    Attributes:
        files: What is in the image, and what start-up makes.
        programs: What is known of programs.
        graph: What was found.
        hooks: Commands that mean something special on this system.
        interpreters: Frames of scripts by the base name after `#!`.
        openrc: Whether start-stop-daemon is that of OpenRC.
        logins: Accounts on command lines.
    """

    def __init__(
        self, tree: Tree, facts: Mapping[str, FileFacts], digests: Mapping[str, str]
    ) -> None:
        self.files = Files(tree)
        self.programs = Programs(self.files, facts, digests)
        self.graph = Graph()
        self.hooks: dict[str, Hook] = {}
        self.interpreters: dict[str, Interpreter] = {}
        self.openrc = False
        self.logins: dict[Login, None] = {}
        self._left = MOST_COMMANDS
        self._parsed: dict[str, Script] = {}
        self._stack: list[tuple[str, Shell]] = []

    def spend(self) -> bool:
        """Count one command; False if there were too many."""
        self._left -= 1
        if self._left == 0:
            self.graph.cut_off("start-up is too long, the rest was not followed")
        return self._left > 0

    def parsed(self, source: str) -> Script:
        """Parse, or give what was parsed before."""
        script = self._parsed.get(source)
        if script is None:
            script = parse(source)
            if len(self._parsed) < MOST_PARSED:
                self._parsed[source] = script
        return script

    def start(self, words: list[str], context: Context, where: str) -> Outcome:
        """Start a command line that stands in no script."""
        shell = Shell(self, where)
        shell.place = where
        return self.launch(shell, [Value(word) for word in words], context, "")

    def run_code(self, source: str, context: Context, where: str) -> None:
        """Run shell source that stands in a line of a table."""
        shell = Shell(self, where)
        shell.place = where
        shell.run(self.parsed(source).block, context)

    def launch(self, shell: Shell, words: list[Value], context: Context, tail: str) -> Outcome:
        """Start a program, or a script."""
        command = unwrap([word.text for word in words], openrc=self.openrc)
        context = replace(
            context,
            user=command.user or context.user,
            user_why="command" if command.user else context.user_why,
            walls=tuple(dict.fromkeys((*context.walls, *command.walls))),
        )
        shown = masked([word.text for word in words], shell.secrets) + masked_text(tail)
        if command.code is not None:
            inner = Shell(self, shell.path, words[1:])
            inner.place, inner.secrets = shell.where, shell.secrets
            inner.expander.folder = shell.folder
            inner.functions = dict(shell.functions)
            inner.variables.restore(shell.variables.snapshot())
            if context.depth < MOST_DEPTH:
                inner.run(
                    self.parsed(command.code).block, replace(context, depth=context.depth + 1)
                )
            return _UNKNOWN
        if not command.words:
            return _LIKELY
        return self._start(shell, command, context, shown)

    def _start(self, shell: Shell, command: Command, context: Context, shown: str) -> Outcome:
        words = command.words
        special = self._special(shell, words, context, shown)
        if special is not None:
            return special
        path = self.which(shell, words[0])
        if not path and "/" not in words[0] and (path := self.programs.applet(words[0])):
            context = context.maybe("busybox runs it without a link")
        if not path:
            if _PROGRAM_NAME.fullmatch(words[0]) and not context.quiet:
                self.graph.miss(shell.where, words[0])
                self.note(words, "", context, shell.where, shown)
            return _UNKNOWN
        if self.programs.elf(path) is None and self.files.text(path) is not None:
            if self.files.is_executable(path) is False:
                context = replace(context, started=Started.STARTABLE, quiet=True)
                context = context.maybe(f"{path} is made executable")
            return self._script(shell, path, words[1:], context, shown)
        self.note(words, path, context, shell.where, shown)
        return _LIKELY

    def which(self, shell: Shell, name: str) -> str:
        """Find a program as a script would."""
        folders: tuple[str, ...] = PATH
        own = shell.variables.get("PATH")
        if own is not None and own.known:
            folders = tuple(dict.fromkeys((*own.text.split(":"), *PATH)))
        return self.files.which(name, folders, shell.folder)

    def _special(
        self, shell: Shell, words: list[str], context: Context, shown: str
    ) -> Outcome | None:
        """Do what is no ordinary program: scripts given to a shell, tools, runlevels, services."""
        name = words[0].rpartition("/")[2]
        if name in SHELLS and (script := _script_of(words)):
            place = self.files.place(words[script], shell.folder)
            if self.files.text(place) is None and "/" not in words[script]:
                place = self.files.which(words[script]) or place
            return self._script(shell, place, words[script + 1 :], context, shown)
        if name in TOOLS:
            return _LIKELY
        if name == "rc.common" and len(words) > 1:
            place = self.files.place(words[1], shell.folder)
            return self._script(shell, place, words[2:], context, shown)
        if name == "rc" and len(words) > 1 and self.runlevel(words[1], context, shell.where, shown):
            return _LIKELY
        if name in _SERVICE_COMMANDS and len(words) > 2:  # noqa: PLR2004 - service NAME ACTION
            place = f"etc/init.d/{words[1]}"
            if self.files.text(place) is not None:
                return self._script(shell, place, words[2:], context, shown)
        return None

    def note(
        self,
        words: list[str],
        path: str,
        context: Context,
        where: str,
        shown: str,
        settings: tuple[tuple[str, str], ...] = (),
    ) -> int | None:
        """Note that a program is started."""
        name = words[0].rpartition("/")[2]
        if context.quiet and not self.programs.listens(name, path):
            return None
        launch = Launch(
            name=name, arguments=tuple(words[1:]), user=context.user,
            user_why=context.user_why, walls=context.walls, environment=settings,
        )  # fmt: skip
        if name.endswith("telnetd"):
            self._note_login(words, where)
        return self.graph.add("command", where, shown, context, program=path, launch=launch)

    def _note_login(self, words: list[str], where: str) -> None:
        for number, word in enumerate(words):
            after = words[number + 1] if word == "-u" and number + 1 < len(words) else word[2:]
            if word.startswith("-u") and ":" in after:
                name, _, password = after.partition(":")
                self.logins[Login(name=name, where=where, service="telnet", empty=not password)] = (
                    None
                )

    def _script(
        self, shell: Shell, place: str, arguments: list[str], context: Context, shown: str
    ) -> Outcome:
        if self.files.text(place) is None:
            if self.files.exists(place) is False and not context.quiet:
                self.graph.miss(shell.where, place)
            return _UNKNOWN
        where = shell.where
        values = [Value(word, "$" not in word) for word in arguments]
        for path, running in self._stack:
            if path == place:
                running.again = True
                shell.again = True
                return _UNKNOWN
        self.run_script(place, values, context, where=where, shown=shown, caller=shell)
        return _LIKELY

    def run_script(
        self,
        place: str,
        arguments: list[Value],
        context: Context,
        *,
        where: str,
        shown: str,
        caller: Shell | None = None,
    ) -> None:
        """Run a script of the image, or one that start-up wrote."""
        number = self.graph.add("script", where, shown, context, program=place)
        text = self.files.text(place)
        if text is None or context.depth >= MOST_DEPTH:
            return
        inside = replace(context.under(number), depth=context.depth + 1)
        interpreter = interpreter_of(text)
        if interpreter[-1:] == ["rc.common"]:  # #!/bin/sh /etc/rc.common
            interpreter = interpreter[-1:]
        frame = self.interpreters.get(interpreter[0] if interpreter else "")
        if frame is not None:
            frame(self, place, arguments, inside)
            return
        if interpreter and interpreter[0] not in SHELLS:
            self._foreign(interpreter, place, arguments, inside)
            return
        shell = Shell(self, place, arguments)
        shell.variables.complete = not context.outside
        if self.files.tree.resolve(place) is None:  # made at start-up
            shell.place = where
        if caller is not None:
            shell.secrets = caller.secrets
            for name in caller.variables.exported:
                if (value := caller.variables.get(name)) is not None:
                    shell.variables.set(name, value)
        self.run_block(shell, text, inside)

    def run_block(self, shell: Shell, text: str, context: Context) -> None:
        """Run a script in a shell that was made for it."""
        script = self.parsed(text)
        for line in script.faults[: 0 if context.quiet else 2]:
            self.graph.miss(f"{shell.path}:{line}", "could not be read")
        if script.cut:
            self.graph.cut_off(f"{shell.path} could not be read to its end")
        self._stack.append((shell.path, shell))
        try:
            shell.run(script.block, context)
        finally:
            self._stack.pop()

    def _foreign(
        self, interpreter: list[str], place: str, arguments: list[Value], context: Context
    ) -> None:
        """Note a script of another language: its interpreter runs."""
        path = self.files.which(interpreter[0])
        words = [place.rpartition("/")[2], *(value.text for value in arguments)]
        if path:
            shown = f"{interpreter[0]} {masked(words)}"
            self.note(words, path, context, place, shown)
        else:
            self.graph.miss(place, interpreter[0])

    def runlevel(self, level: str, context: Context, where: str, shown: str) -> bool:
        """Run the scripts of a System V runlevel; False if there is no such folder."""
        if not _RUNLEVEL.fullmatch(level):
            return False
        for folder in (f"etc/rc{level}.d", f"etc/rc.d/rc{level}.d", f"etc/init.d/rc{level}.d"):
            names = [name for name in self.files.tree.names(folder) if name.startswith("S")]
            if names:
                break
        else:
            return False
        number = self.graph.add("script", where, shown, context, program="")
        for name in names:
            place = f"{folder}/{name}"
            if self.files.text(place) is not None:
                self.run_script(
                    place, [Value("start")], context.under(number),
                    where=place, shown=f"{place} start",
                )  # fmt: skip
        return True


def interpreter_of(text: str) -> list[str]:
    """Give the base names of the words after `#!`, `env` left out; [] if there is none."""
    if not text.startswith("#!"):
        return []
    words = text[2:256].split("\n", 1)[0].split()
    names = [PurePosixPath(word).name for word in words if not word.startswith("-")]
    return names[1:] if names[:1] == ["env"] else names


def _script_of(words: list[str]) -> int:
    """Find the script among the arguments of a shell; 0 if there is none."""
    for number, word in enumerate(words[1:], start=1):
        if not word.startswith(("-", "+")):
            return number
    return 0
