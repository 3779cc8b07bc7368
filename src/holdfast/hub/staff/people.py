"""Who can log in to the hub, and what may be done about it."""

from dataclasses import dataclass

from django.conf import settings
from django.http import Http404

from holdfast.accounts.directories.asking import Tested
from holdfast.accounts.directories.settings import Server
from holdfast.hub.errors import BadRequestError, NotAllowedError
from holdfast.hub.staff import brake, central, factors, services
from holdfast.hub.staff.factors import Factors
from holdfast.hub.staff.models import Account, Login, Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """An account as the page shows it.

    Attributes:
        account: The account.
        factors: What there is beside a password.
        last: The newest login, or None.
        is_emergency: Whether this account is local whatever servers say.
    """

    account: Account
    factors: Factors
    last: Login | None
    is_emergency: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerView:
    """A server as the page shows it.

    Attributes:
        server: Its settings; there is no secret in them.
        has_secret: Whether hub.toml names a file with its secret.
        is_plain: Whether anybody on the way can change its answers.
        ends_on: Last day of its certificate if that is near, such as 2031-05-17; else empty.
    """

    server: Server
    has_secret: bool
    is_plain: bool
    ends_on: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CentralView:
    """Central login as the page shows it.

    Attributes:
        order: Methods in their order.
        local_names: Emergency accounts.
        servers: All servers.
        settings: The rest.
        providers: Providers of OpenID Connect.
    """

    order: tuple[str, ...]
    local_names: tuple[str, ...]
    servers: tuple[ServerView, ...]
    settings: object
    providers: tuple[object, ...]


def everybody() -> list[Person]:
    """Describe every account."""
    return [
        Person(
            account=account,
            factors=factors.of(account),
            last=account.logins.filter(success=True).first(),
            is_emergency=account.origin == Origin.LOCAL and central.is_emergency(account.name),
        )
        for account in Account.objects.order_by("-is_active", "name")
    ]


def change(account: Account, what: str, *, by: str, why: str) -> None:
    """Do to an account what a button says.

    Raises:
        BadRequestError: There is no such button.
        NotAllowedError: It is the last local account, or one's own.
    """
    if account.name == by:
        raise NotAllowedError("somebody else does this; your own account has a page of its own")
    if what == "off":
        services.switch(account, active=False, by=by, why=why)
    elif what == "on":
        services.switch(account, active=True, by=by, why=why)
    elif what == "unlock":
        unlock(account, by=by, why=why)
    elif what == "factors":
        factors.remove_all(account, by=by, why=why)
        services.end_sessions(account, by=by)
    else:
        raise BadRequestError("there is no such thing to do with an account")


def unlock(account: Account, *, by: str, why: str = "") -> None:
    """Let passwords and codes be heard again that were switched off after a hundred wrong ones."""
    plain = account.name.rpartition("@")[0] or account.name
    typed = account.typed or plain
    brake.opened(account.name, plain, typed, factors.counted_as(account))
    services.record(by=by, what="account.unlocked", subject=account.name, why=why)


def try_out(server: Server, *, name: str, password: str, by: str, address: str) -> Tested:
    """Try one server step by step; a wrong login counts like any other.

    Raises:
        ThrottledError: Too many wrong ones for this name lately.
        DirectoryChildError: There was no answer.
    """
    services.record(by=by, what="central_login.tested", subject=server.name)
    if not name:
        return central.try_out(server.name, password=password)
    who = brake.who(name, address, "")
    with brake.one_try(who):
        tested = central.try_out(server.name, name=name, password=password)
        if any(step == "password" and ok is False for step, ok, _told in tested.steps):
            brake.failed(who)
    return tested


def server(name: str) -> Server:
    """Find a server by name.

    Raises:
        Http404: hub.toml names none such.
    """
    for each in central.central().servers:
        if each.name == name:
            return each
    raise Http404


def central_view() -> CentralView:
    """Describe central login without its secrets."""
    methods, found = central.methods(), central.central()
    return CentralView(
        order=methods.order,
        local_names=methods.local_names,
        servers=tuple(
            ServerView(
                server=each,
                has_secret=each.name in settings.HUB.central_login_secrets,
                is_plain=each.transport == "plain",
                ends_on=central.ends_on(each.name),
            )
            for each in found.servers
        ),
        settings=found,
        providers=settings.HUB.openid,
    )
