"""Where each role of a workshop stands, and what the newest version changes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from holdfast.updates.drafts import Standing
from holdfast.updates.inspection import Delegation, Envelope

_SOON = timedelta(days=45)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """One key with a say in a role.

    Attributes:
        keyid: Its id.
        signed: Whether its signature is on the newest version.
    """

    keyid: str
    signed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleStatus:
    """Where one role stands.

    Attributes:
        role: `root`, `targets`, `snapshot`, `timestamp`, or a product.
        version: Newest version; 0 when there is none yet.
        threshold: So many signatures are needed.
        signers: Every key with a say.
        complete: Whether the newest version has all its signatures.
        expires: Moment after which devices refuse the newest version; `None` without one.
        next_step: What to do next; empty when nothing is.
    """

    role: str
    version: int
    threshold: int
    signers: tuple[Signer, ...]
    complete: bool
    expires: datetime | None
    next_step: str


def describe(
    role: str, groups: Sequence[Delegation], standings: Sequence[Standing], now: datetime
) -> RoleStatus:
    """Say where a role stands whose files are in the workshop."""
    newest = standings[-1] if standings else None
    signed = newest.signed_by if newest else frozenset()
    keys = dict.fromkeys(keyid for group in groups for keyid in group.keys)
    return RoleStatus(
        role=role,
        version=newest.envelope.version if newest else 0,
        threshold=groups[-1].threshold,
        signers=tuple(Signer(keyid=keyid, signed=keyid in signed) for keyid in keys),
        complete=newest is not None and newest.complete,
        expires=newest.envelope.expires if newest else None,
        next_step=_next_step(role, newest, now),
    )


def held_by_hub(role: str, delegation: Delegation) -> RoleStatus:
    """Describe a role whose key and files are on the hub."""
    return RoleStatus(
        role=role,
        version=0,
        threshold=delegation.threshold,
        signers=tuple(Signer(keyid=keyid, signed=True) for keyid in delegation.keys),
        complete=True,
        expires=None,
        next_step="",
    )


def _next_step(role: str, newest: Standing | None, now: datetime) -> str:
    if newest is None:
        return "Build and sign the first release."
    if not newest.complete:
        missing = max(verdict.threshold - verdict.count for verdict in newest.verdicts)
        plural = "s" if missing > 1 else ""
        return f"{missing} more signature{plural} needed: holdfast keys sign --role {role}"
    if newest.envelope.expires - now < _SOON:
        return f"Renew it before it expires: holdfast keys sign --role {role} --renew"
    return ""


def differences(before: Envelope | None, after: Envelope) -> list[str]:
    """Say in words what signing a file agrees to, compared with the last complete version."""
    old: Mapping[str, Any] = before.body if before else {}
    found = [f"version {after.version}, valid until {after.expires:%Y-%m-%d}"]
    found += _rights(_roles(old), _roles(after.body))
    found += _files(old.get("targets", {}), after.body.get("targets", {}))
    # Who signs must see what is there: names are others' and may try to steer the terminal.
    return [printable(line) for line in found]


def printable(text: str) -> str:
    """Write what a terminal would obey instead of showing it as its number."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _roles(body: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    if "roles" in body:
        return dict(body["roles"])
    return {role["name"]: role for role in body.get("delegations", {}).get("roles", [])}


def _rights(
    old: Mapping[str, Mapping[str, Any]], new: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    for role in sorted(old.keys() | new.keys()):
        before, after = old.get(role, {}), new.get(role, {})
        for keyid in after.get("keyids", []):
            if keyid not in before.get("keyids", []):
                yield f"key {keyid[:12]} gets a say in {role}"
        for keyid in before.get("keyids", []):
            if keyid not in after.get("keyids", []):
                yield f"key {keyid[:12]} loses its say in {role}"
        if before.get("threshold") != after.get("threshold"):
            yield f"{after.get('threshold', 0)} signatures are needed for {role}"
        if before.get("paths") != after.get("paths"):
            yield f"{role} may sign {', '.join(after.get('paths', [])) or 'nothing'}"


def _files(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for path in sorted(old.keys() | new.keys()):
        if path not in new:
            yield f"file {path} is taken off the list"
        elif old.get(path) != new[path]:
            word = "changes" if path in old else "is added"
            yield f"file {path} {word}: {new[path]['length']} bytes, " + _digest(new[path])


def _digest(target: Mapping[str, Any]) -> str:
    return f"sha256 {target['hashes'].get('sha256', '?')}"
