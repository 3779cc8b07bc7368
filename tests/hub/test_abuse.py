"""The hub among hostile senders, greedy writers, full disks and spoilt files."""

import http.client
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError, connection, connections

from holdfast.core.errors import NoSpaceError
from holdfast.hub import worker
from holdfast.hub.database import named
from holdfast.hub.fleet import services as fleet
from holdfast.hub.fleet.models import Device, Event, LastSeen
from holdfast.hub.owners import jobs, post
from holdfast.hub.owners import services as owners
from holdfast.hub.owners.models import Mail
from holdfast.hub.products.models import Product
from holdfast.hub.staff import services as staff
from holdfast.hub.staff import trail
from holdfast.hub.staff.models import ApiToken, Entry

Hub = Any  # the class in conftest.py, which cannot be imported
ENVIRONMENT = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
DEADLINE_S = 60


def command(config: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `holdfast hub ...` to its end."""
    return subprocess.run(  # noqa: TID251 - the command line itself is tested
        [shutil.which("holdfast") or "", "hub", words[0], "-c", str(config), *words[1:]],
        capture_output=True, text=True, timeout=DEADLINE_S, check=False, env=ENVIRONMENT,
    )  # fmt: skip


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def says(log: Path, word: str) -> bool:
    return word in log.read_text()


# Senders


@pytest.mark.servers
@pytest.mark.slow
def test_a_stranger_cannot_fill_the_disk_with_a_form(
    start_hub: Callable[[], Hub], tmp_path: Path
) -> None:
    hub = start_hub()
    port = int(hub.url.rpartition(":")[2])
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as browser:
        browser.request("GET", "/login/")
        page = browser.getresponse()
        page.read()
        cookie = str(page.getheader("Set-Cookie")).split(";")[0]
    head = (
        "POST /login/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Cookie: {cookie}\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        f"Content-Length: {1 << 40}\r\n\r\n"
        '--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
    )
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sender:
        sender.sendall(head.encode())
        # It is answered at once: not a byte of the file is waited for.
        assert b" 413 " in sender.recv(4096).partition(b"\r\n")[0]
    assert not list(tmp_path.rglob("*.upload"))


# Two at once


@pytest.mark.servers
@pytest.mark.slow
def test_hub_worker_and_commands_may_begin_together(tmp_path: Path) -> None:
    for number in range(2):
        config = tmp_path / f"{number}.toml"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        config.write_text(f'state = "state-{number}"\nlisten = "127.0.0.1:{port}"\n')
        program = [shutil.which("holdfast") or "", "hub"]
        words = [["serve", "--json"], ["worker"], ["init"], ["setup-link"]]
        logs = [tmp_path / f"{number}-{each[0]}.log" for each in words]
        started = []
        for each, log in zip(words, logs, strict=True):
            with log.open("wb") as out:
                started.append(
                    subprocess.Popen(
                        [*program, *each, "-c", str(config)],
                        stdout=out, stderr=out, env=ENVIRONMENT,
                    )
                )  # fmt: skip
        serve, work, *done = started
        try:
            assert [each.wait(DEADLINE_S) for each in done] == [0, 0], [
                log.read_text() for log in logs
            ]
            wait_for(partial(says, logs[0], "setup_link"))
            wait_for(partial(says, logs[1], "worker.started"))
            assert (serve.poll(), work.poll()) == (None, None), [log.read_text() for log in logs]
        finally:
            for process in started:
                process.kill()
                process.wait(10)
        verified = command(config, "verify-trail")
        assert verified.returncode == 0, verified.stderr


@pytest.mark.servers
@pytest.mark.slow
def test_many_writers_lose_nothing(product: Product, tmp_path: Path) -> None:
    """Pages, worker and gateway write at the same time, as fast as they can."""
    connections.close_all()
    config = tmp_path / "hub.toml"
    config.write_text(
        f'state = "{settings.HUB.state.absolute()}"\nmail_folder = "{tmp_path / "mails"}"\n'
    )
    main = "from holdfast.cli import main; main()"
    with (tmp_path / "worker.log").open("wb") as log:
        work = subprocess.Popen(
            [sys.executable, "-c", main, "hub", "worker", "-c", str(config)],
            stdout=log, stderr=log,
        )  # fmt: skip
    faults: list[Exception] = []

    def guarded(write: Callable[[int], None], number: int) -> None:
        try:
            write(number)
        except Exception as error:  # noqa: BLE001 - any fault at all fails the test below
            faults.append(error)
        finally:
            connections.close_all()

    def staff_writes(number: int) -> None:
        for count in range(25):
            fleet.register_device(f"d{number}-{count}", product, "a", by="ada")
            staff.make_token(f"t{number}-{count}", by="ada")

    def gateway_writes(number: int) -> None:
        with closing(sqlite3.connect(settings.HUB.database, timeout=20)) as gateway:
            gateway.isolation_level = None
            for count in range(100):
                gateway.execute("BEGIN IMMEDIATE")
                gateway.executemany(
                    "INSERT INTO fleet_event (device_id, kind, body, at_ms) VALUES (1, ?, ?, ?)",
                    [
                        ("attributes", json.dumps({"data": {"n": each}}), count)
                        for each in range(20)
                    ],
                )
                gateway.execute("INSERT OR REPLACE INTO fleet_lastseen VALUES (?, ?)", (number, 1))
                gateway.execute("COMMIT")

    fleet.register_device("first", product, "a", by="ada")
    assert Device.objects.get().pk == 1
    before = Entry.objects.count()
    connections.close_all()
    writers = [
        threading.Thread(target=guarded, args=(write, number))
        for number, write in enumerate([staff_writes, gateway_writes] * 3)
    ]
    try:
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join(DEADLINE_S)
        assert not faults
        wait_for(lambda: not Event.objects.filter(handled_ms=None).exists())
    finally:
        work.terminate()
        work.wait(10)
    assert "database.unavailable" not in (tmp_path / "worker.log").read_text()
    assert (Event.objects.count(), LastSeen.objects.count()) == (3 * 100 * 20, 3)
    assert (Device.objects.count(), ApiToken.objects.count()) == (1 + 75, 75)
    assert trail.verify(settings.HUB.trail_head).seq == before + 150


# Full and spoilt disks


def limit_pages(*, spare: int | None) -> None:
    """Let the database grow by so many pages only, as on a full disk; None lifts it."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA page_count")
        count = cursor.fetchone()[0]
        cursor.execute(f"PRAGMA max_page_count = {count + spare if spare is not None else 1 << 30}")


