"""Findings of the audit that a named person decided to live with for a while."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Final, Literal

from holdfast.core import config
from holdfast.core.config import Problem, must_hold
from holdfast.core.limits import Length, Matching
from holdfast.product.texts import Sentence, Title

_EARLIEST: Final = date(2020, 1, 1)
_LATEST: Final = date(2099, 12, 31)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """One finding, or all of one kind below one place, that does not fail the audit for a while.

    Attributes:
        rule: Id of a check such as `telnet-off`, or of a vulnerability such as `CVE-2021-42373`.
        place: Path inside the image; `*` stands for anything within a name, `**` for anything at
            all; with `:line` for that line only; `/` for findings about the image as a whole.
        reason: Why, in plain words; it goes into the report.
        who: Who decided.
        until: Last day on which it holds.
        kind: What sort of reason it is, for the VEX: the risk is taken (`accepted`), the finding is
            wrong (`false-positive`), or the weakness cannot be used because its code is not there,
            never runs, needs other settings, or something else stands in the way.
    """

    rule: Annotated[
        str,
        Length(1, 64),
        Matching(
            r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*|CVE-[0-9]{4}-[0-9]{4,9}",
            'the id of a check such as "telnet-off", or a CVE id',
        ),
    ]
    place: Sentence
    reason: Sentence
    who: Title
    until: date
    kind: Literal[
        "accepted",
        "false-positive",
        "not-present",
        "not-reachable",
        "needs-configuration",
        "mitigated",
    ] = "accepted"

    def __post_init__(self) -> None:
        """Refuse nonsense."""
        must_hold(self)

    @config.rule  # its plain name is that of a field here
    def _until_is_a_day_of_our_time(self) -> Iterator[Problem]:
        if not _EARLIEST <= self.until <= _LATEST:
            yield Problem(("until",), f"must be from {_EARLIEST} to {_LATEST}")
