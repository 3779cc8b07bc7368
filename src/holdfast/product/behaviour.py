"""What a product runs, whom it lets in, and how it updates itself."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import time
from typing import Annotated, Final, Literal

from holdfast.core.config import Problem, must_hold, rule
from holdfast.core.limits import Between, Items, Matching, Unique
from holdfast.product.texts import Port, Sentence, Word

Transport = Literal["tcp", "udp"]

OFF_BY_DEFAULT: Final[Mapping[str, tuple[tuple[int, Transport], ...]]] = {
    "telnet": ((23, "tcp"), (2323, "tcp")),
    "ssh": ((22, "tcp"), (2222, "tcp")),
    "ftp": ((21, "tcp"),),
    "tftp": ((69, "udp"),),
    "smb": ((139, "tcp"), (445, "tcp")),
    "rexec": ((512, "tcp"),),
    "rlogin": ((513, "tcp"),),
    "rsh": ((514, "tcp"),),
    "snmp": ((161, "udp"),),
    "adb": ((5555, "tcp"),),
}
"""Services that no product starts unasked, with the ports that give them away.

Source:
    Recommendation 1: SSH, Telnet, SMB, FTP and every service not needed are off as shipped.
"""

OPENS_THE_GATEWAY: Final[Mapping[str, tuple[tuple[int, Transport], ...]]] = {
    "upnp-igd": (),
    "igd": (),
    "miniupnpd": (),
    "nat-pmp": ((5351, "udp"),),
    "pcp": ((5351, "udp"),),
}
"""What would open ports of the owner's gateway; refused in any product.

Source:
    Recommendation 1: UPnP-IGD is never used to open the owner's gateway.
