"""One run of a script: its variables, its functions, and the commands that it starts."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final, Protocol

from holdfast.audit.model.shapes import Started
from holdfast.audit.model.startup.graph import Context
from holdfast.audit.model.startup.masking import is_secret_name, is_secret_value
from holdfast.audit.model.startup.shell import builtins, flow
from holdfast.audit.model.startup.shell.expansion import Expander
from holdfast.audit.model.startup.shell.files import Files
from holdfast.audit.model.startup.shell.outcome import Flow, Outcome, Status
from holdfast.audit.model.startup.shell.syntax import Block, Node, Redirect, Script, Simple
from holdfast.audit.model.startup.shell.variables import MOST_SECRETS, Value, Variables

MOST_CALLS: Final = 24
Hook = Callable[["Shell", list[Value], Context], Outcome]


class World(Protocol):
    """What a shell needs from outside."""

    files: Files
    hooks: dict[str, Hook]

    def spend(self) -> bool:
        """Count one command; False if there were too many."""
        ...

    def parsed(self, source: str) -> Script:
        """Parse, or give what was parsed before."""
        ...

    def launch(self, shell: "Shell", words: list[Value], context: Context, tail: str) -> Outcome:
        """Start a program, or a script."""
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
        builtin = builtins.BUILTINS.get(name) or builtins.TOOLS.get(name.rpartition("/")[2])
        if builtin is None:
            for redirect in redirects:
                target = self.expander.one(redirect.target).text
                if target.startswith(("/dev/tcp/", "/dev/udp/")):
                    tail = f" {redirect.operator} {target}{tail}"
            self._redirect(redirects, None)
            self.print(None, context)
            return self.world.launch(self, words, context, tail)
        outcome, printed = builtin(self, words, context)
        document = self._document(redirects)
        if document is not None and name.rpartition("/")[2] == "cat":
            printed = document
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
            with self._nested("" if self.place else path), flow.bounded(self, Flow.RETURN):
                outcome = flow.node(self, body, context)
        finally:
            self.variables.scopes.pop()
            self.expander.arguments = kept
        return Outcome(outcome.status) if outcome.flow is Flow.RETURN else outcome

    def source(self, path: str, context: Context) -> Outcome:
        """Read a file in, as `.` does."""
        text = self.world.files.text(path)
        if text is None or self.deep:
            self.variables.complete = False
            return Outcome(Status.UNKNOWN)
        with self._nested(self.world.files.place(path)), flow.bounded(self, Flow.RETURN):
            outcome = flow.block(self, self.world.parsed(text).block, context)
        return Outcome(outcome.status) if outcome.flow is Flow.RETURN else outcome

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

    def _document(self, redirects: tuple[Redirect, ...]) -> str | None:
        for redirect in redirects:
            if redirect.operator in {"<<", "<<-"}:
                if redirect.quoted:
                    return redirect.body + "\n"
                value = self.expander.text(redirect.body)
                return value.text + "\n" if value.known else None
        return None

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