class Patience(threading.Event):
    """Ends the worker's loop after some rounds; frees the disk after the first."""

    def __init__(self, rounds: int) -> None:
        super().__init__()
        self.rounds = rounds

    def wait(self, timeout: float | None = None) -> bool:
        """Count a round instead of waiting."""
        del timeout
        self.rounds -= 1
        limit_pages(spare=None)
        if not self.rounds:
            self.set()
        return self.is_set()


def test_a_full_disk_makes_the_worker_wait_and_lose_nothing(
    device: Device, capsys: pytest.CaptureFixture[str]
) -> None:
    Event.objects.bulk_create(
        Event(
            device=device, kind="feedback", at_ms=1,
            body=json.dumps({"execution": "proceeding", "details": ["x" * 250]}),
        )
        for _number in range(300)
    )  # fmt: skip
    limit_pages(spare=0)
    worker.handle_events(Patience(rounds=2), [])
    said = capsys.readouterr()
    assert "database.unavailable" in said.out + said.err
    assert not Event.objects.filter(handled_ms=None).exists()


def test_a_full_disk_is_said_to_staff_and_changes_nothing(
    staff_client: Any,  # noqa: ANN401 - Django's client
    product: Product,
) -> None:
    connection.ensure_connection()
    limit_pages(spare=0)
    taken = refusals = 0
    while not refusals and taken < 200:
        form = {"controller_id": f"d-{taken:060d}", "product": product.pk, "hardware": "a"}
        answer = staff_client.post("/devices/register/", form)
        if answer.status_code == 201:
            taken += 1
            continue
        refusals += 1
        assert answer.status_code == 507
        assert b"no-space" in answer.content
    assert refusals
    limit_pages(spare=None)
    assert Device.objects.count() == taken
    assert trail.verify(settings.HUB.trail_head).seq


def test_a_mail_waits_for_room_on_the_disk(
    device: Device, mail_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owners.hear(device.pk, action="subscribe", address="ada@example.org")

    def full(*_: object, **__: object) -> None:
        raise NoSpaceError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(post, "write_whole", full)
        jobs.send.call(Mail.objects.get().pk)
    waiting = Mail.objects.get()
    assert (waiting.state, "no space" in waiting.reason) == ("queued", True)
    jobs.send.call(waiting.pk)
    assert Mail.objects.get().state == "sent"
    assert len(list(mail_folder.glob("*.eml"))) == 1


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("database or disk is full", "no-space"),
        ("database is locked", "crowded"),
        ("database disk image is malformed", "database-file"),
        ("file is not a database", "database-file"),
        ("attempt to write a readonly database", "database-file"),
        ("unable to open database file", "database-file"),
    ],
)
def test_what_the_database_refuses_has_a_name_and_a_way_out(said: str, code: str) -> None:
    error = named(OperationalError(said))
    assert error is not None
    assert (error.code, bool(error.hint)) == (code, True)
    assert named(OperationalError("no such table: x")) is None


@pytest.mark.servers
@pytest.mark.slow
@pytest.mark.parametrize("words", [("serve",), ("worker",), ("verify-trail",), ("init",)])
def test_a_spoilt_database_is_named(tmp_path: Path, words: tuple[str, ...]) -> None:
    config = tmp_path / "hub.toml"
    config.write_text('state = "state"\nlisten = "127.0.0.1:0"\n')
    (tmp_path / "state").mkdir()
    (tmp_path / "state/hub.sqlite3").write_bytes(b"garbage " * 1000)
    said = command(config, *words)
    assert said.returncode not in {0, 1}
    if words != ("serve",) or "port" not in said.stderr:
        assert "database-file" in said.stderr, said.stderr
        assert "backup" in said.stderr
    assert "Traceback" not in said.stderr


@pytest.mark.servers
@pytest.mark.slow
def test_a_state_that_cannot_be_kept_is_named(tmp_path: Path) -> None:
    config = tmp_path / "hub.toml"
    config.write_text('state = "file/state"\n')
    (tmp_path / "file").write_text("not a folder")
    said = command(config, "init")
    assert said.returncode == 2
    assert "cannot keep its state" in said.stderr
    assert "`state` in hub.toml" in said.stderr
    assert "Traceback" not in said.stderr
