"""A named person's decision to let a release out in spite of its audit, signed with it."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

from holdfast.core.clock import moment, stamp
from holdfast.updates.errors import ReleaseError

NAME = "waiver.json"
MOST_BYTES = 128 * 1024
_MOST_LINES, _LINE_CHARS = 200, 300
_WHO_CHARS, _WHY_CHARS = range(2, 101), range(10, 501)  # a word is no reason


def uncovered(objections: Iterable[str], waived: Iterable[str]) -> tuple[str, ...]:
    """Give the objections whose kind, the part before the first colon, nobody has waived."""
    kinds = {line.partition(":")[0] for line in waived}
    return tuple(line for line in objections if line.partition(":")[0] not in kinds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """What was decided.

    Attributes:
        who: Name of the person.
        why: The reason.
        made: When, aware, in UTC.
        objections: What the audit said, one line each.
    """

    who: str
    why: str
    made: datetime
    objections: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse a waiver that nobody could answer for."""
        if len(self.who.strip()) not in _WHO_CHARS or not self.who.isprintable():
            raise ReleaseError("A waiver needs the name of a person, 2 to 100 letters.")
        if len(self.why.strip()) not in _WHY_CHARS or not self.why.isprintable():
            raise ReleaseError("A waiver needs a reason of 10 to 500 letters.")
        lines = self.objections
        if len(lines) > _MOST_LINES or any(len(line) > _LINE_CHARS for line in lines):
            raise ReleaseError("A waiver names up to 200 objections, one short line each.")

    def uncovered(self, objections: Iterable[str]) -> tuple[str, ...]:
        """Give the objections that are of another kind than those that were waived."""
        return uncovered(objections, self.objections)

    def encode(self) -> bytes:
        """Write it as JSON."""
        content = {"format": 1, **asdict(self), "made": stamp(self.made)}
        return json.dumps(content, indent=2).encode() + b"\n"

    @classmethod
    def decode(cls, content: bytes) -> Self:
        """Read it from JSON.

        Raises:
            ReleaseError: It is no waiver.
        """
        try:
            said = json.loads(content[: MOST_BYTES + 1])
            if said.pop("format") != 1:
                raise ValueError  # noqa: TRY301 - becomes ours below
            lines = tuple(str(line) for line in said.pop("objections"))
            made = moment(said.pop("made"))
            return cls(who=str(said["who"]), why=str(said["why"]), made=made, objections=lines)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ReleaseError("The waiver of the release makes no sense.") from error

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read it from a file.

        Raises:
            ReleaseError: It cannot be read, or is no waiver.
        """
        try:
            with path.open("rb") as file:
                return cls.decode(file.read(MOST_BYTES + 1))
        except OSError as error:
            raise ReleaseError(f"The waiver cannot be read: {error.strerror}.") from error
