"""What the database refuses, in words: its own messages say neither where nor what to do."""

from django.conf import settings
from django.db import DatabaseError

from holdfast.core.errors import HoldfastError, NoSpaceError
from holdfast.hub.errors import CrowdedError, DatabaseFileError

_DAMAGED = ("malformed", "not a database")
_CLOSED = ("readonly", "unable to open", "disk i/o error")


def named(error: DatabaseError) -> HoldfastError | None:
    """Turn a refusal of the database into one of ours; None if it is none that is known."""
    said, place = str(error).lower(), settings.HUB.database
    if "full" in said:
        return NoSpaceError("the disk of the hub is full")
    if "locked" in said:
        return CrowdedError("the database was busy for too long; nothing was changed")
    if any(word in said for word in _DAMAGED):
        broken = DatabaseFileError(f"the database {place} is damaged")
        broken.hint = "Stop the hub, keep a copy of the file, and put the newest backup there."
        return broken
    if any(word in said for word in _CLOSED):
        return DatabaseFileError(f"the database {place} cannot be read or written")
    return None
