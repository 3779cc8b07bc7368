"""What the agent must not forget, in one file written whole: each step of an update is one write.

Reports to the hub lie in the same file, so that no power cut can part a step from its report.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from holdfast.core.files import write_whole

SCHEMA = 1
MOST_HISTORY = 60
_MOST_REPORTS = 200
_MOST_ENDED = 20
_MOST_TEXT = 500
_FILE_MODE = 0o600
_ENTRY: dict[str, Any] = {
    "at_ms": int, "kind": str, "version": str, "code": str, "sentence": str, "hint": str,
}  # fmt: skip
_RELEASE: dict[str, Any] = {
    "version": str, "severity": str, "notes": str, "fixes": list[str], "size_bytes": int,
    "sha256": str, "made_ms": int,
}  # fmt: skip

Stage = Literal["found", "waiting", "downloading", "checking", "installing", "restarting"]


@dataclass(slots=True, kw_only=True)
class Work:
    """The offer that the agent works on.

    Attributes:
        id: Number of the action.
        revision: The hub's mark of this wording of the offer; a new one means: look again.
        forced: Whether the manufacturer asks for it at once.
        skip: Whether the hub says "do not install yet".
        target: Name under which it is signed.
        version: Version, as offered; as signed once `release` is there.
        download: Path of the file on the hub.
        stage: How far it is.
        release: Facts out of the signed metadata; None until they were read.
        first_seen_ms: When it was offered first.
        later_until_ms: Until when the owner wants to be left alone.
        approved: Whether the owner pressed the button.
        tag: The hub's name for the content of the file.
        received: Bytes that came for it.
        empty_tries: Connections in a row that brought nothing.
        clean_tries: How often a whole file turned out to be wrong.
        slot: Where it was installed.
        boot_id: Start of the device in which it was installed.
        told: Reports already written, by kind.
        trouble: Code and sentence of what holds it up.
    """

    id: int
    revision: str
    forced: bool
    skip: bool
    target: str
    version: str
    download: str
    stage: Stage = "found"
    release: dict[str, Any] | None = None
    first_seen_ms: int = 0
    later_until_ms: int | None = None
    approved: bool = False
    tag: str = ""
    received: int = 0
    empty_tries: int = 0
    clean_tries: int = 0
    slot: str = ""
    boot_id: str = ""
    told: list[str] = field(default_factory=list)
    trouble: list[str] = field(default_factory=lambda: ["", ""])


@dataclass(slots=True, kw_only=True)
class Memory:
    """Everything in `state.json`.

    Attributes:
        work: The offer under way.
        reports: What the hub has not heard yet, in order: method, path below the device, body.
        history: What happened, oldest first.
        ended: Offers that are over, as `id/revision`; they are not tried again.
        consent: What the owner chose, `ask` or `automatic`; empty if nothing.
        window: What the owner chose; empty if nothing.
        address: The owner's address with most letters left out.
        answered_ms: When the hub answered last.
        believed_ms: When the signed lists were last found to be fresh.
        stale: Code and sentence of what was wrong with them at the last look.
        silent_since_ms: Since when it has not.
        passed_ms: A moment that has certainly passed, from signed metadata.
        attributes_of: Version and start that the hub was told last.
    """

    work: Work | None = None
    reports: list[dict[str, Any]] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    consent: str = ""
    window: str = ""
    address: str = ""
    answered_ms: int | None = None
    believed_ms: int | None = None
    stale: list[str] = field(default_factory=lambda: ["", ""])
    silent_since_ms: int | None = None
    passed_ms: int | None = None
    attributes_of: str = ""

    def note(
        self,
        kind: str,
        *,
        at_ms: int,
        version: str = "",
        code: str = "",
        sentence: str = "",
        hint: str = "",
    ) -> None:
        """Add to the history."""
        entry = {
            "at_ms": at_ms,
            "kind": kind,
            "version": version,
            "code": code,
            "sentence": sentence[:_MOST_TEXT],
            "hint": hint[:_MOST_TEXT],
        }
        self.history = [*self.history, entry][-MOST_HISTORY:]

    def report(self, method: str, below: str, body: dict[str, Any], *, once: str = "") -> None:
        """Write a report that is sent when the hub listens; the oldest progress gives way.

        Args:
            method: POST or PUT.
            below: Path below the device's own.
            body: What is said.
            once: An older report of that name which is still waiting is replaced.
        """
        if once:
            self.reports = [one for one in self.reports if one.get("once") != once]
        self.reports.append({"method": method, "below": below, "body": body, "once": once})
        while len(self.reports) > _MOST_REPORTS:
            spare = next((index for index, one in enumerate(self.reports) if not _is_end(one)), 0)
            del self.reports[spare]

    def clock_was_set(self, *, before_ms: int, by_ms: int) -> None:
        """Move what was written down by a clock that turned out to be wrong.

        Otherwise an owner who was asked "in 1970" would seem to have put it off for decades.
        What lies after the moment before the change was written by another, better clock.
        """
        if self.work is not None and self.work.first_seen_ms <= before_ms:
            self.work.first_seen_ms += by_ms
            if self.work.later_until_ms is not None:
                self.work.later_until_ms += by_ms
        for name in ("answered_ms", "silent_since_ms", "believed_ms"):
            noted = getattr(self, name)
            if noted is not None and noted <= before_ms:
                setattr(self, name, noted + by_ms)

    def end(self, work: Work) -> None:
        """Remember that an offer is over."""
        self.ended = [*self.ended, f"{work.id}/{work.revision}"][-_MOST_ENDED:]
        self.work = None

    def is_over(self, number: int, revision: str) -> bool:
        """Whether an offer in this wording is over."""
        return f"{number}/{revision}" in self.ended


def _is_end(report: dict[str, Any]) -> bool:
    status = report["body"].get("status")
    return isinstance(status, dict) and status.get("execution") == "closed"


def read(path: Path) -> tuple[Memory, str]:
    """Read the file; a damaged one is put aside and said, since nothing in it is trusted.

    Returns:
        What is known, and what was wrong with the file (empty if nothing).
    """
    try:
        raw: Any = json.loads(path.read_bytes())
    except FileNotFoundError:
        return Memory(), ""
    except (OSError, ValueError, RecursionError) as error:
        return Memory(), f"could not be read: {error}"
    try:
        if raw.pop("schema") != SCHEMA:
            return Memory(), "was written by another version of this software"
        work = raw.pop("work")
        memory = Memory(work=None if work is None else _as_described(Work(**work)), **raw)
        _as_described(memory)
        _must_make_sense(memory)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return Memory(), f"makes no sense: {error}"
    return memory, ""


def write(path: Path, memory: Memory) -> None:
    """Replace the file at once.

    Raises:
        NoSpaceError: The disk is full; the old file is untouched.
    """
    content = {"schema": SCHEMA, **asdict(memory)}
    write_whole(path, json.dumps(content).encode(), mode=_FILE_MODE)


_Described = TypeVar("_Described", Work, Memory)


def _as_described(found: _Described) -> _Described:
    """Refuse a value that is not of the type that its field is declared with."""
    for name, declared in get_type_hints(type(found)).items():
        if not _is_of(getattr(found, name), declared):
            raise TypeError(name)
    return found


def _is_of(value: object, declared: Any) -> bool:  # noqa: ANN401 - a type as typing gives it
    kinds, inner = get_origin(declared) or declared, get_args(declared)
    if kinds is Literal:
        return value in inner
    if kinds is list:
        return isinstance(value, list) and all(_is_of(one, inner[0]) for one in value)
    if kinds is dict:
        return isinstance(value, dict)
    if kinds is UnionType:
        return any(_is_of(value, one) for one in inner)
    # True is an int for Python, but no moment.
    return isinstance(value, kinds) and not (kinds is int and isinstance(value, bool))


def _must_make_sense(memory: Memory) -> None:
    if any(len(pair) != len(("code", "sentence")) for pair in _pairs(memory)):
        raise ValueError("trouble")
    for one in memory.reports:
        if not (isinstance(one["method"], str) and isinstance(one["below"], str)):
            raise TypeError("report")
        if not isinstance(one["body"], dict):
            raise TypeError("report")
    for entry in memory.history:
        if set(entry) != set(_ENTRY) or not all(_is_of(entry[key], _ENTRY[key]) for key in _ENTRY):
            raise TypeError("history")
    release = memory.work.release if memory.work is not None else None
    if release is not None and not all(_is_of(release[key], _RELEASE[key]) for key in _RELEASE):
        raise TypeError("release")


def _pairs(memory: Memory) -> list[list[str]]:
    return [memory.stale, *([memory.work.trouble] if memory.work is not None else [])]