"""


def _known_as(
    table: Mapping[str, tuple[tuple[int, Transport], ...]], service: "Service"
) -> str | None:
    plain = service.name.removesuffix("d").replace("-", "")
    for name, ports in table.items():
        if plain == name.removesuffix("d").replace("-", ""):
            return name
        if (service.port, service.protocol) in ports:
            return name
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One thing that listens, or that is promised not to be there.

    Attributes:
        name: Name for programs, for example `ssh`.
        purpose: What it is for, in plain words.
        port: Where it listens; only an absent service has none.
        protocol: `tcp` or `udp`.
        default: `off` or `on` as shipped, or `absent`: not in the image at all.
        switchable: Whether the owner can switch it on and off under the advanced options.
    """

    name: Word
    purpose: Sentence
    port: Port | None = None
    protocol: Transport = "tcp"
    default: Literal["off", "on", "absent"] = "off"
    switchable: bool = False

    def __post_init__(self) -> None:
        """Refuse nonsense."""
        must_hold(self)

    @rule
    def _listens_somewhere(self) -> Iterator[Problem]:
        if self.port is None and self.default != "absent":
            yield Problem(("port",), "a service that is not absent needs a port")

    @rule
    def _can_be_reached_at_all(self) -> Iterator[Problem]:
        if self.default == "absent" and self.switchable:
            yield Problem(("switchable",), "an absent service cannot be switched on")
        if self.default == "off" and not self.switchable:
            yield Problem(
                ("default",),
                "off and not switchable can never run: let the owner switch it, or call it absent",
            )

    @rule
    def _not_started_unasked(self) -> Iterator[Problem]:
        known = _known_as(OFF_BY_DEFAULT, self)
        if known is not None and self.default == "on":
            yield Problem(("default",), f"{known} may not be on as shipped")

    @rule
    def _leaves_the_gateway_alone(self) -> Iterator[Problem]:
        known = _known_as(OPENS_THE_GATEWAY, self)
        if known is not None and self.default != "absent":
            yield Problem(("name",), f"{known} would open the owner's gateway: never allowed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gui:
    """How the administration pages are locked in.

    Attributes:
        service: Which of the services it is; that one is on.
        user: User it runs as, never root.
        confinement: What it is locked into.
        outbound: Whether it may open connections; always false.

    Source:
        Recommendation 1: the management GUI never runs as root and sees only what it needs.
    """

    service: Word
    user: Annotated[
        str, Matching(r"[a-z_][a-z0-9_-]{0,30}", "a user name in lower-case letters and digits")
    ]
    confinement: Literal["chroot", "namespaces", "virtual-machine"]
    outbound: Literal[False] = False

    def __post_init__(self) -> None:
        """Refuse nonsense."""
        must_hold(self)

    @rule
    def _is_not_root(self) -> Iterator[Problem]:
        if self.user in {"root", "toor"}:
            yield Problem(("user",), "the administration pages may not run as root")


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Who can log in, and how it is found out who somebody is.

    Attributes:
        methods: Ways that the owner may choose among.
        roles: What a person can be; whoever claims the device gets the first.

    Source:
        Recommendation 2.
    """

    methods: Annotated[
        tuple[Literal["local", "ldap", "radius", "tacacs+"], ...], Items(1, 4), Unique()
    ]
    roles: Annotated[tuple[Word, ...], Items(1, 16), Unique()]

    def __post_init__(self) -> None:
        """Refuse nonsense."""
        must_hold(self)

    @rule
    def _nobody_is_root(self) -> Iterator[Problem]:
        for index, role in enumerate(self.roles):
            if role in {"root", "superuser"}:
                yield Problem(("roles", index), "no person is root on a device")


@dataclass(frozen=True, slots=True, kw_only=True)
class LaterDays(Mapping[str, int]):
    """For how many days an owner can put off an update, by its severity.

    Attributes:
        low: Up to 90 days.
        medium: Up to 30 days, not more than for low.
        high: Up to 14 days, not more than for medium.
        critical: Up to 7 days, not more than for high.
    """

    low: Annotated[int, Between(0, 90)] = 30
    medium: Annotated[int, Between(0, 30)] = 14
    high: Annotated[int, Between(0, 14)] = 3
    critical: Annotated[int, Between(0, 7)] = 1

    def __post_init__(self) -> None:
        """Refuse nonsense."""
        must_hold(self)

    def __getitem__(self, severity: str) -> int:
        """Give the days of one severity."""
        if severity not in tuple(self):
            raise KeyError(severity)
        days: int = getattr(self, severity)
        return days

    def __iter__(self) -> Iterator[str]:
        """Name the severities from low to critical."""
        return (field.name for field in fields(self))

    def __len__(self) -> int:
        """Count the severities."""
        return len(fields(self))

    @rule
    def _high_within_medium(self) -> Iterator[Problem]:
        yield from self._ordered("medium", "high")

    @rule
    def _medium_within_low(self) -> Iterator[Problem]:
        yield from self._ordered("low", "medium")

    @rule
    def _critical_within_high(self) -> Iterator[Problem]:
        yield from self._ordered("high", "critical")

    def _ordered(self, milder: str, graver: str) -> Iterator[Problem]:
        if getattr(self, graver) > getattr(self, milder):
            yield Problem((graver,), f"must not be more than {milder}: graver updates wait less")


_CLOCK: Final = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_SHORTEST_WINDOW_MIN: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Updates:
    """How new software gets onto the device.

    Attributes:
        channels: Kinds of releases it can follow; a new device follows the first.
        window: Time of day, local, in which it may restart by itself; may pass midnight.
        consent: `automatic` installs in the window; `ask` waits for the owner.
        later_days: For how many days an owner can put off an update, by its severity.
        health_s: Seconds in which a new version must prove itself after its first start.

    Source:
        Recommendation 3: seamless and automatic, or one click.
    """

    channels: Annotated[tuple[Word, ...], Items(1, 8), Unique()] = ("stable",)
    window: Annotated[
        str, Matching(rf"{_CLOCK}-{_CLOCK}", 'two times of day such as "02:00-05:00"')
    ] = "02:00-05:00"
    consent: Literal["automatic", "ask"] = "automatic"
    later_days: LaterDays = LaterDays()
    health_s: Annotated[int, Between(5, 3600)] = 120

    def __post_init__(self) -> None:
        """Refuse nonsense."""
        must_hold(self)

    @property
    def window_times(self) -> tuple[time, time]:
        """Begin and end of the window; the end may be on the next day."""
        begin, end = self.window.split("-")
        return time.fromisoformat(begin), time.fromisoformat(end)

    @rule
    def _window_is_long_enough(self) -> Iterator[Problem]:
        begin, end = self.window_times
        minutes = (end.hour * 60 + end.minute - begin.hour * 60 - begin.minute) % (24 * 60)
        if minutes < _SHORTEST_WINDOW_MIN:
            yield Problem(("window",), f"must last at least {_SHORTEST_WINDOW_MIN} minutes")
