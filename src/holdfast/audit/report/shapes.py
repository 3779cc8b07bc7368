"""The report of one audit: what the child sends, what is kept, compared and shown.

It is written as JSON by msgspec; the JSON Schema is made from these shapes. Whoever reads one must
take it for input: the child that wrote it has opened hostile bytes.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from holdfast.audit.model.shapes import Model
from holdfast.audit.verdicts import Recommendation, Severity, Verdict, Waived
from holdfast.audit.vulnerabilities.shapes import DataAge, Match

__all__ = [
    "FORMAT",
    "Checked",
    "FileEntry",
    "LimitHit",
    "Opened",
    "Placed",
    "Report",
    "Subject",
    "Unopened",
    "Volume",
    "Waived",
]

FORMAT = 1  # also the type of Report.format


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What was judged.

    Attributes:
        name: File or folder name, without the folders above it.
        kind: `image`, `folder`, `release` or `live`.
        sha256: Of an image file, else "".
        size_bytes: Of an image file, else 0.
        product: Id of the product, if a profile was given.
        version: Version of the release, if it is one.
    """

    name: str
    kind: Literal["image", "folder", "release", "live"]
    sha256: str = ""
    size_bytes: int = 0
    product: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """One file system or archive that was opened.

    Attributes:
        name: How paths of it begin, `:NAME/`; "" for the main root.
        format: For example `squashfs 4.0 xz little-endian`.
        chain: The way from the image to it, outermost first, `format@0xOFFSET`.
        files: Names in it.
        size_bytes: Sum of its contents.
        root: Whether it is a system's root file system.
        same_as: Name of a volume with the very same content; it is then not judged twice.
    """

    name: str
    format: str
    chain: tuple[str, ...]
    files: int
    size_bytes: int
    root: bool = False
    same_as: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unopened:
    """A piece that could not be opened; it makes the verdict incomplete.

    Attributes:
        where: Chain or path to it.
        offset: Where it starts in what holds it, bytes.
        size_bytes: How long it is.
        entropy: Bits per byte, 0 to 8; near 8 means compressed or encrypted.
        why: What was tried, in words.
    """

    where: str
    offset: int
    size_bytes: int
    entropy: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitHit:
    """A limit that was reached."""

    limit: str
    most: float
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What was opened, and what was not.

    Attributes:
        complete: Whether everything was; false makes the outcome at best `undecided`.
        volumes: What was opened.
        unopened: What was not.
        limits: Limits that were reached.
        walls_missing: Protections that this machine's kernel could not give the child, in words.
        owners_kept: Whether owners and modes are those of the image.
    """

    complete: bool
    volumes: tuple[Volume, ...] = ()
    unopened: tuple[Unopened, ...] = ()
    limits: tuple[LimitHit, ...] = ()
    walls_missing: tuple[str, ...] = ()
    owners_kept: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A finding as the report has it.

    Attributes:
        id: Stable over builds as long as rule, place and kind stay: 16 hexadecimal digits.
        where, what, offset, evidence: As in `verdicts.Finding`.
        severity: That counts.
        chain: From the image to the file, see `Volume.chain`.
        waived: The waiver that covers it, if one does.
    """

    id: str
    where: str
    what: str
    severity: Severity
    offset: int | None = None
    evidence: tuple[str, ...] = ()
    chain: tuple[str, ...] = ()
    waived: Waived | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What one check decided.

    Attributes:
        rule: Its id, for example `telnet-off`.
        recommendation: Which of the five.
        title: What holds if it passes.
        severity: Of the check.
        verdict: `fail` if one finding of severity `low` or more is not waived.
        reason: For `not-applicable` and `undecided`.
        findings: Worst first; a passing check may have those of severity `info`.
        rows: Rows of the requirement register that it is evidence for.
    """

    rule: str
    recommendation: Recommendation
    title: str
    severity: Severity
    verdict: Verdict
    reason: str = ""
    findings: tuple[Placed, ...] = ()
    rows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One name of the tree, for comparing two images.

    Attributes:
        path: As in the tree.
        kind: `file`, `folder`, `link`, ...
        mode: Permission bits in octal, for example `4755`.
        owner: `uid:gid`.
        sha256: Of a file.
        target: Of a link.
    """

    path: str
    kind: str
    mode: str
    owner: str
    sha256: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All of it.

    Attributes:
        format: Of this report.
        made: When.
        holdfast: Version of this program.
        rules: Digest of the rules, so that two reports can be told to be comparable.
        subject: What was judged.
        outcome: `fail` if a check failed; else `undecided` if the opening was incomplete or a
            check could not decide; else `pass`.
        opened: What was opened.
        model: What the main root is.
        others: Models of further roots by volume name, those with the same content left out.
        checks: By recommendation, then rule.
        vulnerabilities: Ranked, worst first.
        vulnerability_data: What was known, and how old it is; empty if no database was given.
        files: The whole tree.
        seconds: How long each part took.
        cached: Contents whose facts came from the cache, and all contents.
        notes: What the reader must know besides, for example waivers that ran out.
    """

    format: Literal[1] = 1
    made: datetime
    holdfast: str
    rules: str
    subject: Subject
    outcome: Literal["pass", "fail", "undecided"]
    opened: Opened
    model: Model
    others: dict[str, Model]
    checks: tuple[Checked, ...]
    vulnerabilities: tuple[Match, ...] = ()
    vulnerability_data: tuple[DataAge, ...] = ()
    files: tuple[FileEntry, ...] = ()
    seconds: dict[str, float]
    cached: tuple[int, int] = (0, 0)
    notes: tuple[str, ...] = ()
