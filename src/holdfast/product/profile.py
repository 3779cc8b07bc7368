"""The product profile: one file that the device, the audit, the hub and the label all read."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from holdfast.core import config
from holdfast.core.config import ConfigError, Problem, having, must_hold, rule
from holdfast.core.limits import Items
from holdfast.product.behaviour import Accounts, Gui, Service, Updates
from holdfast.product.errors import ProfileError
from holdfast.product.identity import Disclosure, Identity, Keys, Platform, Support
from holdfast.product.surroundings import WATCHING, Endpoint, PersonalField, Sensor
from holdfast.product.waivers import Waiver


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Everything that a maker declares about one product.

    Attributes:
        format: Version of this format, always 1.
        identity: Who made it, and what it is.
        platform: The base that all products of the maker share.
        services: Everything that listens, or is promised to be absent; may be empty.
        gui: How the administration pages are locked in; left out if there are none.
        accounts: Who can log in, and how it is found out who somebody is.
        updates: How new software gets onto the device.
        keys: Who signs its releases.
        support: How long security updates are promised.
        disclosure: Where people report a vulnerability.
        personal_data: Everything that is kept about people; may be empty.
        endpoints: Every place that the device calls.
        sensors: Everything with which it perceives its surroundings; may be empty.
        waivers: Findings of the audit that somebody decided to live with for a while.
    """

    format: Literal[1]
    identity: Identity
    platform: Platform
    services: Annotated[tuple[Service, ...], Items(0, 200)]
    gui: Gui | None = None
    accounts: Accounts
    updates: Updates
    keys: Keys
    support: Support
    disclosure: Disclosure
    personal_data: Annotated[tuple[PersonalField, ...], Items(0, 500)]
    endpoints: Annotated[tuple[Endpoint, ...], Items(1, 200)]
    sensors: Annotated[tuple[Sensor, ...], Items(0, 200)]
    waivers: Annotated[tuple[Waiver, ...], Items(0, 500)] = ()

    def __post_init__(self) -> None:
        """Refuse nonsense."""
        must_hold(self)

    @rule
    def _services_have_names_of_their_own(self) -> Iterator[Problem]:
        seen: dict[str, int] = {}
        for index, service in having(self.services, "name"):
            if service.name in seen:
                yield Problem(
                    ("services", index, "name"),
                    f"services[{seen[service.name]}] has this name already",
                )
            seen.setdefault(service.name, index)

    @rule
    def _services_have_ports_of_their_own(self) -> Iterator[Problem]:
        seen: dict[tuple[int, str], int] = {}
        for index, service in having(self.services, "port", "protocol", "default"):
            if service.port is None or service.default == "absent":
                continue
            place = (service.port, service.protocol)
            if place in seen:
                yield Problem(
                    ("services", index, "port"),
                    f"services[{seen[place]}] has {service.protocol} port {service.port} already",
                )
            seen.setdefault(place, index)

    @rule
    def _gui_is_a_service_that_is_on(self) -> Iterator[Problem]:
        if self.gui is None:
            return
        name = self.gui.service
        named = [one for _, one in having(self.services, "name", "default") if one.name == name]
        if not named and all(hasattr(one, "name") for one in self.services):
            yield Problem(("gui", "service"), f'no service is called "{name}"')
        elif named and named[0].default != "on":
            yield Problem(("gui", "service"), f'the service "{name}" is not on as shipped')

    @rule
    def _personal_fields_are_declared_once(self) -> Iterator[Problem]:
        seen: dict[tuple[str, str], int] = {}
        for index, one in having(self.personal_data, "field", "where"):
            place = (one.field, one.where)
            if place in seen:
                yield Problem(
                    ("personal_data", index, "field"),
                    f"personal_data[{seen[place]}] declares it there already",
                )
            seen.setdefault(place, index)

    @rule
    def _endpoints_are_declared_once(self) -> Iterator[Problem]:
        seen: dict[tuple[str, int, str], int] = {}
        for index, one in having(self.endpoints, "host", "port", "protocol"):
            place = (one.host.lower(), one.port, one.protocol)
            if place in seen:
                yield Problem(
                    ("endpoints", index, "host"), f"endpoints[{seen[place]}] is the same place"
                )
            seen.setdefault(place, index)

    @rule
    def _sensors_have_names_of_their_own(self) -> Iterator[Problem]:
        seen: dict[str, int] = {}
        for index, sensor in having(self.sensors, "name"):
            if sensor.name in seen:
                yield Problem(
                    ("sensors", index, "name"),
                    f"sensors[{seen[sensor.name]}] has this name already",
                )
            seen.setdefault(sensor.name, index)

    @rule
    def _nothing_is_waived_twice(self) -> Iterator[Problem]:
        seen: dict[tuple[str, str], int] = {}
        for index, one in having(self.waivers, "rule", "place"):
            place = (one.rule, one.place)
            if place in seen:
                yield Problem(
                    ("waivers", index, "rule"), f"waivers[{seen[place]}] waives it there already"
                )
            seen.setdefault(place, index)

    @rule
    def _what_watches_people_keeps_something(self) -> Iterator[Problem]:
        if self.personal_data:
            return
        for index, sensor in having(self.sensors, "kind"):
            if sensor.kind in WATCHING:
                yield Problem(
                    ("sensors", index, "kind"),
                    f"a {sensor.kind} records people, but personal_data is empty",
                )


def read(path: Path) -> Profile:
    """Read the profile of a product.

    Raises:
        ProfileError: It cannot be read, or is wrong somewhere; holds every fault.
    """
    try:
        return config.load(path, Profile)
    except ConfigError as error:
        raise ProfileError(error.faults) from error


def parse(content: str | bytes, *, name: str = "product.toml") -> Profile:
    """Read the text of a profile.

    Args:
        content: TOML, as text or as its UTF-8 bytes.
        name: What faults call it.

    Raises:
        ProfileError: It is wrong somewhere; holds every fault.
    """
    try:
        return config.parse(content, Profile, name=name)
    except ConfigError as error:
        raise ProfileError(error.faults) from error
