"""Whom a product talks to, what it senses, and what it keeps about people."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from holdfast.core.config import Problem, must_hold, rule
from holdfast.core.limits import Matching
from holdfast.product.behaviour import OPENS_THE_GATEWAY, Transport
from holdfast.product.texts import Host, Port, Sentence, Word

UNTIL_ERASED: Final = "until erased"


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalField:
    """One kind of data about people that is kept.

    Attributes:
        field: Name for programs; what is not declared is refused at the border.
        purpose: What it is needed for, in plain words.
        basis: What makes it lawful, in the words of GDPR Art. 6(1).
        retention: `30 days`, or `until erased`: by the owner, or by a reset.
        where: On the device, on the maker's hub, or at another service.
        sensitive: Whether it is of the special kinds of GDPR Art. 9.

    Source:
        Recommendation 5.
    """

    field: Annotated[
        str, Matching(r"[a-z][a-z0-9_.-]{0,60}", "lower-case letters, digits, dots and hyphens")
    ]
    purpose: Sentence
    basis: Literal[
        "consent",
        "contract",
        "legal-obligation",
        "vital-interest",
        "public-task",
        "legitimate-interest",
    ]
    retention: Annotated[
        str,
        Matching(
            rf"1 day|[1-9][0-9]{{0,3}} days|{UNTIL_ERASED}",
            'a number of days such as "30 days", or "until erased"',
        ),
    ]
    where: Literal["device", "hub", "service"]
    sensitive: bool = False

    def __post_init__(self) -> None:
        """Refuse nonsense."""
        must_hold(self)

    @property
    def retention_days(self) -> int | None:
        """Days after which it is deleted; None if it stays until erased."""
        if self.retention == UNTIL_ERASED:
            return None
        return int(self.retention.split(" ")[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One place that the device calls; it can call no other.

    Attributes:
        host: Host name; the firewall and the MUD file (RFC 8520) are made from it.
        port: Port there.
        protocol: `tcp` or `udp`.
        purpose: What for, in plain words.
    """

    host: Host
    port: Port
    protocol: Transport = "tcp"
    purpose: Sentence

    def __post_init__(self) -> None:
        """Refuse nonsense."""
        must_hold(self)

    @rule
    def _leaves_the_gateway_alone(self) -> Iterator[Problem]:
        for name, ports in OPENS_THE_GATEWAY.items():
            if (self.port, self.protocol) in ports:
                yield Problem(("port",), f"{name} would open the owner's gateway: never allowed")
                return


WATCHING: Final = frozenset({"camera", "microphone", "location", "presence"})
"""Sensors that cannot help recording people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    """One thing with which the device perceives its surroundings.

    Attributes:
        name: Name for programs.
        kind: What it perceives.
        purpose: What for, in plain words.
        switchable: Whether the owner can switch it off.

    Source:
        EN 303 645 5.8-3: every external sensor is documented.
    """

    name: Word
    kind: Literal[
        "camera",
        "microphone",
        "location",
        "presence",
        "motion",
        "light",
        "temperature",
        "humidity",
        "smoke",
        "power",
        "button",
        "other",
    ]
    purpose: Sentence
    switchable: bool = False

    def __post_init__(self) -> None:
        """Refuse nonsense."""
        must_hold(self)
