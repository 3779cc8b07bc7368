"""The worker as a process of its own, with a real mail server, killed at any moment."""

import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from django.conf import settings
from django.db import connections

from holdfast.hub.fleet import services as fleet
from holdfast.hub.fleet.models import Device, Event
from holdfast.hub.owners import services
from holdfast.hub.owners.models import Mail, Subscription
from holdfast.hub.products.models import Product
from holdfast.hub.releases.models import Release

pytestmark = [pytest.mark.servers, pytest.mark.slow]

Inbox: TypeAlias = Any  # the class of that name in conftest.py, which no test can import
Workers = Callable[[], "subprocess.Popen[bytes]"]
MAILS = 60
KILLS = 10
DEADLINE_S = 60.0


def wait_for(condition: Callable[[], object], *, timeout_s: float = DEADLINE_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def has_more(inbox: Inbox, *, than: int) -> bool:
    return len(inbox.accepted) > than


@pytest.fixture
def worker(inbox: Inbox, tmp_path: Path) -> Iterator[Workers]:
    """Start workers on the test's database; none outlives the test."""
    config = tmp_path / "hub.toml"
    config.write_text(
        f'state = "{settings.HUB.state.absolute()}"\n'
        f'[smtp]\nhost = "127.0.0.1"\nport = {inbox.port}\n'
        'sender = "updates@nordlicht.example"\nstarttls = false\n'
    )
    command = [sys.executable, "-c", "from holdfast.cli import main; main()"]
    started: list[subprocess.Popen[bytes]] = []

    def start() -> "subprocess.Popen[bytes]":
        log = (tmp_path / f"worker-{len(started)}.log").open("wb")
        with log:
            process = subprocess.Popen(
                [*command, "hub", "worker", "--config", str(config)], stderr=log, stdout=log
            )
        started.append(process)
        return process

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait(10)


def said(tmp_path: Path, number: int) -> str:
    return (tmp_path / f"worker-{number}.log").read_text()


@pytest.fixture
def offered(product: Product, release: Callable[..., Release]) -> Release:
    """Offer a release to devices with an owner each: so many mails wait."""
    Device.objects.bulk_create(
        Device(
            controller_id=f"d{number}",
            product=product,
            hardware="a",
            token_sha256="0" * 64,
            created_ms=1,
        )
        for number in range(MAILS)
    )
    Subscription.objects.bulk_create(
        Subscription(
            device=device,
            address=f"owner-{device.pk}@example.org",
            address_key=f"{device.pk:064d}",
            state="active",
            created_ms=1,
        )
        for device in Device.objects.all()
    )
    found = release()
    fleet.offer(found, by="ada")
    assert Mail.objects.filter(state="queued").count() == MAILS
    return found


def test_no_mail_is_sent_twice_whenever_the_worker_is_killed(
    offered: Release, inbox: Inbox, worker: Workers
) -> None:
    chance = random.Random(20_261_122)  # noqa: S311 - the same moments in every run
    inbox.silent_s = 0.02  # so that many kills hit a mail between DATA and answer
    for _kill in range(KILLS):
        process = worker()
        before = len(inbox.accepted)
        wait_for(partial(has_more, inbox, than=before))
        time.sleep(chance.uniform(0, 0.15))  # the random moment is the point
        process.kill()
        process.wait(10)
    process = worker()
    wait_for(lambda: not Mail.objects.filter(state__in=["queued", "handed-over"]).exists())
    process.terminate()
    assert process.wait(30) == 0

    received = Counter(recipient for recipient, _content in inbox.accepted)
    assert max(received.values()) == 1
    states = Counter(Mail.objects.filter(release=offered).values_list("state", flat=True))
    assert set(states) <= {"sent", "unknown"}
    assert states["unknown"] <= KILLS
    for mail in Mail.objects.select_related("subscription"):
        arrived = received[mail.subscription.address]
        assert arrived == 1 if mail.state == "sent" else arrived <= 1


def test_events_are_handled_promptly_and_a_signal_ends_it(
    device: Device, worker: Workers, tmp_path: Path
) -> None:
    process = worker()
    wait_for(lambda: "worker.started" in said(tmp_path, 0))
    with closing(sqlite3.connect(settings.HUB.database)) as gateway, gateway:
        gateway.execute(
            "INSERT INTO fleet_event (device_id, kind, body, at_ms) VALUES (?, ?, ?, ?)",
            (device.pk, "attributes", '{"data": {"holdfast.version": "1.0"}}', 1),
        )
    began = time.monotonic()
    wait_for(lambda: not Event.objects.filter(handled_ms=None).exists())
    assert time.monotonic() - began < 2
    device.refresh_from_db()
    assert device.reported_version == "1.0"
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert "worker.stopped" in said(tmp_path, 0)


def test_a_second_worker_is_refused(device: Device, worker: Workers, tmp_path: Path) -> None:
    del device
    worker()
    wait_for(lambda: "worker.started" in said(tmp_path, 0))
    assert worker().wait(30) == 2
    assert "another worker" in said(tmp_path, 1)


def test_the_address_an_owner_leaves_gets_a_mail(
    device: Device, worker: Workers, inbox: Inbox
) -> None:
    connections.close_all()
    worker()
    services.hear(device.pk, action="subscribe", address="ada@example.org")
    wait_for(lambda: inbox.accepted)
    wait_for(lambda: Mail.objects.get().state == "sent")
    assert inbox.accepted[0][0] == "ada@example.org"
