"""Reading and judging signed files without python-tuf: the hub's second opinion.

The device believes python-tuf. What the hub lets in is judged by this code, so that one mistake
in one of the two does not reach a device. It also tells *why* a signature does not count, which
python-tuf does not.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from securesystemslib.formats import encode_canonical

from holdfast.core.clock import moment, stamp
from holdfast.updates.errors import (
    BelowThresholdError,
    ExpiredError,
    ForeignKeyError,
    MetadataError,
    TamperedError,
    TooLongError,
)
from holdfast.updates.lifetimes import most_bytes

_DIGITS_MOST = 15
_SIGNATURES_MOST = 64
_KEYS_MOST = 256
KINDS = ("root", "targets", "snapshot", "timestamp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One signed file, taken apart.

    Attributes:
        name: For messages, such as `camera`.
        kind: `root`, `targets` (also for the list of a product), `snapshot` or `timestamp`.
        version: 1 and upward.
        expires: Moment after which it does not count.
        body: Everything that is signed.
        payload: The bytes that are signed.
        signatures: Signature by key id.
        raw: The file.
    """

    name: str
    kind: str
    version: int
    expires: datetime
    body: Mapping[str, Any]
    payload: bytes
    signatures: Mapping[str, str]
    raw: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """Who has a say in a role.

    Attributes:
        keys: Public part (hexadecimal) by key id.
        threshold: So many different keys must sign.
        paths: What a product may sign; empty for the four roles of the root.
    """

    keys: Mapping[str, str]
    threshold: int
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the signatures of one file are worth to one delegation.

    Attributes:
        threshold: So many are needed.
        valid: Ids of keys with a say whose signature is good.
        damaged: Ids of keys with a say whose signature does not fit the content.
        foreign: Ids of keys without a say.
        count: Number of different keys behind `valid`.
    """

    threshold: int
    valid: frozenset[str]
    damaged: frozenset[str]
    foreign: frozenset[str]
    count: int

    @property
    def enough(self) -> bool:
        """Tell whether the threshold is reached."""
        return self.count >= self.threshold


def parse(raw: bytes, *, kind: str, name: str = "") -> Envelope:
    """Take a signed file apart, refusing everything that could be read in two ways.

    Raises:
        TooLongError: Longer than a file of that kind may be.
        MetadataError: Not such a file.
    """
    name = name or kind
    if len(raw) > most_bytes(kind):
        raise TooLongError(f"The file {name} is longer than such a file may be.")
    try:
        document = json.loads(
            raw.decode(),
            object_pairs_hook=_no_twins,
            parse_int=_small_int,
            parse_float=_refuse,
            parse_constant=_refuse,
        )
        body = document["signed"]
        signatures = _signatures(document["signatures"])
        _must_be_named_by_content(body)
        envelope = Envelope(
            name=name,
            kind=body["_type"],
            version=body["version"],
            expires=moment(body["expires"]),
            body=body,
            payload=_canonical(body),
            signatures=signatures,
            raw=raw,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise MetadataError(f"The file {name} is not signed metadata.") from error
    if envelope.kind != kind:
        raise MetadataError(f"The file {name} is of another kind than its name says.")
    if type(envelope.version) is not int or envelope.version < 1:
        raise MetadataError(f"The file {name} has no version.")
    if not str(body.get("spec_version", "")).startswith("1."):
        raise MetadataError(f"The file {name} follows a specification that is not known here.")
    return envelope


def judge(envelope: Envelope, delegation: Delegation) -> Verdict:
    """Check every signature against those who have a say."""
    valid, damaged, foreign = set(), set(), set()
    for keyid, signature in envelope.signatures.items():
        if keyid not in delegation.keys:
            foreign.add(keyid)
        elif _fits(delegation.keys[keyid], signature, envelope.payload):
            valid.add(keyid)
        else:
            damaged.add(keyid)
    return Verdict(
        threshold=delegation.threshold,
        valid=frozenset(valid),
        damaged=frozenset(damaged),
        foreign=frozenset(foreign),
        # One key listed under two ids counts once.
        count=len({delegation.keys[keyid] for keyid in valid}),
    )


def complain(verdict: Verdict, name: str) -> NoReturn:
    """Say why the signatures do not suffice.

    Raises:
        TamperedError: The content was altered after it was signed.
        ForeignKeyError: Nobody with a say signed, but somebody else did.
        BelowThresholdError: Too few signed.
    """
    if not verdict.valid and verdict.damaged:
        raise TamperedError(f"The file {name} was altered after it was signed.")
    if not verdict.valid and verdict.foreign:
        keys = ", ".join(sorted(keyid[:12] for keyid in verdict.foreign))
        raise ForeignKeyError(
            f"The file {name} is signed by a key that has no say in it ({keys}), "
            "not by the manufacturer."
        )
    strange = f"; {len(verdict.foreign)} more by keys without a say" if verdict.foreign else ""
    raise BelowThresholdError(
        f"The file {name} has {verdict.count} of the {verdict.threshold} signatures "
        f"that it needs{strange}."
    )


def must_be_signed(envelope: Envelope, delegation: Delegation) -> None:
    """Refuse a file whose signatures do not suffice; see `complain`."""
    verdict = judge(envelope, delegation)
    if not verdict.enough:
        complain(verdict, envelope.name)


def must_be_fresh(envelope: Envelope, now: datetime) -> None:
    """Refuse a file after its expiry.

    Raises:
        ExpiredError: It has expired.
    """
    if now >= envelope.expires:
        error = ExpiredError(f"The file {envelope.name} expired on {stamp(envelope.expires)}.")
        error.hint = "Sign it again: `holdfast keys sign --renew`."
        raise error


def delegation_of(parent: Envelope, role: str) -> Delegation:
    """Find out who has a say in a role, from the root or the targets file.

    Raises:
        MetadataError: The role is not there, or its description makes no sense.
    """
    try:
        if parent.kind == "root":
            keys, entry = parent.body["keys"], parent.body["roles"][role]
        else:
            keys = parent.body["delegations"]["keys"]
            (entry,) = (
                each for each in parent.body["delegations"]["roles"] if each["name"] == role
            )
        threshold, keyids = entry["threshold"], entry["keyids"]
        if len(keyids) > _KEYS_MOST or len(set(keyids)) != len(keyids):
            raise ValueError  # noqa: TRY301 - becomes ours below
        mine = {keyid: _public(keys[keyid]) for keyid in keyids}
        paths = tuple(entry.get("paths", ()))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MetadataError(f"The file {parent.name} does not say who signs {role}.") from error
    if type(threshold) is not int or not 1 <= threshold <= len(set(mine.values())):
        raise MetadataError(
            f"The file {parent.name} asks for a number of signatures for {role} "
            "that its keys cannot give."
        )
    return Delegation(keys=mine, threshold=threshold, paths=paths)


def products_of(targets: Envelope) -> tuple[str, ...]:
    """List the products to which the targets file delegates.

    Raises:
        MetadataError: The list makes no sense.
    """
    try:
        roles = targets.body.get("delegations", {"roles": []})["roles"]
        names = [role["name"] for role in roles]
        if not all(isinstance(name, str) for name in names) or len(set(names)) != len(names):
            raise ValueError  # noqa: TRY301 - becomes ours below
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MetadataError("The file targets has a list of products that makes no sense.") from (
            error
        )
    return tuple(names)


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _small_int(text: str) -> int:
    if len(text) > _DIGITS_MOST:
        raise ValueError
    return int(text)


def _refuse(_text: str) -> NoReturn:
    raise ValueError


def _canonical(body: Any) -> bytes:  # noqa: ANN401 - any JSON
    text = encode_canonical(body)
    if not isinstance(text, str):
        raise TypeError
    return text.encode()


def _signatures(entries: list[dict[str, Any]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in entries:
        keyid, signature = entry["keyid"], entry["sig"]
        if not isinstance(keyid, str) or not isinstance(signature, str) or keyid in found:
            raise ValueError
        found[keyid] = signature
    if len(found) > _SIGNATURES_MOST:
        raise ValueError
    return found


def _must_be_named_by_content(body: Mapping[str, Any]) -> None:
    """Refuse a key under the id of another one: who signs is shown ids, and ids only.

    Source:
        TUF specification, 4.2.1 (KEYID).
    """
    for keyid, key in (body.get("keys") or body.get("delegations", {}).get("keys", {})).items():
        named = {name: key[name] for name in ("keytype", "scheme", "keyval")}
        if keyid != hashlib.sha256(_canonical(named)).hexdigest():
            raise ValueError


def _public(key: Mapping[str, Any]) -> str:
    if key["keytype"] != "ed25519" or key["scheme"] != "ed25519":
        raise ValueError
    return bytes.fromhex(key["keyval"]["public"]).hex()


def _fits(public: str, signature: str, payload: bytes) -> bool:
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
        key.verify(bytes.fromhex(signature), payload)
    except (InvalidSignature, ValueError):
        return False
    return True
