"""Settings of central login: servers, groups of servers, methods per service, who gets which role.

The same shapes are read from `hub.toml` (by `core.config`) and from the JSON that auth keeps on a
device (by `of_json`). Secrets are not in them: a server names its secret, and whoever keeps secrets
hands it over beside the settings.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec

from holdfast.accounts.errors import CentralSettingsError
from holdfast.core.limits import Between, Items, Length, Matching, Unique
from holdfast.core.shapes import Problem, ProblemsError, having, must_hold, rule

Protocol = Literal["ldap", "radius", "tacacs+"]
NAME: Annotated[str, "pattern"] = r"[a-z0-9][a-z0-9-]{0,31}"
_HOST = r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[?[0-9A-Fa-f:.]{2,45}\]?"
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----\s*")
PORTS: Mapping[tuple[str, str], int] = {
    ("ldap", "tls"): 636,
    ("ldap", "starttls"): 389,
    ("radius", "plain"): 1812,
    ("radius", "tls"): 2083,
    ("tacacs+", "tls"): 300,
    ("tacacs+", "plain"): 49,
}
"""Default ports by protocol and transport."""
LEAST_SECRET: Final = 16
"""Characters of a shared secret, where it alone hides passwords."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ldap:
    """What only an LDAP server needs.

    Attributes:
        base: Where people are searched.
        bind_dn: Who searches; empty to bind directly as who logs in (then `direct_dn` is needed).
            Its password is the server's secret.
        direct_dn: DN of who logs in, with `{name}` in it, such as `uid={name},ou=people,dc=x`, or
            `{name}@example.test` for Active Directory.
        user_filter: Finds who logs in; `{name}` is replaced by the escaped name.
        group_base: Where groups are searched; empty for `base`.
        group_filter: Finds the groups of somebody; `{dn}` and `{name}` are replaced, escaped.
        nested: How groups in groups are found: not at all, by asking again for each group, or by
            the matching rule of Active Directory (1.2.840.113556.1.4.1941).
        name_attribute: Attribute that holds the name as it is spelt.
        attributes: Further attributes that roles may depend on.

    Source:
        RFC 4511, RFC 4513 5.1.2 (no empty passwords), RFC 4515 (escaping in filters).
    """

    base: Annotated[str, Length(0, 512)] = ""
    bind_dn: Annotated[str, Length(0, 512)] = ""
    direct_dn: Annotated[str, Length(0, 512)] = ""
    user_filter: Annotated[str, Length(1, 512)] = "(uid={name})"
    group_base: Annotated[str, Length(0, 512)] = ""
    group_filter: Annotated[str, Length(0, 512)] = (
        "(|(&(objectClass=groupOfNames)(member={dn}))(&(objectClass=posixGroup)(memberUid={name})))"
    )
    nested: Literal["no", "search", "ad"] = "no"
    name_attribute: Annotated[str, Matching(r"[A-Za-z][A-Za-z0-9-]{0,63}", "an attribute")] = "uid"
    attributes: Annotated[
        tuple[Annotated[str, Matching(r"[A-Za-z][A-Za-z0-9-]{0,63}", "an attribute")], ...],
        Items(0, 16),
    ] = ()

    def __post_init__(self) -> None:
        """Refuse nonsense."""
        must_hold(self)

    @rule
    def _somebody_is_found(self) -> Iterator[Problem]:
        if self.direct_dn and "{name}" not in self.direct_dn:
            yield Problem(("direct_dn",), "must contain {name}")
        if not self.direct_dn and not self.bind_dn:
            yield Problem(("bind_dn",), "either this or direct_dn is needed")
        if not self.direct_dn and "{name}" not in self.user_filter:
            yield Problem(("user_filter",), "must contain {name}")
        if not self.base and self.bind_dn:
            yield Problem(("base",), "is needed to search")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One server.

    Attributes:
        name: What the settings call it.
        protocol: What it speaks.
        host: Name or address.
        port: 0 for the usual one of protocol and transport.
        transport: `tls`, `starttls` (LDAP only), or `plain` (RADIUS over UDP, or TACACS+ without
            TLS, which is a choice that is warned about everywhere).
        timeout_s: Seconds for one try.
        tries: How often it is asked before it counts as unavailable (UDP and connecting only).
        ca: Certificates that its certificate must lead to, PEM; empty for the system's.
        tls_name: Name that must stand in its certificate; empty for `host`.
        client_certificate: Our own certificate, PEM; its key is the secret `NAME.key`.
        ldap: Only for LDAP.
        warned: For plain TACACS+: somebody has read that anybody on the way can change a no into a
            yes (RFC 8907 10.1), and wants it all the same.

    The secret `NAME` is the bind password, or the shared secret.
    """

    name: Annotated[str, Matching(NAME, "a short name in small letters")]
    protocol: Protocol
    host: Annotated[str, Matching(_HOST, "a host name or an address")]
    port: Annotated[int, Between(0, 65535)] = 0
    transport: Literal["tls", "starttls", "plain"] = "tls"
    timeout_s: Annotated[int, Between(1, 10)] = 3
    tries: Annotated[int, Between(1, 5)] = 2
    ca: Annotated[str, Length(0, 20000)] = ""
    tls_name: Annotated[str, Length(0, 253)] = ""
    client_certificate: Annotated[str, Length(0, 20000)] = ""
    ldap: Ldap | None = None
    warned: bool = False

    def __post_init__(self) -> None:
        """Refuse nonsense."""
        must_hold(self)

    @property
    def usual_port(self) -> int:
        """Give the port: the one that was set, else the usual one."""
        return self.port or PORTS[self.protocol, self.transport]

    @property
    def place(self) -> dict[str, object]:
        """Say where a secret goes, and what makes sure that it goes there."""
        return {
            "host": self.host.lower(),
            "protocol": self.protocol,
            "transport": self.transport,
            "port": self.usual_port,
            "ca": self.ca.strip(),
            "tls_name": self.tls_name.lower(),
        }

    @property
    def address(self) -> str:
        """Write host and port as people do."""
        host = self.host.strip("[]")
        return f"[{host}]:{self.usual_port}" if ":" in host else f"{host}:{self.usual_port}"

    @rule
    def _transport_fits(self) -> Iterator[Problem]:
        if (self.protocol, self.transport) not in PORTS:
            fitting = [transport for name, transport in PORTS if name == self.protocol]
            yield Problem(("transport",), f"{self.protocol} knows {' and '.join(fitting)}")
        if self.protocol == "tacacs+" and self.transport == "plain" and not self.warned:
            yield Problem(
                ("warned",),
                "must be true: without TLS anybody on the way can change a no into a yes",
            )
        if (self.protocol == "ldap") != (self.ldap is not None):
            yield Problem(("ldap",), "belongs to LDAP servers, and only to them")

    @rule
    def _certificates_are_certificates(self) -> Iterator[Problem]:
        for name in ("ca", "client_certificate"):
            text = getattr(self, name)
            if text and not re.fullmatch(rf"(\s*{_PEM.pattern})+", text):
                yield Problem((name,), "is not a list of certificates in PEM")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Servers that know the same people, asked in this order.

    Attributes:
        name: What methods call it.
        servers: Names of servers of one protocol.
        dead_s: Seconds for which a server that was unavailable is left out, while another is there.
    """

    name: Annotated[str, Matching(NAME, "a short name in small letters")]
    servers: Annotated[tuple[str, ...], Items(1, 8), Unique()]
    dead_s: Annotated[int, Between(0, 3600)] = 120

    def __post_init__(self) -> None:
        """Refuse nonsense."""
        must_hold(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Methods:
    """How it is found out who somebody is, for one service.

    Attributes:
        service: `gui` on a device, `hub` on the hub; `api` and `shell` are kept for what devices
            do not serve yet, and refused by their settings.
        order: Names of groups, and the word `local`; the next is asked only when no server of the
            one before could be reached, never after a refusal.
        local_names: Emergency accounts: local, whatever `order` says; reported whenever used.
    """

    service: Literal["gui", "api", "shell", "hub"]
    order: Annotated[tuple[str, ...], Items(1, 8), Unique()] = ("local",)
    local_names: Annotated[tuple[str, ...], Items(0, 4), Unique()] = ()

    def __post_init__(self) -> None:
        """Refuse nonsense."""
        must_hold(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleRule:
    """Who gets a role; the first rule that fits decides, and where none fits there is no access.

    Attributes:
        role: A role of the product profile (on a device), or `staff` (on the hub).
        group: Name or DN of a group, compared without regard to case.
        attribute: Name of an attribute, with `value`.
        value: Its value, compared exactly.
        level: Lowest privilege level that fits.
        methods: Groups of servers for which the rule holds; empty for all.
    """

    role: Annotated[str, Length(1, 32)]
    group: Annotated[str, Length(0, 512)] = ""
    attribute: Annotated[str, Length(0, 64)] = ""
    value: Annotated[str, Length(0, 253)] = ""
    level: Annotated[int, Between(0, 15)] | None = None
    methods: Annotated[tuple[str, ...], Items(0, 8)] = ()

    def __post_init__(self) -> None:
        """Refuse nonsense."""
        must_hold(self)

    @rule
    def _one_condition(self) -> Iterator[Problem]:
        if sum((bool(self.group), bool(self.attribute), self.level is not None)) != 1:
            yield Problem(("group",), "exactly one of group, attribute and level is needed")
        if bool(self.attribute) != bool(self.value):
            yield Problem(("value",), "attribute and value belong together")


@dataclass(frozen=True, slots=True, kw_only=True)
class CentralLogin:
    """All of central login.

    Attributes:
        servers: Every server.
        groups: Every group of servers.
        methods: One for each service; a service without one knows local accounts only.
        roles: In the order in which they are tried.
        budget_s: Seconds for one login altogether.
    """

    servers: Annotated[tuple[Server, ...], Items(0, 16)] = ()
    groups: Annotated[tuple[Group, ...], Items(0, 8)] = ()
    methods: Annotated[tuple[Methods, ...], Items(0, 4)] = ()
    roles: Annotated[tuple[RoleRule, ...], Items(0, 64)] = ()
    budget_s: Annotated[int, Between(2, 30)] = 10

    def __post_init__(self) -> None:
        """Refuse nonsense."""
        must_hold(self)

    def server(self, name: str) -> Server:
        """Give a server by name."""
        return next(one for one in self.servers if one.name == name)

    def group(self, name: str) -> Group:
        """Give a group by name."""
        return next(one for one in self.groups if one.name == name)

    def methods_of(self, service: str) -> Methods:
        """Give the methods of a service; local accounts only where nothing is said."""
        return next(
            (one for one in self.methods if one.service == service),
            Methods(service=service),  # type: ignore[arg-type] # the shape refuses other words
        )

    @rule
    def _names_are_unique(self) -> Iterator[Problem]:
        for field, key in (("servers", "name"), ("groups", "name"), ("methods", "service")):
            seen: set[str] = set()
            for index, one in having(getattr(self, field), key):
                name = str(getattr(one, key))
                if name in seen:
                    yield Problem((field, index, key), "is there already")
                seen.add(name)

    @rule
    def _groups_have_servers(self) -> Iterator[Problem]:
        known = {one.name: one.protocol for _, one in having(self.servers, "name", "protocol")}
        for index, group in having(self.groups, "name", "servers"):
            if group.name == "local":
                yield Problem(("groups", index, "name"), "local means the accounts kept here")
            for at, name in enumerate(group.servers):
                if name not in known:
                    yield Problem(("groups", index, "servers", at), f"there is no server {name}")
            if len({known.get(name) for name in group.servers}) > 1:
                yield Problem(("groups", index, "servers"), "must all speak the same protocol")

    @rule
    def _methods_have_groups(self) -> Iterator[Problem]:
        known = {one.name for _, one in having(self.groups, "name")} | {"local"}
        for index, methods in having(self.methods, "order"):
            for at, name in enumerate(methods.order):
                if name not in known:
                    yield Problem(("methods", index, "order", at), f"there is no group {name}")

    @rule
    def _roles_have_groups(self) -> Iterator[Problem]:
        known = {one.name for _, one in having(self.groups, "name")}
        for index, role in having(self.roles, "methods"):
            for at, name in enumerate(role.methods):
                if name not in known:
                    yield Problem(("roles", index, "methods", at), f"there is no group {name}")


def of_json(content: bytes | str) -> CentralLogin:
    """Read settings from JSON.

    Raises:
        CentralSettingsError: They are faulty; it names the place.
    """
    try:
        return of_plain(msgspec.json.decode(content))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CentralSettingsError("they are not JSON") from error


def to_json(settings: CentralLogin) -> bytes:
    """Write settings as JSON; there is no secret in them."""
    return msgspec.json.encode(settings)


def of_plain(plain: Any) -> CentralLogin:  # noqa: ANN401 - whatever stood in a file
    """Read settings from dictionaries and lists.

    Raises:
        CentralSettingsError: They are faulty; it names the place.
    """
    try:
        settings = msgspec.convert(plain, type=CentralLogin)
    except (msgspec.ValidationError, ProblemsError) as error:
        raise CentralSettingsError(str(error)) from error
    for place in _unknown(plain, msgspec.to_builtins(settings), ""):
        raise CentralSettingsError(f"{place} is not known")
    wrong = tuple(filter_problems(settings))
    if wrong:
        raise CentralSettingsError(str(ProblemsError(wrong)))
    return settings


def filter_problems(settings: CentralLogin) -> Iterator[Problem]:
    """Find the LDAP filters that are none; logins would only ever be "unavailable" with them.

    No rule of the shape, since it needs code of the protocol, which is asked for only where
    settings are saved or a program starts.
    """
    for index, server in enumerate(settings.servers):
        if server.ldap is not None:
            # Imported here: the code of the protocol itself imports this module.
            from holdfast.accounts.directories.ldap.filters import wrong_gaps  # noqa: PLC0415

            for field, reason in wrong_gaps(server.ldap):
                yield Problem(("servers", index, "ldap", field), reason)


def must_have_long_secrets(settings: CentralLogin, secrets: Mapping[str, str | None]) -> None:
    """Refuse shared secrets that are set now and can be found out by trying.

    Under TLS they hide nothing, so there they may be as short as `radsec`. A bind password is none.

    Args:
        settings: Of the servers.
        secrets: By name of the server, those that are set now.

    Raises:
        CentralSettingsError: One is too short; it names the server, and none of the secret.

    Source:
        RFC 8907 10.5.1 (clients should take none below 16 characters); RFC 2865 3 (at least 16
        octets); RFC 9765 (under TLS they have no use).
    """
    short = tuple(
        Problem(
            ("servers", index, "shared"),
            f"has fewer than {LEAST_SECRET} characters, and whoever sees one packet can try out "
            "all such secrets at home and then read passwords (set a longer one on both sides)",
        )
        for index, server in enumerate(settings.servers)
        if server.protocol != "ldap"
        and server.transport == "plain"
        and len(secrets.get(server.name) or "x" * LEAST_SECRET) < LEAST_SECRET
    )
    if short:
        raise CentralSettingsError(str(ProblemsError(short)))


def _unknown(given: Any, read: Any, place: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
    """Find the keys that were passed over; a misspelt one would change nothing, silently."""
    if isinstance(given, dict) and isinstance(read, dict):
        for key, value in given.items():
            inner = f"{place}.{key}" if place else str(key)
            if key in read:
                yield from _unknown(value, read[key], inner)
            else:
                yield inner
    elif isinstance(given, list | tuple) and isinstance(read, list | tuple):
        for index, (one, other) in enumerate(zip(given, read, strict=False)):
            yield from _unknown(one, other, f"{place}[{index}]")
