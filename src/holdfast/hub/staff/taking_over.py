"""Accounts of another product, taken over with the hashes it kept: each is wrapped, and has a term.

Who logs in before the deadline gets a hash of this hub's own; after it the old password opens
nothing, and a new one has to be set.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from django.db import transaction

from holdfast.accounts.hashing import importing, passwords
from holdfast.accounts.hashing.importing import Fault, Imported
from holdfast.core.errors import UsageError
from holdfast.hub.moments import now_ms
from holdfast.hub.staff import hashers
from holdfast.hub.staff.models import Account
from holdfast.hub.staff.services import must_be_free_name, record

READERS: Final[Mapping[str, Callable[[str], Imported]]] = MappingProxyType(
    {
        "shadow": importing.parse_shadow,
        "htpasswd": importing.parse_htpasswd,
        "json": importing.parse_json,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenOver:
    """What became of a file.

    Attributes:
        names: Accounts that were made.
        faults: What was left out, with the reason.
        locked: Names that nobody could log in with in the old product either.
    """

    names: tuple[str, ...]
    faults: tuple[Fault, ...]
    locked: tuple[str, ...]


def take_over(text: str, *, kind: str, deadline: datetime, by: str) -> TakenOver:
    """Make an account for every usable entry of a file; all of them, or none if it breaks off.

    Args:
        text: The file.
        kind: One of `READERS`.
        deadline: Moment after which the old passwords open nothing, aware.
        by: Who does it.

    Raises:
        HashingError: There is not enough memory.
    """
    found = READERS[kind](text)
    faults, names = list(found.faults), []
    with transaction.atomic():
        for entry in found.entries:
            try:
                must_be_free_name(entry.name)
            except UsageError as error:
                faults.append(Fault(entry.line, entry.name, str(error)))
                continue
            wrapped = passwords.wrap(
                entry.hash, cost=hashers.COST, key=hashers.keys().newest, deadline=deadline
            )
            Account.objects.create(
                name=entry.name,
                password=hashers.ALGORITHM + wrapped,
                created_ms=now_ms(),
            )
            facts = {"scheme": entry.scheme, "until": deadline.date().isoformat()}
            record(by=by, what="account.taken_over", subject=entry.name, facts=facts)
            names.append(entry.name)
    return TakenOver(names=tuple(names), faults=tuple(faults), locked=found.locked)
