"""From the forms of central login to its settings: texts to numbers, lists and tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.device.gui.central_draft import FieldError, Plain, labelled
from holdfast.device.gui.forms import one
from holdfast.device.gui.texts import translate as _

PROTOCOLS: Mapping[str, str] = {
    "ldap": "LDAP or Active Directory",
    "radius": "RADIUS",
    "tacacs+": "TACACS+",
}
"""Protocols that servers speak, for people."""
TRANSPORTS: Mapping[str, Mapping[str, str]] = {
    "ldap": {
        "tls": "TLS from the first byte (LDAPS, port 636)",
        "starttls": "TLS on the usual port (StartTLS, port 389)",
    },
    "radius": {
        "tls": "TLS (RadSec, port 2083)",
        "plain": "UDP with the shared secret alone (port 1812)",
    },
    "tacacs+": {
        "tls": "TLS 1.3 (port 300)",
        "plain": "Without TLS (port 49): read the warning below",
    },
}
"""Encryption by protocol, the recommended one first."""
STEPS: Mapping[str, str] = {
    "settings": "Settings",
    "name": "Name of the server",
    "route": "Way to the server",
    "tls": "Encryption and certificate",
    "secret": "Shared secret",
    "bind": "Account that searches",
    "search": "Finding who logs in",
    "password": "Name and password",
    "role": "Role",
}
"""Steps of a test, for people."""
NO_RULE: Mapping[str, Any] = {
    "role": "",
    "group": "",
    "attribute": "",
    "value": "",
    "level": None,
    "methods": [],
}
"""A role rule as the form first shows it."""
MOST_IN_ORDER = 4
_LDAP_TEXTS = (
    "base",
    "bind_dn",
    "direct_dn",
    "user_filter",
    "group_base",
    "group_filter",
    "nested",
    "name_attribute",
)
# What servers are told about in the words of the settings, which the pages do not show.
_ENDINGS: Mapping[str, str] = {
    "signs it into ca": 'signs it into "Certificate of the authority"',
    "set transport to starttls": 'choose StartTLS under "Encryption"',
    "set transport to tls": 'choose TLS from the first byte under "Encryption"',
}
_SERVER_TEXTS = ("ca", "tls_name", "client_certificate")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """One step of a test, as the page shows it.

    Attributes:
        kind: `past` where it worked, `bad` where it failed, empty where it was not tried.
        word: The same as a word, for nobody sees colours alone.
        title: Which step.
        told: What was seen, or what to do.
    """

    kind: str
    word: str
    title: str
    told: str


def number(fields: Mapping[str, str], name: str, *, otherwise: int) -> int:
    """Read a whole number.

    Raises:
        FieldError: It is none.
    """
    typed = one(fields, name).strip()
    if not typed:
        return otherwise
    if not (typed.isascii() and typed.isdecimal() and len(typed) <= len("65535")):
        raise FieldError(name, _("This must be a whole number"))
    return int(typed)


def words(text: str) -> list[str]:
    """Read a list that is typed with commas or lines between."""
    return [part.strip() for part in text.replace("\n", ",").split(",") if part.strip()]


def unix(text: str) -> str:
    """Give a text of several lines as it was, but for the line ends of browsers."""
    return text.replace("\r\n", "\n").strip()


def server_of(fields: Mapping[str, str], *, name: str, protocol: str) -> Plain:
    """Read a server.

    Raises:
        FieldError: A number is none.
    """
    server: Plain = {
        "name": name,
        "protocol": protocol,
        "host": one(fields, "host").strip(),
        "port": number(fields, "port", otherwise=0),
        "transport": one(fields, "transport") or next(iter(TRANSPORTS[protocol])),
        "timeout_s": number(fields, "timeout_s", otherwise=3),
        "tries": number(fields, "tries", otherwise=2),
        **{field: unix(one(fields, field)) for field in _SERVER_TEXTS},
        "warned": one(fields, "warned") == "yes",
    }
    if protocol == "ldap":
        given = {field: unix(one(fields, field)) for field in _LDAP_TEXTS}
        # What is left empty is what most directories want, not nothing.
        kept = {field: text for field, text in given.items() if text}
        server["ldap"] = {**kept, "attributes": words(one(fields, "attributes"))}
    return server


def secrets_of(fields: Mapping[str, str], server: Plain) -> dict[str, str | None]:
    """Read the secrets that were typed for a server; what was left empty stays as it is."""
    found: dict[str, str | None] = {}
    name = server["name"]
    if one(fields, "shared"):
        found[name] = one(fields, "shared")
    elif one(fields, "forget") == "yes":
        found[name] = None
    if server["client_certificate"] and one(fields, "key").strip():
        found[f"{name}.key"] = unix(one(fields, "key")) + "\n"
    return found


def group_of(fields: Mapping[str, str], *, name: str, servers: Sequence[str]) -> Plain:
    """Read a group; its servers come in the order of their numbers.

    Raises:
        FieldError: A number is none.
    """
    ranked = []
    for server in servers:
        rank = number(fields, f"rank-{server}", otherwise=0)
        if rank:
            ranked.append((rank, server))
    return {
        "name": name,
        "servers": [server for _rank, server in sorted(ranked, key=lambda pair: pair[0])],
        "dead_s": number(fields, "dead_s", otherwise=120),
    }


def methods_of(fields: Mapping[str, str], *, service: str) -> Plain:
    """Read the order for a service."""
    chosen = [one(fields, f"order{at}") for at in range(MOST_IN_ORDER)]
    return {
        "service": service,
        "order": [name for name in chosen if name],
        "local_names": words(one(fields, "local_names")),
    }


def role_of(fields: Mapping[str, str], *, groups: Sequence[str]) -> Plain:
    """Read a role rule.

    Raises:
        FieldError: A number is none.
    """
    by = one(fields, "by")
    rule: Plain = {
        "role": one(fields, "role"),
        "methods": [name for name in groups if one(fields, f"for-{name}") == "yes"],
    }
    if by == "level":
        if not one(fields, "level").strip():
            raise FieldError("level", _("A level from 0 to 15 is needed"))
        rule["level"] = number(fields, "level", otherwise=0)
    elif by == "attribute":
        rule["attribute"] = one(fields, "attribute").strip()
        rule["value"] = one(fields, "value")
    else:
        rule["group"] = one(fields, "group").strip()
    return rule


def defaults_of(protocol: str) -> Plain:
    """Give a server as the form first shows it."""
    server: Plain = {
        "name": "",
        "protocol": protocol,
        "host": "",
        "port": 0,
        "transport": next(iter(TRANSPORTS[protocol])),
        "timeout_s": 3,
        "tries": 2,
        "ca": "",
        "tls_name": "",
        "client_certificate": "",
        "warned": False,
    }
    return {**server, "ldap": ldap_defaults()} if protocol == "ldap" else server


def ldap_defaults() -> Plain:
    """Give what only LDAP has, as `accounts.directories.settings` presets it."""
    from holdfast.accounts.directories.settings import Ldap  # noqa: PLC0415 - as in central_draft

    return {name: field.default for name, field in Ldap.__dataclass_fields__.items()}


def whole(server: Plain) -> Plain:
    """Give a server with every field that the form shows."""
    filled = {**defaults_of(server["protocol"]), **server}
    if filled["protocol"] == "ldap":
        filled["ldap"] = {**ldap_defaults(), **(server.get("ldap") or {})}
    return filled


def rule_text(rule: Plain) -> str:
    """Say in words when a role rule fits."""
    if rule.get("level") is not None:
        told = _("level {level} or higher").format(level=rule["level"])
    elif rule.get("attribute"):
        told = _("{attribute} is {value}").format(attribute=rule["attribute"], value=rule["value"])
    else:
        told = _("in the group {group}").format(group=rule.get("group", ""))
    methods = rule.get("methods") or []
    if methods:
        told += " " + _("(only for {methods})").format(methods=", ".join(methods))
    return told


def step_view(step: Mapping[str, Any]) -> StepView:
    """Show one step of a test."""
    kind, word = "", _("not tried")
    if step.get("ok") is True:
        kind, word = "past", _("worked")
    elif step.get("ok") is False:
        kind, word = "bad", _("failed")
    name, told = str(step.get("name", "")), labelled(str(step.get("told", "")))
    for ending, instead in _ENDINGS.items():
        if told.removesuffix(".").endswith(ending):
            told = told.removesuffix(".").removesuffix(ending) + _(instead)
    return StepView(kind=kind, word=word, title=_(STEPS.get(name, name)), told=told)
