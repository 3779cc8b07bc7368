"""Changes to central login that are not in force yet, and what is wrong with them, by field."""

import copy
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from holdfast.core.errors import HoldfastError
from holdfast.device.gui.desk import Shown
from holdfast.device.gui.texts import translate as _

Plain = dict[str, Any]
_TOLD = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<at>[^`]*)`)?", re.DOTALL)
_PROBLEM = re.compile(r"(?:(?P<place>[a-z_]+(?:\[\d+\])?(?:\.[a-z_]+(?:\[\d+\])?)*): )?(?P<why>.+)")
_INDEX = re.compile(r"\[(\d+)\]")
_PREFIX = "The settings of central login cannot be used: "
LABELS: Mapping[str, str] = {
    "name": "Name",
    "host": "Host name or address",
    "port": "Port",
    "transport": "Encryption",
    "timeout_s": "Seconds for one try",
    "tries": "Tries",
    "ca": "Certificate of the authority",
    "tls_name": "Name in the certificate",
    "client_certificate": "This device's own certificate",
    "warned": "The warning about plain TACACS+",
    "base": "Where people are searched",
    "bind_dn": "Account that searches",
    "direct_dn": "Pattern of the name to log in with",
    "user_filter": "Filter that finds somebody",
    "group_base": "Where groups are searched",
    "group_filter": "Filter that finds groups",
    "nested": "Groups in groups",
    "name_attribute": "Attribute with the name",
    "attributes": "Further attributes for roles",
    "servers": "Servers",
    "dead_s": "Seconds a silent server is left out",
    "order": "Order",
    "local_names": "Emergency accounts",
    "budget_s": "Seconds for one login altogether",
    "role": "Role",
    "group": "Group",
    "attribute": "Attribute",
    "value": "Value",
    "level": "Lowest level",
    "methods": "Only for",
}
"""What each field of the settings is called on pages."""
_THINGS = {
    "servers": "server {name}",
    "groups": "group {name}",
    "methods": "order for {name}",
    "roles": "role rule {name}",
}


class FieldError(HoldfastError):
    """A field of a form of central login cannot be used.

    Attributes:
        field: Name of the field.
    """

    code = "gui-central-field"
    http_status = 422

    def __init__(self, name: str, told: str, *, hint: str = "") -> None:
        super().__init__(told)
        self.field = name
        self.hint = hint


@dataclass(slots=True)
class Draft:
    """Settings as they would be.

    Attributes:
        plain: JSON of `accounts.directories.settings.CentralLogin`.
        secrets: Secrets that were typed, by name; None for one that is to be forgotten.
        known: Names of the secrets that auth has.
        is_changed: Whether anything differs from what is in force.
        is_anew: Whether what is in force could not be read, so that this takes its place.
    """

    plain: Plain
    known: tuple[str, ...]
    secrets: dict[str, str | None] = field(default_factory=dict, repr=False)
    is_changed: bool = False
    is_anew: bool = False

    def list_of(self, kind: str) -> list[Plain]:
        """Give servers, groups, methods or roles."""
        found = self.plain.get(kind)
        return list(found) if isinstance(found, list) else []

    def named(self, kind: str, name: str, *, key: str = "name") -> Plain | None:
        """Find one of them."""
        return next((one for one in self.list_of(kind) if one.get(key) == name), None)

    def has_secret(self, name: str) -> bool:
        """Whether a secret is set, or will be."""
        if name in self.secrets:
            return self.secrets[name] is not None
        return name in self.known

    def change(self, plain: Plain) -> None:
        """Take new settings, if they make sense.

        Raises:
            FieldError: They do not; it names the field.
        """
        must_make_sense(plain)
        self.plain = plain
        self.is_changed = True
        names = {one["name"] for one in self.list_of("servers")}
        self.secrets = {
            name: secret
            for name, secret in self.secrets.items()
            if name.removesuffix(".key") in names
        }

    def content(self) -> bytes:
        """Write what auth is handed."""
        return json.dumps({"settings": self.plain, "secrets": self.secrets}).encode()


def replaced(plain: Plain, kind: str, at: int | None, one: Plain | None) -> Plain:
    """Give settings in which one element of a list is put in place, added or taken out.

    Args:
        plain: The settings before.
        kind: Name of the list.
        at: Which element; None for one more.
        one: What it becomes; None to take it out.
    """
    changed = copy.deepcopy(plain)
    elements = list(changed.get(kind) or [])
    if at is None and one is not None:
        elements.append(one)
    elif at is not None and one is not None:
        elements[at] = one
    elif at is not None:
        del elements[at]
    changed[kind] = elements
    return changed


def must_make_sense(plain: Plain) -> None:
    """Judge settings by the very shapes that auth judges them by.

    Raises:
        FieldError: They cannot be used; it names the field.
    """
    # Half a page's memory: only this page needs it, and it is read from when somebody uses it.
    from holdfast.accounts.directories import settings  # noqa: PLC0415
    from holdfast.accounts.errors import CentralSettingsError  # noqa: PLC0415

    try:
        settings.of_plain(plain)
    except CentralSettingsError as error:
        raise fault_of(str(error), plain) from error


def fault_of(message: str, plain: Plain) -> FieldError:
    """Put the refusal of settings into words that name thing and field."""
    found = _TOLD.fullmatch(message.removeprefix(_PREFIX))
    what, at = (found["what"], found["at"] or "") if found else (message, "")
    lines, first = [], ""
    for problem in what.split("; "):
        parts = _PROBLEM.fullmatch(problem)
        place, why = (parts["place"] or "", parts["why"]) if parts else ("", problem)
        whole = ".".join(filter(None, (at.removeprefix("."), place)))
        name = _field_of(whole)
        first = first or name
        label = LABELS.get(name, "")
        thing = _thing_of(whole, plain)
        words = ", ".join(filter(None, (thing, _(label) if label else "")))
        lines.append(f"{words}: {_(why)}" if words else _(why))
    return FieldError(first, "; ".join(lines))


def shown_fault(error: FieldError) -> Shown:
    """Show a fault of a field in its form."""
    return Shown(message=f"{error}.".replace("..", "."), hint=_(error.hint), field=error.field)


def _field_of(place: str) -> str:
    names = [part for part in _INDEX.sub("", place).split(".") if part not in ("", "ldap")]
    return names[-1] if names else ""


def _thing_of(place: str, plain: Plain) -> str:
    found = re.match(r"(servers|groups|methods|roles)\[(\d+)\]", place)
    if found is None:
        return ""
    kind, at = found[1], int(found[2])
    elements = plain.get(kind) or []
    one = elements[at] if at < len(elements) and isinstance(elements[at], dict) else {}
    name = one.get("name") or one.get("service") or one.get("role") or at + 1
    return _(_THINGS[kind]).format(name=name)
