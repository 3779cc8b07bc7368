"""What the auditing program and its confined child tell each other.

What goes in is trusted. What comes out is not: the child has opened hostile bytes, so everything is
bounded and decoded into these types, and nothing of it is believed that can be known outside.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import msgspec

from holdfast.audit.limits import Limits
from holdfast.audit.live.observation import Observation
from holdfast.audit.model.known_keys import Known
from holdfast.audit.report.shapes import Report, Subject
from holdfast.product.profile import Profile

# Descriptors of the child, beside its request on standard input.
ANSWER_FD: Final = 3
PROGRESS_FD: Final = 4
SUBJECT_FD: Final = 5
CACHE_FD: Final = 6

LONGEST_ANSWER: Final = 256 * 1024**2
LONGEST_LINE: Final = 1024
STAGES: Final = ("opening", "facts", "model", "vulnerabilities", "checks", "report")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the child shall do.

    Attributes:
        subject: What it is told to be judging.
        folder: The folder to judge; "" if the image is behind `SUBJECT_FD`.
        scratch: Folder for contents that are too long for memory.
        limits: What it may cost; the parent enforces the same from outside.
        now: The moment of the audit.
        profile: What the maker declares.
        baseline: Report of the last approved build.
        database: Path of the vulnerability database, "" for none.
        workers: How many processes look at contents.
        cached: Whether there is a cache behind `CACHE_FD`, or could be one.
        known_keys: Keys that are publicly known beyond the list that we ship.
        seen: What runs on this system, if it is this that is judged.
    """

    subject: Subject
    folder: str
    scratch: str
    limits: Limits
    now: datetime
    profile: Profile | None
    baseline: Report | None
    database: str
    workers: int
    cached: bool
    known_keys: dict[str, Known]
    seen: Observation | None = None


class Step(msgspec.Struct, frozen=True):
    """A line of progress.

    Attributes:
        stage: One of `STAGES`.
        fraction: How much of the stage is done, 0 to 1.
        text: What it is at.
    """

    stage: Literal["opening", "facts", "model", "vulnerabilities", "checks", "report"]
    fraction: float
    text: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the child found.

    Attributes:
        report: The report; None if it failed.
        error: Why it failed, else "".
        fresh: What the cache of this scope shall hold from now on, b"" to leave it as it is.
    """

    report: Report | None = None
    error: str = ""
    fresh: bytes = b""
