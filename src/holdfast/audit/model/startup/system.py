"""The system that starts up: runs scripts, and notes what they start."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from holdfast.audit.facts.shapes import FileFacts
from holdfast.audit.model.daemons import TUNNELS
from holdfast.audit.model.shapes import Started
from holdfast.audit.model.startup.graph import Context, Graph, Launch
from holdfast.audit.model.startup.masking import masked, masked_text
from holdfast.audit.model.startup.programs import Programs
from holdfast.audit.model.startup.shell.builtins import TOOLS
from holdfast.audit.model.startup.shell.decoding import decodes
from holdfast.audit.model.startup.shell.files import Files
from holdfast.audit.model.startup.shell.grammar import parse
from holdfast.audit.model.startup.shell.outcome import Outcome, Status
from holdfast.audit.model.startup.shell.passwords import Given
from holdfast.audit.model.startup.shell.runner import Hook, Shell
from holdfast.audit.model.startup.shell.searching import MOST_WORK
from holdfast.audit.model.startup.shell.syntax import Script
from holdfast.audit.model.startup.shell.variables import Value
from holdfast.audit.model.startup.wrappers import SHELLS, Command, interpreter_of, unwrap
from holdfast.audit.tree import Tree

MOST_COMMANDS: Final = 30_000
_KEPT_BACK: Final = 3  # one part in so many is left to what comes after a script
MOST_DEPTH: Final = 14
MOST_PARSED: Final = 400
_CHANGES: Final = frozenset({"mount", "init"})
MOST_LOGINS: Final = 200
_PROGRAM_NAME = re.compile(r"[A-Za-z0-9_./+-]{1,200}")
_SCRIPT_NAME = re.compile(r"\.(?:sh|rc|init)$|(?:^|/)rc(?:[.S][^/]*)?$|(?:init|rc\d?)\.d/[^/]+$")
_RUNLEVEL = re.compile(r"[0-6Ss]")
_SERVICE_COMMANDS = frozenset({"service", "invoke-rc.d", "rc-service"})
_INITS: Final = frozenset({"init", "sbin/init", "sbin/procd", "bin/init"})
_NO_STARTS: Final = frozenset({"enabled", "stop", "disable", "status", "running", "kill"})
"""What scripts of services are asked that starts nothing."""
_BOXES: Final = ("dropbearmulti",)
"""Programs that are others by their first word, and have no links to tell."""
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
        secret: The password, "" if it is not kept; it stays in this process.
        hashed: Whether that is a field of shadow.
    """

    name: str
    where: str
    service: str
    empty: bool
    secret: str = field(default="", repr=False)
    hashed: bool = False


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
        inits: What to follow where a script starts a program of that name.
        by_heart: Where files begin whose functions are known without them.
    """

    def __init__(
        self, tree: Tree, facts: Mapping[str, FileFacts], digests: Mapping[str, str]
    ) -> None:
        self.files = Files(tree)
        self.programs = Programs(self.files, facts, digests)
        self.graph = Graph(fetched=self.files.downloads.ran)
        self.hooks: dict[str, Hook] = {}
        self.interpreters: dict[str, Interpreter] = {}
        self.openrc = False
        self.logins: dict[Login, None] = {}
        self.inits: dict[str, Callable[[System, Context], None]] = {}
        self.by_heart: tuple[str, ...] = ()
        self._left, self._floor = MOST_COMMANDS, 0
        self._search_left = MOST_WORK
        self._parsed: dict[str, Script] = {}
        self._stack: list[tuple[str, Shell]] = []

    def spend(self) -> bool:
        """Count one command; False if there were too many."""
        if self._left <= self._floor:
            place = self._stack[-1][0] if self._stack else "start-up"
            self.graph.cut_off(f"{place} is too long, its rest was not followed")
            return False
        self._left -= 1
        return True

    def search(self, work: int) -> bool:
        """Count what a pattern costs; False if that is too much for one audit."""
        if work > self._search_left:
            return False
        self._search_left -= work
        return True

    @contextmanager
    def _share(self) -> Iterator[None]:
        """Keep back some commands for what comes after a script, however long that runs."""
        floor = self._floor
        self._floor += (self._left - floor) // _KEPT_BACK
        try:
            yield
        finally:
            self._floor = floor

    def parsed(self, source: str) -> Script:
        """Parse, or give what was parsed before."""
        script = self._parsed.get(source)
        if script is None:
            script = parse(source)
            if len(self._parsed) < MOST_PARSED:
                self._parsed[source] = script
        return script

    def cut_off(self, why: str) -> None:
        """Note that something runs that cannot be followed."""
        self.graph.cut_off(why)

    def give_password(self, given: Given, where: str) -> None:
        """Note that a script sets the password of an account."""
        if len(self.logins) < MOST_LOGINS:
            login = Login(
                name=given.name, where=where, service="system", empty=not given.secret,
                secret=given.secret, hashed=given.hashed,
            )  # fmt: skip
            self.logins[login] = None

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
            return self._code(shell, words[1:], command.code, context)
        if not command.words:
            return _LIKELY
        return self._start(shell, command, context, shown)

    def _code(self, shell: Shell, arguments: list[Value], code: str, context: Context) -> Outcome:
        """Run what a shell is given to read."""
        inner = Shell(self, shell.path, arguments)
        inner.place, inner.secrets = shell.where, shell.secrets
        inner.expander.folder = shell.folder
        inner.functions = dict(shell.functions)
        inner.variables.restore(shell.variables.snapshot())
        if context.depth < MOST_DEPTH:
            inner.run(self.parsed(code).block, replace(context, depth=context.depth + 1))
        return _UNKNOWN

    def _start(self, shell: Shell, command: Command, context: Context, shown: str) -> Outcome:
        words = command.words
        if shell.fed and words[0].rpartition("/")[2] in SHELLS and not _script_of(words):
            shown = f"... | {shown}"  # nobody types what it does
        special = self._special(shell, words, context, shown)
        if special is not None:
            return special
        if words[1:2] and words[1] in _NO_STARTS and words[0].startswith("/etc/init.d/"):
            return self._asked(words[0].rpartition("/")[2], words[1])
        path = self.which(shell, words[0])
        if words[0].rpartition("/")[2] in _BOXES and path and len(words) > 1:
            words = words[1:]
        called = path or self.files.place(words[0], shell.folder)
        self.files.downloads.run(called, shell.where, context)
        self.files.downloads.read(words, shell.where, context, shell)
        self._followed(shell, words[0], path, context)
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

    def _asked(self, service: str, what: str) -> Outcome:
        """Tell what a service answers that is not started by it."""
        if what != "enabled" or self.openrc:
            return _UNKNOWN
        links = self.files.glob(f"etc/rc.d/S??{service}")
        return Outcome(Status.TRUE if links else Status.FALSE)

    def _followed(self, shell: Shell, word: str, path: str, context: Context) -> None:
        """Note a program that is not there, or of which nobody knows what it does."""
        place = path or (self.files.place(word, shell.folder) if "/" in word else "")
        if not place or not _PROGRAM_NAME.fullmatch(word) or self.files.node(place) is not None:
            return
        if self.files.text(place) is None:
            script = _SCRIPT_NAME.search(place) is not None or place in _INITS
            self._cut(shell.where, word, place, context, sure=script)

    def not_followed(self, shell: Shell, place: str, context: Context) -> None:
        """Note a file that is read in and that nobody could look into."""
        if place and self.files.text(place) is None and not place.startswith(self.by_heart):
            self._cut(shell.where, f"/{place}", place, context, sure=True, sourced=True)

    def _cut(
        self,
        where: str,
        word: str,
        place: str,
        context: Context,
        *,
        sure: bool,
        sourced: bool = False,
    ) -> None:
        """Say that start-up goes on in a file that the image does not hold.

        One that only may be run, or is no script, is simply not there, unless it lies where the
        running system has files that the image has not.

        Args:
            where: Place of the command.
            word: What it starts.
            place: Where that should be.
            context: When.
            sure: Whether it is a script, which starts others.
            sourced: Whether it is read in; such files in memory mostly hold settings.
        """
        if context.quiet or context.started not in {Started.BOOT, Started.MAYBE}:
            return
        why = self.files.elsewhere(place)
        if sourced and context.started is Started.MAYBE and self.files.joined.covers(place) is None:
            why = ""
        if not why and sure and context.started is Started.BOOT:
            why = "it is not in the image"
        if why:
            self.graph.miss(where, word)
            self.graph.cut_off(f"{where} runs {word}, and {why}")

    def which(self, shell: Shell, name: str) -> str:
        """Find a program as a script would."""
        own = shell.variables.get("PATH")
        first = tuple(own.text.split(":")) if own is not None and own.known else ()
        return self.files.which(name, first, shell.folder)

    def _special(
        self, shell: Shell, words: list[str], context: Context, shown: str
    ) -> Outcome | None:
        """Do what is no ordinary program: scripts given to a shell, tools, runlevels, services."""
        name = words[0].rpartition("/")[2]
        if name in SHELLS:
            return self._shell(shell, words, context, shown)
        if name in _CHANGES and context.started in {Started.BOOT, Started.MAYBE}:
            self._changed(name, shell, words, context)
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

    def _shell(
        self, shell: Shell, words: list[str], context: Context, shown: str
    ) -> Outcome | None:
        """Run what a shell is told to; None if it waits for what somebody types."""
        if script := _script_of(words):
            place = self.files.place(words[script], shell.folder)
            if self.files.text(place) is None and "/" not in words[script]:
                place = self.files.which(words[script]) or place
            return self._script(shell, place, words[script + 1 :], context, shown)
        if shell.handed is not None:
            return self._code(shell, [], shell.handed, context)
        for word in shell.handed_by.split():
            place = self.files.place(word, shell.folder)
            self.files.downloads.run(place, shell.where, context)
        runs = not context.quiet and context.started in {Started.BOOT, Started.MAYBE}
        if decodes(shell.handed_by):
            self.cut_off(f"{shell.where} runs what it decodes")
        elif shell.fed and runs:
            self.cut_off(f"{shell.where} runs what it is handed, and that is not known")
        return None

    def _changed(self, name: str, shell: Shell, words: list[str], context: Context) -> None:
        """Do what changes what is met later: a volume appears, an init takes over."""
        if name == "mount":
            self.files.mount(words, shell.folder)
        elif name in self.inits and not words[1:]:
            self.inits[name](self, context)

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
        if context.quiet and name not in TUNNELS and not self.programs.listens(name, path):
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
        self.files.downloads.run(place, shell.where, context)
        if self.files.text(place) is None:
            if self.files.exists(place) is False and not context.quiet:
                self.graph.miss(shell.where, place)
            if self.files.node(place) is None:
                self._cut(shell.where, f"/{place}", place, context, sure=True)
            return _UNKNOWN
        where = shell.where
        values = [Value(word, "$" not in word) for word in arguments]
        node = self.files.node(place)
        for path, running in self._stack:
            if path == place or (node is not None and path == node.path):
                running.again = True
                shell.again = True
                return _UNKNOWN
        self.run_script(place, values, context, where=where, shown=shown, caller=shell)
        return _LIKELY

    def run_script(
        self,
        place: str,
        arguments: Sequence[Value],
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
        with self._share():
            self._run(place, text, arguments, inside, where=where, caller=caller)

    def _run(
        self,
        place: str,
        text: str,
        arguments: Sequence[Value],
        inside: Context,
        *,
        where: str,
        caller: Shell | None,
    ) -> None:
        interpreter = interpreter_of(text)
        if interpreter[-1:] == ["rc.common"]:  # #!/bin/sh /etc/rc.common
            interpreter = interpreter[-1:]
        frame = self.interpreters.get(interpreter[0] if interpreter else "")
        if frame is not None:
            frame(self, place, list(arguments), inside)
            return
        if interpreter and interpreter[0] not in SHELLS:
            self._foreign(interpreter, place, list(arguments), inside)
            return
        shell = Shell(self, place, arguments)
        shell.variables.complete = not inside.outside
        if self.files.tree.resolve(place) is None:  # made at start-up
            shell.place = where
        if caller is not None:
            shell.secrets = caller.secrets
            shell.expander.folder = caller.folder
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


def _script_of(words: list[str]) -> int:
    """Find the script among the arguments of a shell; 0 if there is none."""
    for number, word in enumerate(words[1:], start=1):
        if not word.startswith(("-", "+")):
            return number
    return 0
