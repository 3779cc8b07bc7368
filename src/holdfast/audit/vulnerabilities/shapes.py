"""A published vulnerability that concerns a component of an image."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from holdfast.audit.verdicts import Waived

Reach = Literal["listening", "boot", "startable", "present"]
State = Literal["affected", "fixed", "not-built", "undecided"]

REACHES: tuple[Reach, ...] = ("listening", "boot", "startable", "present")
STATES: tuple[State, ...] = ("affected", "undecided", "not-built", "fixed")
"""Both with what matters most first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One vulnerability of one component.

    Attributes:
        cve: Its id; the id of another catalogue if it has no CVE.
        component: Name and version, `busybox 1.14.1`; "" for the product as a whole.
        where: Best place of that component.
        title: One line of what it is.
        because: Which statement matched: source, vendor, product, range.
        fixed_in: Version that closes it, "" if not told.
        kev: Day when it was listed as exploited, ISO; "" if it is not.
        epss: Probability of exploitation in 30 days, 0 to 1; None if not scored.
        cvss: Base score 0 to 10; None if not scored.
        vector: CVSS vector.
        reach: `listening`, `boot`, `startable`, `present`: what is known of its use in the image.
        state: `affected`; `fixed` (a package says so), `not-built` (kernel part is not there),
            `undecided` (version or range is unclear).
        reason: Why, for a state other than `affected`.
        waived: The waiver that covers it, if one names it.
    """

    cve: str
    component: str
    where: str = ""
    title: str = ""
    because: str = ""
    fixed_in: str = ""
    kev: str = ""
    epss: float | None = None
    cvss: float | None = None
    vector: str = ""
    reach: Reach = "present"
    state: State = "affected"
    reason: str = ""
    waived: Waived | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataAge:
    """One kind of vulnerability data that was used.

    Attributes:
        source: `nvd`, `cve5`, `osv`, `alpine`, `debian`, `linux-streams`, `kev`, `epss`.
        entries: How many.
        published: Newest moment in the data itself.
        imported: When it was taken in here.
    """

    source: str
    entries: int
    published: datetime | None
    imported: datetime
