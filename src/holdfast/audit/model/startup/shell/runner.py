"""One run of a script: its variables, its functions, and the commands that it starts."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final, Protocol

from holdfast.audit.model.shapes import Started
from holdfast.audit.model.startup.graph import Context
from holdfast.audit.model.startup.masking import is_secret_name, is_secret_value
from holdfast.audit.model.startup.shell import builtins, downloads, flow
from holdfast.audit.model.startup.shell.expansion import Expander
from holdfast.audit.model.startup.shell.files import Files
from holdfast.audit.model.startup.shell.outcome import Flow, Outcome, Status
from holdfast.audit.model.startup.shell.passwords import Given
from holdfast.audit.model.startup.shell.syntax import Block, Node, Redirect, Script, Simple
from holdfast.audit.model.startup.shell.variables import MOST_SECRETS, Value, Variables

MOST_CALLS: Final = 24
_BOXES: Final = ("busybox", "toybox")
_TERMINALS: Final = ("/dev/tty", "/dev/console", "/dev/pts/", "/dev/hvc", "$")
Hook = Callable[["Shell", list[Value], Context], Outcome]


class World(Protocol):
    """What a shell needs from outside."""

    files: Files
    hooks: dict[str, Hook]

    def spend(self) -> bool:
        """Count one command; False if there were too many."""
        ...

    def search(self, work: int) -> bool:
        """Count what a pattern costs; False if that is too much."""
        ...

    def parsed(self, source: str) -> Script:
        """Parse, or give what was parsed before."""
        ...

    def launch(self, shell: "Shell", words: list[Value], context: Context, tail: str) -> Outcome:
        """Start a program, or a script."""
        ...

    def give_password(self, given: Given, where: str) -> None:
        """Note that a script sets the password of an account."""
        ...

    def cut_off(self, why: str) -> None:
        """Note that something runs that cannot be followed."""
        ...

    def not_followed(self, shell: "Shell", place: str, context: Context) -> None:
        """Note a file that is read in and that nobody could look into."""
        ...


class Shell:
    """One run of a script.

    Attributes:
        world: What is outside.
        path: File that holds the present command.
        line: Line of the present command.
        place: Stands for path and line where the commands are in no file of the image.
        variables: Its variables.
        expander: Expands words.
        functions: Bodies by name, with the file that they stand in.
        fallbacks: Functions that a frame such as rc.common gives to the script.
        again: Whether it started itself once more, so that both ways lead to the same.
        secrets: Values that are never shown.
        state: Kept by hooks.
        fed: Whether what it starts reads from a pipe or a file, and so from nobody at a terminal.
        handed: The text that it reads then; None if that is not known.
        handed_by: The commands before it in its pipeline, as written.
        doubts: Why the rest of a loop, function or script may not be reached, innermost last.
    """

    def __init__(self, world: World, path: str, arguments: Sequence[Value] = ()) -> None:
        self.world = world
        self.path, self.line, self.place = path, 0, ""
        self.variables = Variables()
        self.expander = Expander(self.variables, world.files, self._substitute)
        self.expander.arguments = [Value(f"/{path}"), *arguments]
        self.functions: dict[str, tuple[Node, str]] = {}
        self.fallbacks: dict[str, Hook] = {}
        self.again = False
        self.secrets: set[str] = set()
        self.state: dict[str, object] = {}
        self.fed = False
        self.handed: str | None = None
        self.handed_by = ""
        self.doubts: list[tuple[Flow, list[str]]] = []
        self._calls = 0
        self._context = Context()
        self._printed: list[list[str | None]] = []

    @property
    def where(self) -> str:
        """Place of the present command, `path:line`."""
        return self.place or f"{self.path}:{self.line}"

    @property
    def folder(self) -> str:
        """Where it is."""
        return self.expander.folder

    def run(self, block: Block, context: Context) -> Outcome:
        """Run a whole script."""
        with flow.bounded(self, Flow.EXIT):
            return flow.block(self, block, context)

    def set(self, name: str, value: Value) -> None:
        """Give a variable a value; what looks like a password is never shown from then on."""
        self.variables.set(name, value)
        self.note_secret(name, value)
        if name == "PATH":
            self.world.files.search(value.text)

    def note_secret(self, name: str, value: Value) -> None:
        """Remember the value of a variable whose name speaks of a secret."""
        if (
            value.known
            and len(self.secrets) < MOST_SECRETS
            and is_secret_name(name)
            and is_secret_value(value.text)
        ):
            self.secrets.add(value.text)

    def simple(self, node: Simple, context: Context, tail: str = "") -> Outcome:
        """Run a single command; `tail` is what stands behind it in a pipeline."""
        self.line = node.line
        self._context = context
        words = self.expander.fields(node.words)
        for one in node.assignments:
            value = self.expander.one(one.value)
            if one.append:
                old = self.variables.look_up(one.name)
                value = Value(old.text + value.text, old.known and value.known)
            if words:  # for this command only
                self.note_secret(one.name, value)
            else:
                self.set(one.name, value)
        if not words:
            self._redirect(node.redirects, "")
            asks = any(mark in node.raw for mark in ("$(", "`"))
            return Outcome(Status.UNKNOWN if asks else Status.TRUE)
        return self._command(words, node.redirects, context, tail)

    def _command(
        self, words: list[Value], redirects: tuple[Redirect, ...], context: Context, tail: str
    ) -> Outcome:
        name = words[0].text
        hook = self.world.hooks.get(name)
        if hook is not None:
            return hook(self, words, context)
        if name in self.functions:
            return self.call(name, words[1:], context)
        if name in self.fallbacks:
            return self.fallbacks[name](self, words, context)
        if name.rpartition("/")[2] in _BOXES and len(words) > 1 and words[1].text in builtins.TOOLS:
            words, name = words[1:], words[1].text
        downloads.look(self, words, redirects)
        builtin = builtins.BUILTINS.get(name) or builtins.TOOLS.get(name.rpartition("/")[2])
        if builtin is None:
            fed = self.fed
            for redirect in redirects:
                target = self.expander.one(redirect.target).text
                if redirect.operator.startswith("<"):
                    self.fed = not target.startswith(_TERMINALS)
                if target.startswith(("/dev/tcp/", "/dev/udp/")):
                    tail = f" {redirect.operator} {target}{tail}"
            self._redirect(redirects, None)
            self.print(None, context)
            handed, self.handed = self.handed, self._handed(redirects)
            outcome = self.world.launch(self, words, context, tail)
            self.fed, self.handed = fed, handed
            return outcome
        kept, self.handed = self.handed, self._handed(redirects)
        try:
            outcome, printed = builtin(self, words, context)
        finally:
            self.handed = kept
        if not self._redirect(redirects, printed):
            self.print(printed, context)
        return outcome

    def print(self, text: str | None, context: Context) -> None:
        """Note what a command prints, for the substitution that it is in; None if unknown."""
        if self._printed:
            same = context.conditions == self._context.conditions
            self._printed[-1].append(text if same else None)

    @contextmanager
    def _nested(self, path: str = "", place: str = "") -> Iterator[None]:
        kept = self.path, self.line, self.place, self._context
        self.path, self.place = path or self.path, place or ("" if path else self.place)
        self._calls += 1
        try:
            yield
        finally:
            self._calls -= 1
            self.path, self.line, self.place, self._context = kept

    @property
    def deep(self) -> bool:
        """Tell whether calls are nested so deep that they are not followed any more."""
        return self._calls >= MOST_CALLS

    def call(self, name: str, arguments: Sequence[Value], context: Context) -> Outcome:
        """Call a function of the script."""
        if self.deep:
            return Outcome(Status.UNKNOWN)
        body, path = self.functions[name]
        kept = self.expander.arguments
        self.expander.arguments = [kept[0], *arguments]
        self.variables.scopes.append({})
        try:
            with self._nested("" if self.place else path), flow.bounded(self, Flow.RETURN) as left:
                outcome = flow.node(self, body, context)
        finally:
            self.variables.scopes.pop()
            self.expander.arguments = kept
        return _returned(outcome, left)

    def source(self, path: str, context: Context) -> Outcome:
        """Read a file in, as `.` does."""
        self.world.files.downloads.run(path, self.where, context)
        text = self.world.files.text(path)
        if text is None or self.deep:
            self.variables.complete = False
            self.world.not_followed(self, path, context)
            return Outcome(Status.UNKNOWN)
        with self._nested(self.world.files.place(path)), flow.bounded(self, Flow.RETURN) as left:
            outcome = flow.block(self, self.world.parsed(text).block, context)
        return _returned(outcome, left)

    def evaluate(self, source: str, context: Context) -> Outcome:
        """Run source that is no file of its own, as `eval` does."""
        if self.deep:
            return Outcome(Status.UNKNOWN)
        with self._nested(place=self.where):
            return flow.block(self, self.world.parsed(source).block, context)

    def _substitute(self, source: str) -> Value:
        """Give what a command prints where that is known; look at what it starts."""
        unknown = Value(f"$({' '.join(source.split())})", known=False)
        if self.deep or not self.world.spend():
            return unknown
        kept = self.variables.snapshot()
        self._printed.append([])
        aside = replace(self._context, quiet=True)
        with self._nested(place=self.where), flow.bounded(self, Flow.EXIT):
            flow.block(self, self.world.parsed(source).block, aside)
        self.variables.restore(kept)
        printed = self._printed.pop()
        known = [text for text in printed if text is not None]
        if len(known) < len(printed) or not printed:
            return unknown
        return Value("".join(known).rstrip("\n")).bounded()

    @contextmanager
    def piped(self, handed: str | None, by: str, *, last: bool) -> Iterator[list[str | None]]:
        """Run one part of a pipeline; gives what it prints, unless it is the last.

        Args:
            handed: What the part before printed.
            by: The parts before.
            last: Whether its output goes where that of the whole goes.
        """
        kept = self.handed, self.handed_by
        printed: list[str | None] = []
        if by:
            self.handed, self.handed_by = handed, by
        if not last:
            self._printed.append(printed)
        try:
            yield printed
        finally:
            self.handed, self.handed_by = kept
            if not last:
                self._printed.pop()

    def _handed(self, redirects: tuple[Redirect, ...]) -> str | None:
        """Give what a command reads: a document, a file, or what the pipe brings."""
        for redirect in redirects:
            if redirect.operator == "<<<":
                value = self.expander.one(redirect.target)
                return value.text + "\n" if value.known else None
            if redirect.operator == "<":
                target = self.expander.one(redirect.target)
                place = self.world.files.place(target.text, self.folder)
                return self.world.files.text(place) if target.known else None
            if redirect.operator in {"<<", "<<-"}:
                if redirect.quoted:
                    return redirect.body + "\n"
                value = self.expander.text(redirect.body)
                return value.text + "\n" if value.known else None
        return self.handed

    def _redirect(self, redirects: tuple[Redirect, ...], written: str | None) -> bool:
        """Remember what was written to a file; tell whether output went to one."""
        went = False
        for redirect in redirects:
            if redirect.operator not in {">", ">>", ">|", "&>"}:
                continue
            went = True
            target = self.expander.one(redirect.target)
            place = self.world.files.place(target.text, self.folder)
            # What may never run must not change what others read.
            idle = self._context.started in {Started.STARTABLE, Started.NO}
            if idle and self.world.files.node(place) is not None:
                continue
            if target.known and not place.startswith(("dev/", "proc/", "sys/")):
                self.world.files.write(place, written, append=redirect.operator == ">>")
        return went


def _returned(outcome: Outcome, doubts: list[str]) -> Outcome:
    """Give what a function says in the end; what it says where it may leave before is not known."""
    if outcome.flow not in {Flow.RETURN, Flow.NEXT}:
        return outcome
    return Outcome(Status.UNKNOWN if doubts else outcome.status)
