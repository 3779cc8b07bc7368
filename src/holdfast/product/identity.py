"""Who made what, on which base, with which promises."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal

from holdfast.core.config import Problem, must_hold, rule
from holdfast.core.limits import Between, Items, Matching, Unique
from holdfast.product.texts import Contact, Title, WebAddress, Word

RESERVED_IDS = ("root", "targets", "snapshot", "timestamp")
"""Names of TUF's own roles; a product gives its name to a role beside them."""

ProductId = Annotated[
    str,
    Matching(
        rf"(?!(?:{'|'.join(RESERVED_IDS)})$)[a-z][a-z0-9-]{{1,30}}",
        "2 to 31 lower-case letters, digits and hyphens, beginning with a letter, "
        f"and none of {', '.join(RESERVED_IDS)}",
    ),
]
"""Names the product for programs, for ever."""

Revision = Annotated[
    str,
    Matching(
        r"[a-z0-9][a-z0-9.-]{0,15}",
        "1 to 16 lower-case letters, digits, dots and hyphens",
    ),
]
"""A hardware revision as it is burnt into the device."""

Market = Annotated[
    str, Matching(r"(?!UK)[A-Z]{2}", "a country code such as DE or GB (not UK), or EU")
]
"""ISO 3166-1 alpha-2, and EU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who made it, and what it is.

    Attributes:
        vendor: The maker, as on the label.
        product: Name for programs; also the name of its signing role. Never changes.
        name: Name for people.
        model: Model number, as on the label.
        hardware: Hardware revisions that its releases may be made for.
        markets: Where it is sold: country codes, or EU for all of the Union.
    """

    vendor: Title
    product: ProductId
    name: Title
    model: Title
    hardware: Annotated[tuple[Revision, ...], Items(1, 32), Unique()]
    markets: Annotated[tuple[Market, ...], Items(1, 250), Unique()]

    def __post_init__(self) -> None:
        """Refuse nonsense."""
        must_hold(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """The base that all products of the maker share.

    Attributes:
        name: Base system, for example `debian`.
        version: Its release, for example `12`.
    """

    name: Word
    version: Title

    def __post_init__(self) -> None:
        """Refuse nonsense."""
        must_hold(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Who signs its releases; the keys themselves are never in a profile.

    Attributes:
        signers: Names of the keys that may sign a release of this product.
        signatures: How many of them must.
    """

    signers: Annotated[tuple[Word, ...], Items(1, 20), Unique()]
    signatures: Annotated[int, Between(1, 20)] = 1

    def __post_init__(self) -> None:
        """Refuse nonsense."""
        must_hold(self)

    @rule
    def _enough_signers(self) -> Iterator[Problem]:
        if self.signatures > len(self.signers):
            yield Problem(
                ("signatures",),
                f"wants {self.signatures} signatures of {len(self.signers)} signers",
            )


_EARLIEST = date(2010, 1, 1)
_LATEST = date(2099, 12, 31)


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """How long security updates are promised.

    Attributes:
        since: Day on which it was, or will be, first sold.
        until: Last day of the promise, later than `since`.

    Source:
        CRA Art. 13(8): at least five years, or as long as it is expected to be used.
    """

    since: date
    until: date

    def __post_init__(self) -> None:
        """Refuse nonsense."""
        must_hold(self)

    @rule
    def _since_is_a_day_of_our_time(self) -> Iterator[Problem]:
        if not _EARLIEST <= self.since <= _LATEST:
            yield Problem(("since",), f"must be from {_EARLIEST} to {_LATEST}")

    @rule
    def _until_is_a_day_of_our_time(self) -> Iterator[Problem]:
        if not _EARLIEST <= self.until <= _LATEST:
            yield Problem(("until",), f"must be from {_EARLIEST} to {_LATEST}")

    @rule
    def _ends_after_it_begins(self) -> Iterator[Problem]:
        if self.until <= self.since:
            yield Problem(("until",), f"support must end after the first sale ({self.since})")


Language = Annotated[str, Matching(r"[a-z]{2,3}", "a language code such as en")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """Where people report a vulnerability, and what they can expect.

    Attributes:
        contact: `mailto:` with an address, or a page; goes into security.txt.
        policy: Page with the disclosure policy.
        encryption: Page with the OpenPGP key for reports; may be left out.
        languages: In which reports are read, the preferred one first.
        bounty: Whether money is paid for reports, as the policy says.

    Source:
        Recommendation 4; RFC 9116.
    """

    contact: Contact
    policy: WebAddress
    encryption: WebAddress | None = None
    languages: Annotated[tuple[Language, ...], Items(1, 20), Unique()] = ("en",)
    bounty: Literal["none", "considered", "offered"] = "none"

    def __post_init__(self) -> None:
        """Refuse nonsense."""
        must_hold(self)
