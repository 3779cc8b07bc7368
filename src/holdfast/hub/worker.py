"""The hub's background work: what devices report, mails to owners, audits, timestamps.

One process per database, which `holdfast hub worker` sees to with a lock. Four loops:

- Events: the main thread looks every 0.3 seconds, with a query that costs microseconds, whether
  the gateway wrote something down, and handles it in batches.
- Mails: a thread of its own, because a mail server may take its time. The queue is the database
  back end of django-tasks, and so is the worker that claims and runs the jobs; it is started when
  a job is due and ends when none is left, instead of taking the database's write lock every
  second to look.
- Audits: a thread looks which release waits for its audit. The image is opened by a process of its
  own behind walls; this thread waits for it and writes down how far it is.
- Care: every hour, and at the start, the thread for upkeep signs the timestamp afresh, erases
  addresses that nobody confirmed, and deletes what was handled long ago.

It may be killed at any moment. Events are marked as handled in the transaction of their effects,
and for mails see `holdfast.hub.owners.delivery`. After a start, `recover` sorts out what a kill
left behind. Jobs that were running then are marked as failed; their mails get new jobs, except
those that may have been sent.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType

import structlog
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import OperationalError, connection
from django.db.models import Max, QuerySet
from django.utils.crypto import get_random_string
from django_tasks import TaskResultStatus
from django_tasks_db.management.commands.db_worker import Worker
from django_tasks_db.models import DBTaskResult

from holdfast.core.clock import now
from holdfast.core.errors import HoldfastError
from holdfast.hub.config import HubConfig
from holdfast.hub.fleet import events
from holdfast.hub.fleet.models import Change, Event
from holdfast.hub.moments import to_ms
from holdfast.hub.owners import delivery, jobs
from holdfast.hub.owners import services as owners
from holdfast.hub.owners.post import post_of
from holdfast.hub.releases import jobs as audits
from holdfast.hub.staff import jobs as notices
from holdfast.hub.staff import logins
from holdfast.updates.lifetimes import STANDARD
from holdfast.updates.online import OnlineKeys
from holdfast.updates.repository import Repository

log = structlog.get_logger()

LOOK_EVERY_S = 0.3
CARE_EVERY_S = 3600.0
STOP_PATIENCE_S = 30.0
KEPT = timedelta(days=7)
"""How long handled events, lines of the change feed and finished jobs are kept."""

_CHANGES_KEPT = 20_000


def main(config: HubConfig | None = None) -> None:
    """Work until SIGTERM or SIGINT; call it in the main thread, with Django set up.

    Args:
        config: The configuration in force; the one Django was set up with unless told.

    Raises:
        MailSettingsError: The mail settings cannot work.
    """
    hub = config or settings.HUB
    stopping = threading.Event()
    _stop_on_signals(stopping)
    recover(hub)
    threads = [
        threading.Thread(target=_in_thread, args=(loop, stopping), name=name, daemon=True)
        for name, loop in (("mails", send_mails), ("audits", judge_images), ("care", take_care))
    ]
    for thread in threads:
        thread.start()
    log.info("worker.started")
    try:
        handle_events(stopping, threads)
    finally:
        stopping.set()
        for thread in threads:
            thread.join(STOP_PATIENCE_S)
        log.info("worker.stopped")


class ThreadDiedError(HoldfastError):
    """A part of the worker ended although nobody stopped it; its log line says why."""

    code = "worker"
    hint = "Start the worker again; if it dies again, the line before in its log says why."


def _stop_on_signals(stopping: threading.Event) -> None:
    def stop(number: int, frame: FrameType | None) -> None:
        del frame
        stopping.set()
        # Whoever is impatient asks twice and is obeyed at once.
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def _in_thread(loop: Callable[[threading.Event], None], stopping: threading.Event) -> None:
    try:
        loop(stopping)
    finally:
        connection.close()


def recover(hub: HubConfig) -> None:
    """Sort out what a crash left behind, before anything new is done."""
    post = post_of(hub)
    if post is None:
        log.warning("mails.unsendable", reason="hub.toml has neither [smtp] nor mail_folder")
    running = DBTaskResult.objects.filter(status=TaskResultStatus.RUNNING)
    running.update(status=TaskResultStatus.FAILED, finished_at=now())
    waiting = DBTaskResult.objects.filter(status=TaskResultStatus.READY)
    waiting.filter(queue_name=jobs.QUEUE).delete()
    delivery.recover(repeatable=post is not None and post.repeatable, queue=jobs.enqueue)
    notices.recover()
    audits.recover()


def handle_events(stopping: threading.Event, threads: list[threading.Thread]) -> None:
    """Handle what devices report, promptly.

    Raises:
        ThreadDiedError: One of the other loops is no more.
    """
    while not stopping.is_set():
        busy = False
        with _patient():
            busy = events.waiting() and bool(events.handle_events())
        for thread in threads:
            if not thread.is_alive():
                raise ThreadDiedError(f"the part of the worker called {thread.name} died")
        if not busy:
            stopping.wait(LOOK_EVERY_S)


@contextmanager
def _patient() -> Iterator[None]:
    """Let a full disk or a busy database pass: nothing is lost, and it is tried again."""
    try:
        yield
    except OperationalError as error:
        log.warning("database.unavailable", reason=str(error))


def send_mails(stopping: threading.Event) -> None:
    """Run the jobs of the mail queue as they become due."""
    name = f"mails-{get_random_string(16)}"
    while not stopping.is_set():
        busy = False
        with _patient():
            busy = _due().exists()
            if busy:
                # One job at a time, so that a signal is obeyed between two mails.
                _run_one(name)
        if not busy:
            stopping.wait(LOOK_EVERY_S)


def _due() -> "QuerySet[DBTaskResult[..., object]]":
    return DBTaskResult.objects.ready().filter(queue_name=jobs.QUEUE)


def _run_one(name: str) -> None:
    Worker(
        queue_names=[jobs.QUEUE],
        interval=0,
        batch=True,
        backend_name="default",
        startup_delay=False,
        max_tasks=1,
        worker_id=name,
        excluded_queue_names=[],
    ).run()


def judge_images(stopping: threading.Event) -> None:
    """Audit the releases that wait for it, one at a time: each may take a while."""
    while not stopping.is_set():
        busy = False
        with _patient():
            busy = audits.judge_next(wanted=lambda: not stopping.is_set())
        if not busy:
            stopping.wait(LOOK_EVERY_S)


def take_care(stopping: threading.Event) -> None:
    """Keep the timestamp fresh and the tables small."""
    while True:
        try:
            refresh(settings.HUB)
        except HoldfastError as error:
            # Devices believe the old timestamp for days; the next hour is another chance.
            log.warning("timestamp.not_refreshed", code=error.code, reason=str(error))
        with _patient():
            tidy()
        if stopping.wait(CARE_EVERY_S):
            return


def refresh(hub: HubConfig) -> None:
    """Sign snapshot and timestamp afresh if less than half of their life is left.

    Raises:
        UpdateError: The keys or the repository are not usable.
    """
    repository = Repository(hub.repository)
    if not repository.exists:
        return  # nothing was published yet
    online = OnlineKeys.load(hub.online_keys)
    if repository.refresh_timestamp(online=online, now=now(), at_least=STANDARD.timestamp / 2):
        log.info("timestamp.refreshed")


def tidy() -> None:
    """Erase addresses that nobody confirmed, and delete what was handled long ago."""
    owners.forget_unconfirmed()
    logins.forget_old()
    Session.objects.filter(expire_date__lt=now()).delete()
    delivery.sweep(idle=not _due().exists(), queue=jobs.enqueue)
    oldest_ms = to_ms(now() - KEPT)
    Event.objects.filter(handled_ms__lt=oldest_ms).delete()
    newest = Change.objects.aggregate(newest=Max("seq"))["newest"] or 0
    # The newest lines stay whatever their age: the gateway reads from them where the feed stands.
    Change.objects.filter(seq__lt=newest - _CHANGES_KEPT, at_ms__lt=oldest_ms).delete()
    DBTaskResult.objects.filter(finished_at__lt=now() - KEPT).delete()
