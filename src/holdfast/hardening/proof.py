"""The owner's proof: that he just confirmed this one call, which a taken-over GUI cannot forge.

Auth makes it after a password or a code was right; whoever carries the verb out checks it. The key
is fresh at each start of the launcher, which hands it to auth and broker alone. Moments are seconds
of the clock that the whole machine shares and that only runs forward: turning the device's clock
changes nothing. Standard library only.

    1.MOMENT_MS.NONCE.MAC.NAME

Source:
    ARCHITECTURE.md rule 6; OWASP ASVS 5.0 7.5 (re-authentication for dangerous actions).
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from holdfast.hardening.errors import ProofError

LIFE_S = 60
KEY_BYTES = 32
LONGEST = 256
MOST_USED = 64
"""Proofs of one minute that are remembered; more of them are refused, never forgotten early."""
_NONCE_BYTES = 16
_FORM = re.compile(r"1\.([0-9]{1,15})\.([0-9a-f]{32})\.([0-9a-f]{64})\.([ -~]{1,64})")


class Proven(NamedTuple):
    """What a good proof says.

    Attributes:
        by: Account name of who confirmed.
        nonce: Of the proof, to be remembered.
        at_ms: Moment at which it was made.
    """

    by: str
    nonce: str
    at_ms: int


def canonical(args: Mapping[str, Any]) -> str:
    """Write arguments in the one form that is signed, whatever their order was."""
    return json.dumps(args, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def made(
    key: bytes,
    *,
    verb: str,
    args: Mapping[str, Any],
    by: str,
    now_s: float,
    randomness: Callable[[int], bytes] = os.urandom,
) -> str:
    """Make a proof for one call.

    Args:
        key: 32 bytes.
        verb: Name of the verb.
        args: Its arguments, exactly.
        by: Account name of who confirmed; printable ASCII.
        now_s: Seconds of the clock that only runs forward.
        randomness: Gives random bytes.
    """
    at_ms, nonce = int(now_s * 1000), randomness(_NONCE_BYTES).hex()
    return f"1.{at_ms}.{nonce}.{_mac(key, verb, args, nonce, at_ms, by)}.{by}"


def checked(proof: str, key: bytes, *, verb: str, args: Mapping[str, Any], now_s: float) -> Proven:
    """Judge a proof; whether it was used before is asked of `Used`.

    Raises:
        ProofError: It is none, was made for something else, or is not of the last minute.
    """
    import hmac  # noqa: PLC0415 - loads libcrypto, which no resident process need carry

    found = _FORM.fullmatch(proof) if len(proof) <= LONGEST else None
    if found is None or len(key) != KEY_BYTES:
        raise ProofError
    at_ms, nonce, by = int(found[1]), found[2], found[4]
    right = hmac.compare_digest(_mac(key, verb, args, nonce, at_ms, by), found[3])
    if not right or not 0 <= int(now_s * 1000) - at_ms < LIFE_S * 1000:
        raise ProofError
    return Proven(by=by, nonce=nonce, at_ms=at_ms)


class Used:
    """The proofs of the last minute, so that none is heard twice.

    Args:
        not_before_ms: Proofs made before are refused: what was used until then is not known.
        seen: Nonce to moment in ms of what was used.
    """

    def __init__(self, *, not_before_ms: int = 0, seen: Mapping[str, int] | None = None) -> None:
        self.not_before_ms = not_before_ms
        self.seen = dict(seen or {})

    def use(self, proven: Proven, *, now_s: float) -> None:
        """Strike a proof out.

        Raises:
            ProofError: It was used, or that cannot be told.
        """
        oldest_ms = int(now_s * 1000) - LIFE_S * 1000
        self.seen = {nonce: at for nonce, at in self.seen.items() if at > oldest_ms}
        stale = proven.at_ms < self.not_before_ms
        if stale or proven.nonce in self.seen or len(self.seen) >= MOST_USED:
            raise ProofError
        self.seen[proven.nonce] = proven.at_ms


def is_needed(proof_of: Iterable[str], callers: Iterable[str], names: Iterable[str]) -> bool:
    """Whether a call needs a proof: nobody for whom the caller stands may do without.

    Args:
        proof_of: Callers from whom the verb demands one.
        callers: Callers who may use the verb at all.
        names: Callers for whom the peer's uid stands.
    """
    return not (set(names) & set(callers)) - set(proof_of)


def _mac(key: bytes, verb: str, args: Mapping[str, Any], nonce: str, at_ms: int, by: str) -> str:
    import hmac  # noqa: PLC0415 - as above

    text = canonical({"verb": verb, "args": dict(args), "nonce": nonce, "at_ms": at_ms, "by": by})
    return hmac.digest(key, b"holdfast proof 1\0" + text.encode(), "sha256").hex()
