"""Why python-tuf refused: finds the cause behind its exceptions and says it in our words."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadHTTPError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
    UnsignedMetadataError,
)
from tuf.api.serialization import DeserializationError

from holdfast.updates import inspection
from holdfast.updates.errors import (
    ClockError,
    CutShortError,
    ExpiredError,
    MetadataError,
    MixedMetadataError,
    RollbackError,
    TamperedError,
    UpdateError,
)
from holdfast.updates.inspection import Delegation
from holdfast.updates.upstream import MetaFile

CLOCK_DOUBT = timedelta(days=365)
"""Expired for longer than this, the clock is doubted as well."""

_TOP = ("root", "timestamp", "snapshot", "targets")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What was at hand when python-tuf refused.

    Attributes:
        name: Name of the file that was fetched last.
        role: Its role.
        raw: Its content.
        known: python-tuf's set of trusted files, as far as it came; `None` before the root.
        clock: What the device's clock shows.
        now: The moment against which expiry was judged.
    """

    name: str
    role: str
    raw: bytes
    known: Any
    clock: datetime
    now: datetime


def ours(error: Exception, scene: Scene) -> UpdateError:
    """Return the error that tells the owner what python-tuf meant."""
    if scene.known is None:
        found = MetadataError("The root file that this device was made with is damaged.")
        found.hint = "The device cannot be updated; ask the manufacturer for help."
        return found
    try:
        return _cause(error, scene)
    except UpdateError as found:
        return found


def _cause(error: Exception, scene: Scene) -> UpdateError:
    for kind, explain in _BY_KIND.items():
        if isinstance(error, kind):
            return explain(scene)
    if isinstance(error, RepositoryError) and "missing info" in str(error):
        return RollbackError("The hub's list of files is older than one that was seen before.")
    return MetadataError(f"The hub's file {scene.name} makes no sense.")


def _missing(scene: Scene) -> UpdateError:
    return MetadataError(f"The hub has no file {scene.name}.")


def _garbage(scene: Scene) -> UpdateError:
    return MetadataError(f"The hub's file {scene.name} is not signed metadata.")


def _expired(scene: Scene) -> UpdateError:
    name, expires = _first_expired(scene)
    age = scene.now - expires
    day, today = f"{expires:%Y-%m-%d %H:%M} UTC", f"{scene.now:%Y-%m-%d}"
    if scene.clock < scene.now:
        judged = (
            f"The clock of this device shows {scene.clock:%Y-%m-%d}, which cannot be; "
            f"it is {today} at least."
        )
        return ExpiredError(f"The hub's file {name} was valid until {day}. {judged}")
    if age > CLOCK_DOUBT:
        return ClockError(
            f"The hub's file {name} was valid until {day}, more than {age.days // 365} "
            f"year{'s' if age.days >= 2 * 365 else ''} before the date that this device's clock "
            f"shows ({today}). Either the clock is wrong, or newer files are being held back."
        )
    return ExpiredError(
        f"The hub's file {name} was valid until {day} only. Either the hub has not been looked "
        f"after, or newer files are being held back. This device's clock shows {today}."
    )


def _first_expired(scene: Scene) -> tuple[str, datetime]:
    for role in _TOP:
        if role in scene.known and scene.known[role].expires <= scene.now:
            return role, scene.known[role].expires
    envelope = inspection.parse(scene.raw, kind=_kind(scene.role), name=scene.role)
    return scene.role, envelope.expires


def _unsigned(scene: Scene) -> UpdateError:
    envelope = inspection.parse(scene.raw, kind=_kind(scene.role), name=scene.name)
    inspection.must_be_signed(envelope, _trusted_delegation(scene))
    if scene.role == "root":
        inspection.must_be_signed(envelope, inspection.delegation_of(envelope, "root"))
    return MetadataError(f"The signatures of the hub's file {scene.name} make no sense.")


def _mismatch(scene: Scene) -> UpdateError:
    announced = _announced(scene)
    try:
        envelope = inspection.parse(scene.raw, kind=_kind(scene.role), name=scene.name)
    except MetadataError:
        if announced and scene.raw[:1] == b"{" and len(scene.raw) < (announced.length or 0):
            return CutShortError(
                f"The hub's file {scene.name} ended after {len(scene.raw)} "
                f"of {announced.length} bytes."
            )
        if scene.raw[:1] == b"{":
            return TamperedError(f"The file {scene.name} was altered on its way.")
        return MetadataError(f"The hub's file {scene.name} is not signed metadata.")
    inspection.must_be_signed(envelope, _trusted_delegation(scene))
    if announced and envelope.version < announced.version:
        return MixedMetadataError(
            f"The hub sends an older list of {scene.role} ({envelope.version}) than it "
            f"announces ({announced.version})."
        )
    return MixedMetadataError(
        f"The hub's file {scene.name} does not belong to the other files that it sends."
    )


def _bad_version(scene: Scene) -> UpdateError:
    if scene.role == "timestamp":
        return RollbackError("The hub's files about updates are older than those seen before.")
    if scene.role == "snapshot":
        envelope = inspection.parse(scene.raw, kind="snapshot")
        announced = _announced(scene)
        if announced and envelope.version == announced.version:
            return RollbackError("The hub's list of files names older ones than were seen before.")
    return MixedMetadataError(
        f"The hub's file {scene.name} has another version than the other files say."
    )


def _announced(scene: Scene) -> MetaFile | None:
    """What the file above says of this one: version, length and digest."""
    if scene.role == "snapshot" and "timestamp" in scene.known:
        return _meta(scene.known.timestamp.snapshot_meta)
    if "snapshot" in scene.known:
        return _meta(scene.known.snapshot.meta.get(f"{scene.role}.json"))
    return None


def _meta(value: object) -> MetaFile | None:
    return value if isinstance(value, MetaFile) else None


def _trusted_delegation(scene: Scene) -> Delegation:
    above = scene.known.root if scene.role in _TOP else scene.known.targets
    role = above.get_delegated_role(scene.role)
    keys = {
        keyid: str(above.get_key(keyid).keyval["public"])
        for keyid in role.keyids
        if keyid in (above.keys if scene.role in _TOP else above.delegations.keys)
    }
    return Delegation(keys=keys, threshold=role.threshold)


def _kind(role: str) -> str:
    return role if role in _TOP else "targets"


_BY_KIND: dict[type[Exception], Callable[[Scene], UpdateError]] = {
    DownloadHTTPError: _missing,
    DeserializationError: _garbage,
    ExpiredMetadataError: _expired,
    UnsignedMetadataError: _unsigned,
    LengthOrHashMismatchError: _mismatch,
    BadVersionNumberError: _bad_version,
}
