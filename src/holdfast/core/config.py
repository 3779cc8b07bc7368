"""Reading of TOML files into frozen objects, naming every fault at once.

The shape of a file is a frozen keyword-only dataclass. Fields may be `str`, `int`, `float`,
`bool`, `Path`, `date`, `time`, `datetime`, an enumeration of text, `Literal`, another shape,
`tuple[X, ...]`, `dict[str, X]` or `X | None`, each with limits in `Annotated[X, Between(5, 60)]`
(`holdfast.core.limits`). A field with a default may be left out. What concerns several fields is
a method marked with `rule` that yields a `Problem` for each wrong place; a shape whose
`__post_init__` calls `must_hold` refuses the same nonsense when a program builds it.

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Gateway:
        listen: str = "127.0.0.1:8001"
        workers: Annotated[int, Between(1, 64)] = 1

    gateway = load(Path("gateway.toml"), Gateway)

A `__post_init__` may also raise a plain `ValueError`, whose message is then the reason.
"""

import os
import re
import stat
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, is_dataclass
from datetime import date, datetime, time
from difflib import get_close_matches
from enum import StrEnum
from math import isfinite
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin

from holdfast.core.errors import HoldfastError
from holdfast.core.limits import Items, Limit
from holdfast.core.shapes import (
    Place,
    Problem,
    ProblemsError,
    Shape,
    bare,
    broken_rules,
    default_of,
    dotted,
    fields_of,
    having,
    hints_of,
    is_required,
    must_hold,
    rule,
    shown,
)
from holdfast.core.toml_lines import MAX_DEPTH, TooDeepError, locate

__all__ = [
    "MAX_BYTES",
    "ConfigError",
    "Fault",
    "Problem",
    "ProblemsError",
    "having",
    "load",
    "must_hold",
    "parse",
    "rule",
]

MAX_BYTES = 1 << 20
"""No configuration is longer; what is longer is another file."""

