"""Visits of people whom a directory knows, for the accounting of its servers (TACACS+)."""

import secrets
from typing import Literal

from django.http import HttpRequest

from holdfast.accounts.directories.asking import Visit
from holdfast.hub.moments import now_ms
from holdfast.hub.staff import central, visitors
from holdfast.hub.staff.models import Account, Origin

_VISIT = "visit"
_TASK_BYTES = 8


def came(request: HttpRequest, account: Account) -> None:
    """Tell that somebody came, once the session is there; the answer does not wait for it."""
    name, _, group = account.name.rpartition("@")
    if account.origin != Origin.DIRECTORY or not central.keeps_records(group):
        return
    at_s = now_ms() // 1000
    request.session[_VISIT] = {
        "task": secrets.token_hex(_TASK_BYTES),
        "name": name,
        "group": group,
        "at_s": at_s,
    }
    _tell(request, "start", at_s)


def left(request: HttpRequest, *, at_ms: int | None = None) -> None:
    """Tell that whoever is logged in leaves, before the session is forgotten.

    Args:
        request: Of whom.
        at_ms: When, milliseconds UTC; None for now.
    """
    if _VISIT in request.session:
        _tell(request, "stop", (now_ms() if at_ms is None else at_ms) // 1000)
        del request.session[_VISIT]


def _tell(request: HttpRequest, kind: Literal["start", "stop"], at_s: int) -> None:
    kept = request.session[_VISIT]
    visit = Visit(
        kind=kind,
        name=kept["name"],
        task=kept["task"],
        at_s=at_s,
        source=visitors.address_of(request),
        lasted_s=max(0, at_s - kept["at_s"]) if kind == "stop" else 0,
    )
    central.record(visit, group=kept["group"])
