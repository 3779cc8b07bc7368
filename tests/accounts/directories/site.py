"""All servers of central login together, settings made of them, and faults on the way to them."""

import contextlib
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from holdfast.accounts.directories import asking
from holdfast.accounts.directories.asking import Told
from holdfast.accounts.directories.settings import (
    CentralLogin,
    Group,
    RoleRule,
    Server,
    to_json,
)
from tests.accounts.directories.tacacs.conftest import PASSWORD
from tests.servers.authority import Authority
from tests.servers.fault_proxy import FaultProxy, Garbage, Refuse, Silence, fault_proxy
from tests.servers.freeradius import free_port
from tests.servers.slapd import GROUPS
from tests.servers.tacacs import TacacsServer, User
from tests.servers.udp_proxy import udp_proxy

LAG_S = 1.0
"""What a login may take beyond its budget: to start Python, and to end."""
OWN_WRONG = "this secret is another one than theirs"
ADMINS = f"cn=admins,{GROUPS}"
ROLES = (
    RoleRule(role="owner", group=ADMINS),
    RoleRule(role="owner", level=15),
    RoleRule(role="viewer", attribute="filter-id", value="readers"),
    RoleRule(role="viewer", attribute="class", value="группа-愛"),
    RoleRule(role="viewer", group=f"cn=διαχειριστές,{GROUPS}"),
    RoleRule(role="viewer", level=5),
)
OURS = ("ldap", "radius", "radsec", "tacacs", "tacacs-plain")
THEIRS = ("tacquito", "tacquito-plain")
PEOPLE = {
    "ada": User(PASSWORD),
    "bob": User("another password of his", ("priv-lvl=5",)),
    "eve": User("a third password, hers", ()),
    "Ζωή": User("κωδικός με κενά 密码"),
    "hälfte": User("eine ½ davon"),
    "ganze": User("eine 1\N{FRACTION SLASH}2 davon"),
}


@dataclass(frozen=True)
class Known:
    """A server that works, and the secrets that go with it."""

    server: Server
    secret: str = ""
    key: str = ""


@dataclass
class Site:
    """All servers, and settings made of them."""

    known: Mapping[str, Known]
    tacacs: TacacsServer
    stack: contextlib.ExitStack
    made: dict[str, Known] = field(default_factory=dict)

    def good(self, kind: str, name: str = "", **changes: Any) -> str:  # noqa: ANN401 - of Server
        """Have a server that works; gives its name."""
        name = name or f"good-{kind}"
        known = self.known[kind]
        server = replace(known.server, name=name, timeout_s=2, tries=1, **changes)
        self.made[name] = replace(known, server=server)
        return name

    def bad(self, kind: str, fault: str) -> str:
        """Have a server with a fault; gives its name."""
        name = self.good(kind, f"bad-{kind}-{fault}", **self._wrong(kind, fault))
        known = self.made[name]
        self.made[name] = replace(known, server=replace(known.server, timeout_s=1))
        if fault == "secret":
            self.made[name] = replace(self.made[name], secret=OWN_WRONG)
        return name

    def _wrong(self, kind: str, fault: str) -> dict[str, Any]:
        if fault == "secret":
            return {}
        if fault == "certificate":
            return {"ca": Authority("Another authority").pem}
        if kind == "radius":
            return {"port": self._wrong_datagrams(fault)}
        return {"port": self.proxy(fault).port}

    def _wrong_datagrams(self, fault: str) -> int:
        if fault == "dead":
            return free_port(socket.SOCK_DGRAM)
        proxy = self.stack.enter_context(udp_proxy())
        if fault == "garbage":
            proxy.at_once = lambda _: [b"HTTP/1.1 400 Bad Request\r\n\r\n"]
        return proxy.port

    def proxy(self, fault: str) -> FaultProxy:
        """Start a proxy that does what is bad."""
        faults = {
            "dead": Refuse(),
            "silent": Silence(),
            "garbage": Garbage(content=b"HTTP/1.1 400 Bad Request\r\n\r\n" * 4),
        }
        return self.stack.enter_context(fault_proxy(1, faults[fault]))

    def settings(self, groups: Mapping[str, Sequence[str]], budget_s: int = 10) -> bytes:
        used = [self.made[name].server for names in groups.values() for name in names]
        return to_json(
            CentralLogin(
                servers=tuple({one.name: one for one in used}.values()),
                groups=tuple(
                    Group(name=name, servers=tuple(each)) for name, each in groups.items()
                ),
                roles=ROLES,
                budget_s=budget_s,
            )
        )

    def secrets(self, name: str = "") -> dict[str, str]:
        chosen = {name: self.made[name]} if name else self.made
        found = {each: known.secret for each, known in chosen.items()}
        return found | {f"{each}.key": known.key for each, known in chosen.items() if known.key}

    def login(
        self,
        groups: Mapping[str, Sequence[str]],
        name: str = "ada",
        password: str = PASSWORD,
        *,
        dead: Mapping[str, float] | None = None,
        budget_s: int = 10,
    ) -> Told:
        """Log in; it must be over in time, and tell no secret."""
        began = time.monotonic()
        told = asking.login(
            self.settings(groups, budget_s),
            self.secrets(),
            name=name,
            password=password,
            source="192.0.2.7",
            groups=tuple(groups),
            dead=dead or {},
            budget_s=float(budget_s),
        )
        assert time.monotonic() - began <= budget_s + LAG_S
        self.must_be_discreet(told, password)
        return told

    def test(self, server: str, name: str = "", password: str = "") -> asking.Tested:
        """Try a server out; it must be over in time, and tell no secret."""
        began = time.monotonic()
        settings = self.settings({"one": [server]})
        tested = asking.try_out(
            settings, self.secrets(server), server=server, name=name, password=password
        )
        assert time.monotonic() - began <= 10 + LAG_S
        self.must_be_discreet(tested, password)
        return tested

    def must_be_discreet(self, told: object, password: str) -> None:
        for secret in (*self.secrets().values(), password):
            assert not secret or len(secret) < 8 or secret not in repr(told)