_DIGITS = re.compile(r"[0-9_]{1000}")
_SHOWN_FAULTS = 50
_GUESSED_FAULTS = 200  # looking for near keys is slow, and nobody reads so many
_LIKENESS = 0.6
_AT_LINE = re.compile(r" \(at line (\d+), column (\d+)\)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing wrong in one file.

    Attributes:
        file: Name of the file as it was given.
        line: Counted from 1; 0 if the file could not be read at all.
        key: Dotted, with list indices in brackets; empty for the file as a whole.
        reason: What is wrong, for a person.
        nearest: Valid key or value that may have been meant; empty if none is like it.
    """

    file: str
    line: int
    key: str
    reason: str
    nearest: str = ""

    def __str__(self) -> str:
        """Write `file:line: key: reason (did you mean ...?)`, as compilers do."""
        where = f"{self.file}:{self.line}" if self.line else self.file
        key = f"{self.key}: " if self.key else ""
        guess = f" (did you mean {self.nearest}?)" if self.nearest else ""
        return f"{where}: {key}{self.reason}{guess}"


class ConfigError(HoldfastError):
    """A file does not have the shape that it must have.

    Attributes:
        faults: All of them, by line.
    """

    code = "config"
    http_status = 422
    exit_code = 2
    hint = "Correct the named lines and try again."

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        lines = [str(fault) for fault in self.faults[:_SHOWN_FAULTS]]
        if len(self.faults) > _SHOWN_FAULTS:
            lines.append(f"and {len(self.faults) - _SHOWN_FAULTS} more")
        super().__init__("\n".join(lines))


def load(path: Path, shape: type[Shape]) -> Shape:
    """Read a file into a shape; relative paths in it start from its folder.

    Raises:
        ConfigError: It cannot be read, or is not of that shape; holds every fault.
    """
    name = shown(str(path), limit=200)
    try:
        content = _read(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        fault = Fault(file=name, line=0, key="", reason=f"cannot be read: {reason}")
        raise ConfigError([fault]) from error
    return parse(content, shape, name=name, folder=path.parent)


def parse(content: str | bytes, shape: type[Shape], *, name: str, folder: Path = Path()) -> Shape:
    """Read a text into a shape.

    Args:
        content: TOML, as text or as its UTF-8 bytes.
        shape: A frozen keyword-only dataclass.
        name: What faults call the text.
        folder: Where relative paths in it start.

    Raises:
        ConfigError: It is not of that shape; holds every fault.
    """
    try:
        text = _decoded(content)
        located = locate(text)
        raw = _parsed(text, located.lost_line)
    except TooDeepError as error:
        reason = f"more than {MAX_DEPTH} levels within each other"
        raise ConfigError([Fault(file=name, line=error.line, key="", reason=reason)]) from error
    except _UnfitError as error:
        reason = shown(error.reason, limit=200)
        raise ConfigError([Fault(file=name, line=error.line, key="", reason=reason)]) from error
    reader = _Reader(lines=located.lines, name=name, folder=folder)
    value, whole = reader.table(raw, shape, ())
    if reader.faults or not whole:
        raise ConfigError(sorted(reader.faults, key=lambda fault: fault.line))
    assert isinstance(value, shape)  # noqa: S101 - for the type checker; `table` built it
    return value


class _UnfitError(Exception):
    def __init__(self, reason: str, *, line: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


class _Read(NamedTuple):
    """A value read from TOML; not `whole` if it or a part of it was wrong."""

    value: Any
    whole: bool


_WRONG = object()
_NOTHING = _Read(_WRONG, whole=False)


def _read(path: Path) -> bytes:
    # Non-blocking, since the open of a pipe would wait for a writer.
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise ValueError("it is a folder")
        if not stat.S_ISREG(mode):
            raise ValueError("it is not a plain file")
        with open(handle, "rb", closefd=False) as file:
            content = file.read(MAX_BYTES + 1)
    finally:
        os.close(handle)
    if len(content) > MAX_BYTES:
        raise ValueError(f"it is longer than {MAX_BYTES} bytes")
    return content


def _decoded(content: str | bytes) -> str:
    if isinstance(content, bytes):
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            reason = f"byte 0x{content[error.start]:02x} is not UTF-8"
            raise _UnfitError(reason, line=line) from error
    else:
        text = content
    if len(text) > MAX_BYTES:
        raise _UnfitError(f"it is longer than {MAX_BYTES} characters", line=1)
    if text.startswith("\ufeff"):
        raise _UnfitError("begins with a byte order mark; save it as UTF-8 without one", line=1)
    return text.replace("\r\n", "\n")


def _parsed(text: str, lost_line: int | None) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        found = _AT_LINE.search(message)
        if found is not None:
            reason = f"not TOML: {message[: found.start()]} (column {found.group(2)})"
            raise _UnfitError(reason, line=int(found.group(1))) from error
        # tomllib saw only the end of the text; what was never closed began earlier.
        reason = f"not TOML: {message.removesuffix(' (at end of document)')} before the text ends"
        line = lost_line or text.rstrip("\n").count("\n") + 1
        raise _UnfitError(reason, line=line) from error
    except (ValueError, RecursionError) as error:
        # Python refuses to read numbers of more than 4300 digits.
        digits = _DIGITS.search(text)
        line = text.count("\n", 0, digits.start()) + 1 if digits else 1
        reason = "holds a number that is too long" if digits else "is malformed or nests too deeply"
        raise _UnfitError(reason, line=line) from error


@dataclass(frozen=True, slots=True)
class _Scalar:
    """How one kind of plain value is recognised and named."""

    accepts: tuple[type, ...]
    name: str


_SCALARS: dict[Any, _Scalar] = {
    str: _Scalar((str,), "text in quotes"),
    Path: _Scalar((str,), "a path in quotes"),
    bool: _Scalar((bool,), "true or false"),
    int: _Scalar((int,), "a whole number"),
    float: _Scalar((float, int), "a number"),
    datetime: _Scalar((datetime,), "a date with time such as 2031-12-31T02:00:00Z"),
    date: _Scalar((date,), "a date such as 2031-12-31, without quotes"),
    time: _Scalar((time,), "a time such as 02:00:00, without quotes"),
    list: _Scalar((list,), "a list"),
    dict: _Scalar((dict,), "a table"),
}


def _kind_name(value: object) -> str:
    if isinstance(value, str):
        return f'the text "{shown(value)}"'
    if type(value) in {int, float, bool}:
        return shown(str(value).lower() if isinstance(value, bool) else repr(value), limit=30)
    return _SCALARS[type(value)].name.split(" such as ")[0]


class _Reader:
    """Builds objects from parsed TOML and gathers what is wrong with it."""

    def __init__(self, *, lines: dict[Place, int], name: str, folder: Path) -> None:
        self.faults: list[Fault] = []
        self._lines = lines
        self._name = name
        self._folder = folder

    def _fault(self, place: Place, reason: str, nearest: str = "") -> None:
        # A missing key stands where the table is in which it is missing.
        known = next(
            place[:depth] for depth in range(len(place), -1, -1) if place[:depth] in self._lines
        )
        self.faults.append(
            Fault(
                file=self._name,
                line=self._lines[known],
                key=dotted(place),
                reason=reason,
                nearest=nearest,
            )
        )

    def _nearest(self, word: str, valid: Iterable[str]) -> str:
        if len(self.faults) > _GUESSED_FAULTS:
            return ""
        by_plain = {one.lower().replace("-", "_"): one for one in valid}
        plain = word[:100].lower().replace("-", "_")
        return next(
            (by_plain[found] for found in get_close_matches(plain, by_plain, 1, _LIKENESS)), ""
        )

    def table(self, raw: dict[str, Any], shape: type, place: Place) -> _Read:
        """Read a table; a partly wrong one comes back with the fields that were right."""
        hints = hints_of(shape)
        meant = set()
        unused = hints.keys() - raw.keys()
        for key in raw.keys() - hints.keys():
            nearest = self._nearest(key, unused) or self._nearest(key, hints)
            meant.add(nearest)
            self._fault((*place, key), "unknown key", nearest)
        values: dict[str, Any] = {}
        whole = not meant
        for field in fields_of(shape):
            name = field.name
            if name in raw:
                read = self._value(raw[name], hints[name], (*place, name))
                whole = whole and read.whole
                if read.value is not _WRONG:
                    values[name] = read.value
            elif is_required(field):
                whole = False
                if name not in meant:
                    table = is_dataclass(bare(hints[name])[0])
                    self._fault(
                        (*place, name), "this table is missing" if table else "this key is missing"
                    )
            else:
                values[name] = default_of(field)
        return self._built(shape, values, place, whole=whole)

    def _built(self, shape: type, values: dict[str, Any], place: Place, *, whole: bool) -> _Read:
        problems: Iterable[Problem] = ()
        if whole:
            try:
                instance = shape(**values)
            except ProblemsError as error:
                problems = error.problems
            except ValueError as error:
                problems = [Problem((), str(error))]
            else:
                problems = broken_rules(instance, whole=True)
                if not problems:
                    return _Read(instance, whole=True)
        partial: Any = object.__new__(shape)
        for name, value in values.items():
            object.__setattr__(partial, name, value)
        # Without slots a wrong field would be mistaken for its default.
        if not whole and "__slots__" in vars(shape):
            problems = broken_rules(partial, whole=False)
        for where, reason in problems:
            self._fault((*place, *where), reason)
        return _Read(partial, whole=False)

    def _value(self, raw: Any, kind: Any, place: Place) -> _Read:  # noqa: ANN401 - any TOML
        kind, limits, _ = bare(kind)
        if is_dataclass(kind) and isinstance(kind, type):
            read = self._nested(raw, kind, place)
        elif get_origin(kind) in {tuple, dict}:
            read = self._collection(raw, kind, place, limits)
        else:
            read = self._scalar(raw, kind, place)
        if read.value is not _WRONG:
            for limit in limits:
                reason = limit.refusal(read.value)
                if reason is not None:
                    self._fault(place, reason)
                    return _Read(read.value if get_origin(kind) else _WRONG, whole=False)
        return read

    def _nested(self, raw: Any, kind: type, place: Place) -> _Read:  # noqa: ANN401 - any TOML
        if not isinstance(raw, dict):
            self._fault(place, f"must be a table, not {_kind_name(raw)}")
            return _NOTHING
        return self.table(raw, kind, place)

    def _collection(
        self,
        raw: Any,  # noqa: ANN401 - any TOML
        kind: Any,  # noqa: ANN401 - any type form
        place: Place,
        limits: tuple[Limit, ...],
    ) -> _Read:
        origin: Any = get_origin(kind)
        expected = _SCALARS[list if origin is tuple else dict]
        if type(raw) not in expected.accepts:
            self._fault(place, f"must be {expected.name}, not {_kind_name(raw)}")
            return _NOTHING
        for limit in limits:
            # Told first: of a million elements nobody wants to know what is wrong with each.
            if isinstance(limit, Items) and (reason := limit.refusal(raw)):
                self._fault(place, reason)
                return _NOTHING
        element_kind = get_args(kind)[0 if origin is tuple else 1]
        pairs: Any = enumerate(raw) if origin is tuple else raw.items()
        read = {key: self._value(one, element_kind, (*place, key)) for key, one in pairs}
        whole = all(one.whole for one in read.values())
        if any(one.value is _WRONG for one in read.values()):
            return _NOTHING
        values = {key: one.value for key, one in read.items()}
        return _Read(tuple(values.values()) if origin is tuple else values, whole=whole)

    def _scalar(self, raw: Any, kind: Any, place: Place) -> _Read:  # noqa: ANN401 - any TOML
        if get_origin(kind) is Literal or (isinstance(kind, type) and issubclass(kind, StrEnum)):
            return self._choice(raw, kind, place)
        expected = _SCALARS.get(kind)
        if expected is None:
            raise TypeError(f"shapes know no fields of type {kind}")
        if type(raw) not in expected.accepts:
            self._fault(place, f"must be {expected.name}, not {_kind_name(raw)}")
            return _NOTHING
        if kind is float and not isfinite(raw):
            self._fault(place, "must be a finite number")
            return _NOTHING
        if kind is Path:
            if not raw or "\0" in raw:
                self._fault(place, "must be a path, not an empty text or one with NUL")
                return _NOTHING
            return _Read(self._folder / raw, whole=True)
        return _Read(float(raw) if kind is float else raw, whole=True)

    def _choice(self, raw: Any, kind: Any, place: Place) -> _Read:  # noqa: ANN401 - any TOML
        choices = list(get_args(kind)) if get_origin(kind) is Literal else list(kind)
        for choice in choices:
            # 1.0 and true equal 1, but are not what was asked for.
            if raw == choice and type(raw) in {type(choice), str}:
                return _Read(choice, whole=True)
        named = " or ".join(
            f'"{one}"' if isinstance(one, str) else str(one).lower() for one in choices
        )
        nearest = self._nearest(raw, map(str, choices)) if isinstance(raw, str) else ""
        self._fault(place, f"must be {named}, not {_kind_name(raw)}", nearest)
        return _NOTHING
