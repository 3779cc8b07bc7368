"""The brake on guessing: `holdfast.accounts.throttle`, its counts in one row of the database.

Counts are written after every change, so that a restart makes no wait shorter. Who changed them
elsewhere (a second hub on the same database, `holdfast hub accounts unlock`) is heard at the next
try: each writing gives the row a new version.
"""

import json
import secrets
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from django.db import transaction

from holdfast.accounts.errors import ThrottledError, ThrottleFileError
from holdfast.accounts.throttle import Throttle, Who, place_of, source_of
from holdfast.hub.staff.models import Brake

log = structlog.get_logger()
_ONLY_ROW = 1
_PATIENCE_S = 1


class _Held:
    """What this process knows; every use of it is short and under the lock."""

    lock = threading.Lock()
    throttle: Throttle | None = None
    version = ""
    trying: frozenset[str] = frozenset()


def forget() -> None:
    """Begin as a process does that was just started."""
    with _Held.lock:
        _Held.throttle, _Held.version, _Held.trying = None, "", frozenset()


def _throttle() -> Throttle:
    version = Brake.objects.filter(pk=_ONLY_ROW).values_list("version", flat=True).first() or ""
    if _Held.throttle is None or version != _Held.version:
        _Held.throttle, _Held.version = _read(), version
    return _Held.throttle


def _read() -> Throttle:
    now_s = time.monotonic()
    row = Brake.objects.filter(pk=_ONLY_ROW).first()
    if row is None:
        return Throttle(now_s=now_s)
    try:
        return Throttle.of_plain(json.loads(row.counts), now_s=now_s)
    except (ThrottleFileError, ValueError, RecursionError):
        log.error("brake.found_damaged")  # noqa: TRY400 - no stack needed
        return Throttle.after_loss(now_s=now_s)


def _change(
    what: Callable[[Throttle], object], *, beside: Callable[[], object] | None = None
) -> None:
    """Change the counts, and write them down if something changed."""
    with _Held.lock, transaction.atomic():
        list(Brake.objects.select_for_update().filter(pk=_ONLY_ROW).values_list("pk"))
        if beside is not None:
            beside()
        throttle = _throttle()
        if what(throttle) is False:
            return
        counts = json.dumps(throttle.plain(now_s=time.monotonic()), separators=(",", ":"))
        version = secrets.token_hex(8)
        fields = {"counts": counts, "version": version}
        Brake.objects.update_or_create(pk=_ONLY_ROW, defaults=fields)
        # If the transaction fails after all, the version does not fit and the row is read again.
        _Held.version = version


def who(name: str, address: str, known_id: str) -> Who:
    """Say who tries, as far as counting is concerned.

    Args:
        name: As typed.
        address: Where the request came from.
        known_id: From `known.id_for`.
    """
    return Who(_counted_as(name), source_of(address), known_id)


def _counted_as(name: str) -> str:
    """Give all spellings one count that some directory takes for one person.

    Case, accents, blanks and marks that nobody sees: each would hand out another hundred tries.
    """
    form = unicodedata.normalize("NFKD", name).casefold()
    return "".join(
        mark
        for mark in form
        if unicodedata.category(mark) not in {"Mn", "Cf"} and not mark.isspace()
    )


@contextmanager
def one_try(who: Who) -> Iterator[None]:
    """Let somebody try a password, one at a time for an account.

    Thirty tries at the same moment would otherwise all begin before the first has failed.

    Raises:
        ThrottledError: It is too early, or another try for the account has not ended yet.
    """
    with _Held.lock:
        throttle = _throttle()
        throttle.must_wait(who, now_s=time.monotonic())
        key = who.known if throttle.trusts(who.known) else str(place_of(who.name))
        if key in _Held.trying:
            raise ThrottledError(wait_s=_PATIENCE_S)
        _Held.trying |= {key}
    try:
        yield
    finally:
        with _Held.lock:
            _Held.trying -= {key}


def failed(who: Who, *, beside: Callable[[], object] | None = None) -> None:
    """Count a failure.

    Args:
        who: Who failed.
        beside: Writes something else in the same transaction.
    """
    _change(lambda throttle: throttle.failed(who, now_s=time.monotonic()), beside=beside)


def succeeded(who: Who) -> None:
    """Forget failures after somebody got in."""
    _change(lambda throttle: throttle.succeeded(who, now_s=time.monotonic()))


def opened(*names: str) -> None:
    """Switch passwords on again."""

    def open_all(throttle: Throttle) -> None:
        for name in names:
            throttle.opened(_counted_as(name), now_s=time.monotonic())

    _change(open_all)
