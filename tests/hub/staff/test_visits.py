"""Accounting: a real TACACS+ server is told who came to the hub and who left."""

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

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
from holdfast.hub.moments import MINUTE_MS
from holdfast.hub.staff import central, services
from tests.hub.doors import fill_in
from tests.servers.tacacs import Manners, TacacsServer, User, tacacs_server

pytestmark = pytest.mark.servers
KEY = "a shared secret of 36 characters...."
PASSWORD = "correct horse battery staple"
LOCAL = "seven plain words nobody would guess"
ACCOUNTING = 3
Serve = Callable[..., TacacsServer]


@pytest.fixture
def serve(db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Start a server that knows ada, and have the hub ask it."""
    del db
    secret = tmp_path / "tac"
    secret.write_text(KEY + "\n")

    def start(manners: Manners | None = None, *, tries: int = 1) -> TacacsServer:
        people = {"ada": User(PASSWORD)}
        server = stack.enter_context(tacacs_server(people, key=KEY, manners=manners))
        asked = Server(
            name="tac", protocol="tacacs+", host="127.0.0.1", port=server.port,
            transport="plain", warned=True, timeout_s=2, tries=tries,
        )  # fmt: skip
        made = CentralLogin(
            servers=(asked,),
            groups=(Group(name="corp", servers=("tac",)),),
            methods=(Methods(service="hub", order=("corp", "local")),),
            roles=(RoleRule(role="staff", level=15),),
        )
        hub = replace(settings.HUB, central_login=made, central_login_secrets={"tac": secret})
        monkeypatch.setattr(settings, "HUB", hub)
        central.forget()
        return server

    with ExitStack() as stack:
        yield start
        finish()
    central.forget()


def finish() -> None:
    """Wait until nothing is on its way any more."""
    for thread in threading.enumerate():
        if thread.name == "login-record":
            thread.join(15)
            assert not thread.is_alive()


def log_in(client: Client, name: str = "ada", password: str = PASSWORD) -> None:
    assert fill_in(client, "/login/", name=name, password=password).status_code == 302


def log_out(client: Client) -> None:
    page = client.get("/account/").content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert token
    answer = client.post("/logout/", {"csrfmiddlewaretoken": token[1]})
    assert answer.headers["Location"] == "/login/"


def words_of(record: list[str]) -> dict[str, str]:
    return dict(word.split("=", 1) for word in record if "=" in word)


def test_the_server_is_told_who_came_and_who_left(serve: Serve, client: Client) -> None:
    server = serve()
    log_in(client)
    finish()
    ((flags, name, source, *arguments),) = server.records
    assert (flags, name, source) == ("2", "ada", "127.0.0.1")
    start = words_of(arguments)
    key = client.cookies["hub"].value
    assert start["task_id"]
    assert start["task_id"] not in key
    log_out(client)
    finish()
    flags, name, _source, *arguments = server.records[1]
    assert (flags, name) == ("4", "ada")
    stop = words_of(arguments)
    assert stop["task_id"] == start["task_id"]
    assert int(stop["stop_time"]) - int(start["start_time"]) == int(stop["elapsed_time"])
    # Who is not logged in leaves nothing.
    assert client.post("/logout/").status_code in {302, 403}
    finish()
    assert len(server.records) == 2


def test_a_session_that_ran_out_ended_when_it_was_last_used(serve: Serve, client: Client) -> None:
    server = serve()
    log_in(client)
    finish()
    session = client.session
    session["seen_ms"] -= 16 * MINUTE_MS
    session["visit"] = {**session["visit"], "at_s": session["visit"]["at_s"] - 20 * 60}
    session.save()
    assert client.get("/").status_code == 302
    finish()
    assert words_of(server.records[1])["elapsed_time"] in {"239", "240", "241"}


def test_who_logs_in_over_a_session_ends_it(serve: Serve, client: Client) -> None:
    server = serve()
    log_in(client)
    finish()
    log_in(client)
    finish()
    assert [record[0] for record in server.records] in (["2", "4", "2"], ["2", "2", "4"])
    tasks = [words_of(record)["task_id"] for record in server.records]
    assert len(set(tasks)) == 2


def test_local_accounts_are_no_business_of_the_server(serve: Serve, client: Client) -> None:
    server = serve()
    services.add_account("breakglass", LOCAL, by="system")
    client.force_login(services.add_account("bob", LOCAL + " too", by="system"))
    log_out(client)
    finish()
    assert not server.records
    assert "visit" not in client.session


def test_nobody_waits_for_the_record(serve: Serve, client: Client) -> None:
    """The server holds its answer to the record back until the browser has its own."""
    answered = threading.Event()

    def wire(packet: bytes) -> Iterable[bytes]:
        if packet[1] == ACCOUNTING:
            assert answered.wait(10)
        return [packet]

    server = serve(Manners(wire=wire), tries=5)
    log_in(client)
    assert client.get("/").status_code == 200
    deadline = time.monotonic() + 10
    while not server.records and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.records
    answered.set()
    finish()


@pytest.mark.parametrize("trouble", ["refuses", "dead", "no secret"])
def test_without_the_record_people_come_and_leave_all_the_same(
    serve: Serve, client: Client, trouble: str
) -> None:
    server = serve(Manners(noted=2) if trouble == "refuses" else None)
    with capture_logs() as lines:
        log_in(client)
        finish()
        if trouble == "dead":
            server.end()
        if trouble == "no secret":
            settings.HUB.central_login_secrets["tac"].unlink()
        log_out(client)
        finish()
    lost = [line for line in lines if line["event"] == "login.unrecorded"]
    assert [line["visit"] for line in lost] == (
        ["start", "stop"] if trouble == "refuses" else ["stop"]
    )
    assert all(line["reason"] for line in lost)
    assert KEY not in str(lines)
