"""Central login on the hub: a real OpenLDAP server behind the pages, and life without it."""

import unicodedata
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from structlog.testing import capture_logs

from holdfast.accounts.directories.settings import (
    CentralLogin,
    Group,
    Methods,
    RoleRule,
    Server,
)
from holdfast.accounts.errors import DirectoryChildError, ThrottledError
from holdfast.core.clock import now
from holdfast.hub.errors import NoAccessError
from holdfast.hub.staff import brake, central, entrance, known, people, services
from holdfast.hub.staff.models import Account, Entry, Login
from tests.hub.doors import fill_in, prove
from tests.hub.staff.attempts import forget_failures
from tests.servers.authority import Authority
from tests.servers.slapd import (
    PASSWORDS,
    READER_PASSWORD,
    Slapd,
    group_dn,
    person,
    running_slapd,
)

pytestmark = pytest.mark.servers
LOCAL = "seven plain words nobody would guess"
MAIL = "mia@example.test"
STAFF = (RoleRule(role="staff", group=group_dn("staff")),)
Configure = Callable[..., None]


@pytest.fixture(scope="module")
def slapd(need: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    mia = person("mia", PASSWORDS["ada"], mail=MAIL, employeeType="operator")
    with running_slapd(need, tmp_path_factory.mktemp("slapd"), more=mia) as server:
        yield server


@pytest.fixture
def configure(db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Configure]:
    """Write settings of central login into the hub's."""
    del db
    secret = tmp_path / "reader"
    secret.write_text(READER_PASSWORD + "\n")

    def write(server: Server, **methods: Any) -> None:  # noqa: ANN401 - of Methods
        order = methods.pop("order", ("corp", "local"))
        roles = methods.pop("roles", STAFF)
        made = CentralLogin(
            servers=(server,),
            groups=(Group(name="corp", servers=(server.name,)),),
            methods=(Methods(service="hub", order=order, **methods),),
            roles=roles,
            budget_s=5,
        )
        hub = replace(settings.HUB, central_login=made, central_login_secrets={server.name: secret})
        monkeypatch.setattr(settings, "HUB", hub)
        central.forget()

    yield write
    central.forget()


def enter(name: str, password: str) -> entrance.Entered | None:
    forget_failures()
    return entrance.enter(entrance.Attempt.of(name=name, password=password, address="192.0.2.1"))


def dead(slapd: Slapd) -> Server:
    return slapd.settings(port=1, timeout_s=1, tries=1)


def test_staff_of_the_directory_come_in_through_the_page(
    slapd: Slapd, configure: Configure, client: Client
) -> None:
    configure(slapd.settings())
    answer = fill_in(client, "/login/?next=/trail/", name="ada", password=PASSWORDS["ada"])
    assert answer.headers["Location"] == "/trail/"
    account = Account.objects.get()
    assert (account.name, account.origin) == ("ada@corp", "directory")
    assert not account.has_usable_password()
    assert Login.objects.get().how == "corp"
    page = client.get("/trail/").content.decode()
    assert "ada@corp came by central login" in page
    # A dangerous page asks the directory again.
    session = client.session
    session["proved_ms"] = 0
    session.save()
    assert fill_in(client, "/confirm/?next=/tokens/", password="wrong").status_code == 422
    forget_failures()
    confirmed = fill_in(client, "/confirm/?next=/tokens/", password=PASSWORDS["ada"])
    assert confirmed.headers["Location"] == "/tokens/"
    assert client.get("/account/password/").status_code in {200, 403}
    assert PASSWORDS["ada"] not in str(list(Account.objects.values()))


@pytest.mark.parametrize(
    ("name", "password", "comes_in"),
    [
        ("ada", PASSWORDS["ada"], True),
        ("ada", "wrong", False),
        ("ada", "", False),  # would succeed as an anonymous bind
        ("nobody-at-all", "x", False),
        ("*", PASSWORDS["ada"], False),
        ("ada)(uid=*", PASSWORDS["ada"], False),
        ("ada@corp", PASSWORDS["ada"], False),
        ("ada\0", PASSWORDS["ada"], False),
        ("ada", PASSWORDS["ada"] + "\0", False),
        ("ada", "\ud800", False),
        ("x" * 65, "x", False),
    ],
)
def test_the_directory_decides(
    slapd: Slapd, configure: Configure, name: str, password: str, *, comes_in: bool
) -> None:
    configure(slapd.settings())
    found = enter(name, password)
    assert (found is not None) is comes_in


@pytest.mark.parametrize("name", ["小明", "Ünsal Çelik", "o'neil (sales)"])
def test_names_of_all_scripts(slapd: Slapd, configure: Configure, name: str) -> None:
    configure(
        slapd.settings(attributes=("employeeType",)),
        roles=(RoleRule(role="staff", attribute="employeetype", value="operator"),),
    )
    found = enter(name, PASSWORDS[name])
    assert found is not None
    assert found.account.name == f"{name.lower()}@corp"


def test_a_password_of_two_forms_comes_in_as_it_was_set(slapd: Slapd, configure: Configure) -> None:
    role = RoleRule(role="staff", attribute="employeetype", value="operator")
    configure(slapd.settings(attributes=("employeeType",)), roles=(role,))
    for name in ("hälfte", "ganze"):
        assert enter(name, "eine ½ davon") is not None
        assert enter(unicodedata.normalize("NFD", name), "eine ½ davon") is not None
    assert enter("ganze", "eine ½ davon!") is None
    assert Account.objects.count() == 2


def test_without_a_role_there_is_no_access(slapd: Slapd, configure: Configure) -> None:
    configure(slapd.settings(), roles=(RoleRule(role="staff", group=group_dn("admins")),))
    with pytest.raises(NoAccessError):
        enter("ada", PASSWORDS["ada"])
    assert not Account.objects.exists()
    assert Entry.objects.get().what == "account.had_no_role"


def test_a_role_that_was_lost_is_lost_at_the_next_login(slapd: Slapd, configure: Configure) -> None:
    configure(slapd.settings())
    assert enter("ada", PASSWORDS["ada"]) is not None
    configure(slapd.settings(), roles=(RoleRule(role="staff", group="others"),))
    with pytest.raises(NoAccessError):
        enter("ada", PASSWORDS["ada"])


def test_a_no_of_the_directory_ends_it(slapd: Slapd, configure: Configure) -> None:
    """The local account of the same name is another person, asked only without a directory."""
    configure(slapd.settings())
    services.add_account("ada", LOCAL, by="system")
    assert enter("ada", LOCAL) is None
    configure(dead(slapd))
    found = enter("ada", LOCAL)
    assert found is not None
    assert found.account.origin == "local"
    entry = Entry.objects.get(what="account.local_used")
    assert '"servers_unreached": true' in entry.facts


def test_an_emergency_account_is_always_local_and_reported(
    slapd: Slapd, configure: Configure
) -> None:
    configure(slapd.settings(), order=("corp",), local_names=("breakglass",))
    services.add_account("breakglass", LOCAL, by="system")
    found = enter("breakglass", LOCAL)
    assert found is not None
    assert enter("breakglass", "wrong") is None
    entry = Entry.objects.get(what="account.local_used")
    assert '"emergency": true' in entry.facts


def test_an_emergency_account_is_one_in_capitals_too(slapd: Slapd, configure: Configure) -> None:
    configure(slapd.settings(), order=("corp",), local_names=("Breakglass",))
    account = services.add_account("breakglass", LOCAL, by="system")
    found = enter("BREAKGLASS", LOCAL)
    assert found is not None
    assert found.account == account
    assert [one.is_emergency for one in people.everybody()] == [True]


def test_a_certificate_that_ends_soon_is_told_once_a_day(
    slapd: Slapd,
    configure: Configure,
    staff_client: Client,
    need: Callable[[str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    authority, lasts = Authority(), timedelta(days=3, minutes=1)
    ends = (now() + lasts).date().isoformat()
    (tmp_path / "slapd").mkdir()
    with running_slapd(
        need, tmp_path / "slapd", authority=authority, issued=authority.issue(lasts=lasts)
    ) as ending:
        configure(ending.settings())
        with capture_logs() as lines:
            for password in (PASSWORDS["ada"], "wrong"):
                enter("ada", password)
        told = [line for line in lines if line["event"] == "central_login.certificate_ends"]
        assert [(line["log_level"], line["server"], line["on"]) for line in told] == [
            ("warning", "directory", ends)
        ]
        assert f"ends on {ends}" in staff_client.get("/central-login/").content.decode()
        monkeypatch.setattr(central, "now", lambda: now() + timedelta(days=1))
        with capture_logs() as lines:
            enter("ada", PASSWORDS["ada"])
        assert [line["on"] for line in lines if "on" in line] == [ends]
    # A server that cannot be reached keeps the warning, one with a new certificate ends it.
    reached = settings.HUB.central_login.servers[0]
    configure_again = replace(reached, port=slapd.tls_port, ca=slapd.authority.pem)
    monkeypatch.setattr(
        settings,
        "HUB",
        replace(
            settings.HUB,
            central_login=replace(settings.HUB.central_login, servers=(configure_again,)),
        ),
    )
    with suppress(DirectoryChildError):
        enter("ada", PASSWORDS["ada"])
    assert central.ends_on("directory") == ends
    central._settings_json.cache_clear()
    assert enter("ada", PASSWORDS["ada"]) is not None
    assert central.ends_on("directory") == ""


def test_a_local_password_is_not_shown_to_the_directory_to_confirm_it(
    slapd: Slapd, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(slapd.settings())
    account = services.add_account("ada", LOCAL, by="system")
    asked: list[object] = []
    monkeypatch.setattr(central, "ask", lambda *args, **more: asked.append((args, more)))
    assert entrance.confirms(account, LOCAL, address="192.0.2.1", cookie="")
    brake.forget()
    assert not entrance.confirms(account, "wrong", address="192.0.2.1", cookie="")
    assert not asked


def test_who_logs_in_by_mail_address_shows_it_again_by_the_same(
    slapd: Slapd, configure: Configure, client: Client
) -> None:
    """The directory calls her mia, and knows nobody of that name when it is asked."""
    by_mail = slapd.settings(user_filter="(mail={name})", attributes=("employeeType",))
    operators = RoleRule(role="staff", attribute="employeetype", value="operator")
    configure(by_mail, roles=(operators,))
    password = PASSWORDS["ada"]
    assert fill_in(client, "/login/", name=MAIL, password=password).status_code == 302
    account = Account.objects.get()
    assert account.name == "mia@corp"
    confirmed = fill_in(client, "/confirm/?next=/tokens/", password=password)
    assert confirmed.headers["Location"] == "/tokens/"
    assert fill_in(client, "/confirm/", password="wrong").status_code == 422
    assert Login.objects.filter(account=account, success=False).count() == 1
    # Strangers who guess do not keep her out of a browser that is known, and unlocking helps.
    cookie = client.cookies[known.cookie_name()].value
    for _guess in range(3):
        stranger = entrance.Attempt.of(name=MAIL, password="guess", address="198.51.100.7")
        with suppress(ThrottledError):
            entrance.enter(stranger)
    with pytest.raises(ThrottledError):
        entrance.enter(entrance.Attempt.of(name=MAIL, password=password, address="198.51.100.7"))
    attempt = entrance.Attempt.of(
        name=MAIL, password=password, address="198.51.100.7", cookie=cookie
    )
    found = entrance.enter(attempt)
    assert found is not None
    assert found.account == account


def test_without_servers_and_local_accounts_it_is_said_that_nobody_could_be_asked(
    slapd: Slapd, configure: Configure, client: Client
) -> None:
    configure(dead(slapd), order=("corp",))
    services.add_account("ada", LOCAL, by="system")
    with pytest.raises(DirectoryChildError):
        enter("ada", LOCAL)
    answer = fill_in(client, "/login/", name="ada", password="x")
    assert answer.status_code == 503
    assert b"could not be asked" in answer.content


def test_local_first_still_asks_the_directory_for_others(
    slapd: Slapd, configure: Configure
) -> None:
    configure(slapd.settings(), order=("local", "corp"))
    services.add_account("bob", LOCAL, by="system")
    assert enter("ada", PASSWORDS["ada"]) is not None
    local = enter("bob", LOCAL)
    assert local is not None
    assert local.account.name == "bob"
    # A local name is the local person; a wrong password is not tried elsewhere.
    assert enter("bob", PASSWORDS["bob"]) is None


def test_a_secret_that_cannot_be_read_stops_nobody_with_a_local_account(
    slapd: Slapd, configure: Configure
) -> None:
    configure(slapd.settings())
    settings.HUB.central_login_secrets["directory"].unlink()
    services.add_account("ada", LOCAL, by="system")
    assert enter("ada", LOCAL) is not None


def test_the_page_tests_a_server_in_words(
    slapd: Slapd, configure: Configure, staff_client: Client
) -> None:
    configure(slapd.settings())
    prove(staff_client)
    page = staff_client.get("/central-login/").content.decode()
    assert "directory" in page
    assert READER_PASSWORD not in page
    tested = staff_client.post(
        "/central-login/directory/", {"name": "ada", "password": PASSWORDS["ada"]}
    ).content.decode()
    assert "The role would be staff" in tested
    assert PASSWORDS["ada"] not in tested
    assert READER_PASSWORD not in tested
    wrong = staff_client.post("/central-login/directory/", {"name": "ada", "password": "x"})
    assert wrong.status_code == 200
    assert "chip bad" in wrong.content.decode()
    configure(dead(slapd))
    away = staff_client.post("/central-login/directory/", {"name": ""}).content.decode()
    assert "chip bad" in away
    assert staff_client.get("/central-login/other/").status_code == 404
    assert Entry.objects.filter(what="central_login.tested").count() == 3


def test_testing_a_server_is_no_place_for_guessing(
    slapd: Slapd, configure: Configure, staff_client: Client
) -> None:
    configure(slapd.settings())
    brake.forget()
    answers = [
        staff_client.post("/central-login/directory/", {"name": name, "password": "guess"})
        for name in ("ada", "ADA", "ada", "Ada")
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    with pytest.raises(ThrottledError):
        entrance.enter(entrance.Attempt.of(name="ada", password="x", address="127.0.0.1"))


def test_who_has_no_role_cannot_fill_the_trail(slapd: Slapd, configure: Configure) -> None:
    configure(slapd.settings(), roles=(RoleRule(role="staff", group=group_dn("admins")),))
    for _try in range(3):
        with pytest.raises(NoAccessError):
            enter("ada", PASSWORDS["ada"])
    assert Entry.objects.count() == 1
