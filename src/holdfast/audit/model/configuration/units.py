"""Units of systemd, and what in them really confines a service."""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

MOST_LINES: Final = 5000
_FULL = frozenset({"yes", "true", "on", "1"})


class Setting(NamedTuple):
    """One line of a unit.

    Attributes:
        value: What stands behind the equals sign.
        where: `path:line`.
    """

    value: str
    where: str


@dataclass(slots=True)
class Unit:
    """A unit with its drop-ins.

    Attributes:
        name: For example `ssh.service`.
        path: File that defines it.
        settings: By `Section.Key`; an empty value takes back what stood before.
    """

    name: str
    path: str
    settings: dict[str, list[Setting]] = field(default_factory=dict)

    def add(self, path: str, text: str) -> None:
        """Read a file into the unit."""
        section, joined, first = "", "", 0
        for number, line in enumerate(text.splitlines()[:MOST_LINES], start=1):
            plain = line.strip()
            if not joined and (not plain or plain[0] in "#;"):
                continue
            if joined and plain[:1] in {"#", ";"}:
                continue
            first = first if joined else number
            if plain.endswith("\\"):
                joined += plain[:-1] + " "
                continue
            plain, joined = joined + plain, ""
            if plain.startswith("["):
                section = plain.strip("[]")
                continue
            key, equals, value = plain.partition("=")
            if not equals:
                continue
            values = self.settings.setdefault(f"{section}.{key.strip()}", [])
            if value.strip():
                values.append(Setting(value.strip(), f"{path}:{first}"))
            else:
                values.clear()

    def all(self, key: str) -> list[Setting]:
        """Give every value of a setting."""
        return self.settings.get(key, [])

    def last(self, key: str, default: str = "") -> str:
        """Give the value that counts where only one does."""
        values = self.settings.get(key)
        return values[-1].value if values else default

    def words(self, *keys: str) -> list[str]:
        """Give the words of settings that are lists of names."""
        return [word for key in keys for one in self.all(key) for word in one.value.split()]

    def is_on(self, key: str) -> bool:
        """Read a switch."""
        return self.last(key).lower() in _FULL


_SWITCHES: Final = (
    "DynamicUser", "PrivateUsers", "PrivateNetwork", "PrivateDevices", "MemoryDenyWriteExecute",
    "RestrictNamespaces",
)  # fmt: skip
_VALUES: Final = ("RootDirectory", "RootImage", "AppArmorProfile", "SELinuxContext",
                  "InaccessiblePaths", "TemporaryFileSystem")  # fmt: skip


def walls(unit: Unit) -> tuple[str, ...]:
    """Name the settings of a service that keep code in it from the rest of the system.

    Only those that hold by themselves count: not `PrivateTmp`, `NoNewPrivileges` or
    `ProtectHome`, nor those that are silently without effect on common builds, such as
    `SocketBindDeny` and `IPAddressDeny`.
    """
    found = [name for name in _SWITCHES if unit.is_on(f"Service.{name}")]
    found += [name for name in _VALUES if unit.last(f"Service.{name}").strip("-")]
    if unit.last("Service.ProtectSystem") in {"full", "strict"}:
        found.append("ProtectSystem")
    bounding = unit.all("Service.CapabilityBoundingSet")
    emptied = "Service.CapabilityBoundingSet" in unit.settings and not bounding
    few = emptied or any(not one.value.startswith("~") for one in bounding)
    if few and not any("CAP_SYS_ADMIN" in one.value for one in bounding):
        found.append("CapabilityBoundingSet")
    filters = unit.all("Service.SystemCallFilter")
    if filters:
        found.append("SystemCallFilter")
    families = unit.last("Service.RestrictAddressFamilies")
    if families and not families.startswith("~"):
        found.append("RestrictAddressFamilies")
    return tuple(f"systemd:{name}" for name in found)
