"""Changes to central login that are not in force yet, and what is wrong with them, by field."""

import copy
import json
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from holdfast.core.errors import HoldfastError
from holdfast.device.gui.desk import Shown, sentence
from holdfast.device.gui.texts import translate as _

Plain = dict[str, Any]
_TOLD = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<at>[^`]*)`)?", re.DOTALL)
_PROBLEM = re.compile(r"(?:(?P<place>[a-z_]+(?:\[\d+\])?(?:\.[a-z_]+(?:\[\d+\])?)*): )?(?P<why>.+)")
_INDEX = re.compile(r"\[(\d+)\]")
_FIELD = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b")
_MOVED = re.compile(r"servers\[(\d{1,3})\]\.[a-z_]+: the secret of [^;]*; type it again")
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
    "shared": "Shared secret",
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
    "groups": "Groups of servers",
    "roles": "Rules for roles",
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
        before: The settings in force; the secrets that auth has were typed for these.
    """

    plain: Plain
    known: tuple[str, ...]
    secrets: dict[str, str | None] = field(default_factory=dict, repr=False)
    is_changed: bool = False
    is_anew: bool = False
    before: Plain = field(default_factory=dict)

    def list_of(self, kind: str) -> list[Plain]:
        """Give servers, groups, methods or roles."""
        found = self.plain.get(kind)
        return list(found) if isinstance(found, list) else []

    def named(self, kind: str, name: str, *, key: str = "name") -> Plain | None:
        """Find one of them."""
        return next((one for one in self.list_of(kind) if one.get(key) == name), None)

    def is_asked(self, name: str) -> bool:
        """Whether an order names a group with this server; else only a test asks it."""
        groups = {one["name"] for one in self.list_of("groups") if name in one["servers"]}
        return any(groups & set(one["order"]) for one in self.list_of("methods"))

    def has_secret(self, name: str) -> bool:
        """Whether a secret is set, or will be."""
        if name in self.secrets:
            return self.secrets[name] is not None
        return name in self.known

    def change(self, plain: Plain, typed: Mapping[str, str | None] = MappingProxyType({})) -> None:
        """Take new settings, if they make sense, and secrets that were typed for them.

        Raises:
            FieldError: They do not; it names the field.
        """
        secrets = {**self.secrets, **typed}
        must_make_sense(plain, secrets)
        must_stay(plain, set(self.known) - set(secrets), self.before)
        self.plain = plain
        self.is_changed = True
        names = {one["name"] for one in self.list_of("servers")}
        self.secrets = {
            name: secret for name, secret in secrets.items() if name.removesuffix(".key") in names
        }

    def moved(self, message: str) -> tuple[Plain, FieldError] | None:
        """Find the server whose secret auth does not send to another place, as it says.

        That happens where somebody else changed what is in force since this was begun.
        """
        found = _MOVED.search(message)
        servers = self.list_of("servers")
        if found is None or int(found[1]) >= len(servers):
            return None
        server = servers[int(found[1])]
        return server, _to_be_typed_again(server["name"])

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


def must_make_sense(plain: Plain, secrets: Mapping[str, str | None] = MappingProxyType({})) -> None:
    """Judge settings, and secrets that were typed, by the very rules that auth judges them by.

    Raises:
        FieldError: They cannot be used; it names the field.
    """
    # Half a page's memory: only this page needs it, and it is read from when somebody uses it.
    from holdfast.accounts.directories import settings  # noqa: PLC0415
    from holdfast.accounts.errors import CentralSettingsError  # noqa: PLC0415

    try:
        settings.must_have_long_secrets(settings.of_plain(plain), secrets)
    except CentralSettingsError as error:
        raise fault_of(str(error), plain) from error


def must_stay(plain: Plain, staying: Container[str], before: Plain) -> None:
    """Refuse to move a server along with a secret that nobody typed now, as auth would later.

    Later is too late: the code that confirms would be used up.

    Raises:
        FieldError: The secret is to be typed again.
    """
    # As in `must_make_sense`.
    from holdfast.accounts.directories import settings  # noqa: PLC0415
    from holdfast.accounts.errors import CentralSettingsError  # noqa: PLC0415

    try:
        known = {one.name: one.place for one in settings.of_plain(before).servers}
    except CentralSettingsError:
        known = {}
    for server in settings.of_plain(plain).servers:
        if server.name in staying and known.get(server.name) != server.place:
            raise _to_be_typed_again(server.name)


def _to_be_typed_again(name: str) -> FieldError:
    return FieldError(
        "shared",
        _("The secret of {name} was typed for another place or encryption").format(name=name),
        hint=_("It goes nowhere else by itself: type it again here, or have it forgotten."),
    )


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
        told = labelled(_(why))
        lines.append(f"{words}: {told}" if words else told)
    return FieldError(first, "; ".join(lines))


def shown_fault(error: FieldError) -> Shown:
    """Show a fault of a field in its form."""
    return Shown(
        message=sentence(f"{error}.".replace("..", ".")), hint=_(error.hint), field=error.field
    )


def labelled(told: str) -> str:
    """Put what fields are called on pages in place of their names in the settings."""

    def label_of(found: re.Match[str]) -> str:
        label = LABELS.get(found[0])
        return f'"{_(label)}"' if label else found[0]

    return _FIELD.sub(label_of, told)


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
