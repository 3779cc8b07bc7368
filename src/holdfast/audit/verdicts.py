"""What a check says: about itself, and about an image."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final, Literal


class Severity(StrEnum):
    """How much a finding matters; `info` never fails an image."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for `info` to 4 for `critical`."""
        return list(Severity).index(self)


class Verdict(StrEnum):
    """What a check decided; "could not decide" is never shown as fine."""

    PASS = "pass"  # noqa: S105 - a word, not a password
    FAIL = "fail"
    NOT_APPLICABLE = "not-applicable"
    UNDECIDED = "undecided"


Recommendation = Literal[1, 2, 3, 4, 5]


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a check is for; every module in `checks` has one, called `ABOUT`.

    Attributes:
        title: What holds when the check passes, one sentence without a full stop.
        why: What happened, or happens, to products that fail; one or two sentences.
        fix: What the maker does about it.
        recommendation: Which of the article's five it serves.
        severity: Of its findings, unless a finding says otherwise.
        sources: Rows that it is evidence for, in the words of `holdfast.audit.rows`, for example
            "Article 1.4", "EN 303 645 5.6-1", "CRA Annex I part I (2)(b)"; other sources too.
    """

    title: str
    why: str
    fix: str
    recommendation: Recommendation
    severity: Severity
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One place where an image breaks a rule. It names kind and place, never a secret.

    Attributes:
        where: Path inside the image without a leading slash, with `:line` for text; "" for the
            image as a whole.
        what: What is wrong there, one line.
        offset: Position in that file in bytes, if that says more than a line.
        evidence: Further places and facts that led to it, for example the start-up chain.
        severity: Only when it differs from that of the check.
    """

    where: str
    what: str
    offset: int | None = None
    evidence: tuple[str, ...] = ()
    severity: Severity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waived:
    """The decision of a person to live with a finding for a while.

    Attributes:
        reason: Why.
        who: Who decided.
        until: Last day on which it holds.
        kind: What sort of reason it is, see `holdfast.product.waivers.Waiver`.
    """

    reason: str
    who: str
    until: date
    kind: str = "accepted"


FAILED: Final = "the check itself failed"
"""How the reason begins where a check was not done; that is more than not knowing."""

TOO_LONG: Final = "it took more than"
"""The same for a check that was ended."""


class NotApplicable(Exception):  # noqa: N818 - an answer, not an error
    """Raised by a check that has nothing to judge in this image; the message says why."""


class Undecided(Exception):  # noqa: N818 - an answer, not an error
    """Raised by a check that cannot know; the message says what is missing.

    Findings yielded before it are kept, and then the verdict is `fail`.
    """
