"""What the broker remembers of proofs, across its own end: none is heard twice.

The broker ends when nobody calls, so used proofs are written down before anything is done; the
file is worth a minute, and nothing after the launcher's next start. Standard library only.
"""

import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from holdfast.core.files import write_whole
from holdfast.hardening import proof as owners_proof

_LONGEST_FILE_BYTES = 16 << 10
_FINGERPRINT_BYTES = 8
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


def fresh_key() -> int:
    """Make the key of one start, in memory that nobody can change; gives its descriptor."""
    handle = os.memfd_create("holdfast-proof", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(handle, os.urandom(owners_proof.KEY_BYTES))
    fcntl.fcntl(handle, fcntl.F_ADD_SEALS, _SEALS)
    return handle


def read_key(fd: int) -> bytes:
    """Read the key that the launcher made for this start; empty where none was handed over.

    Every process has the same open file, so it is read at a place and not from where others were.
    """
    try:
        if fcntl.fcntl(fd, fcntl.F_GET_SEALS) != _SEALS:
            return b""  # something else lies there
        return os.pread(fd, owners_proof.KEY_BYTES, 0)
    except (OSError, ValueError):
        return b""


class Proofs:
    """Judges proofs for the broker.

    Args:
        path: Where used proofs are written down.
        key: Of this start; without 32 bytes no proof holds.
        clock: Seconds of the clock that the whole machine shares.
    """

    def __init__(
        self, path: Path, key: bytes, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = path
        self._key = key
        self._clock = clock
        self._lock = threading.Lock()
        self._used: owners_proof.Used | None = None

    def prove(self, proof: str, verb: str, args: Mapping[str, Any]) -> str:
        """Judge a proof, strike it out, and give the name of who confirmed.

        Raises:
            ProofError: It does not hold, or was used.
            NoSpaceError: It cannot be written down that it was used, so it is not heard.
        """
        now_s = self._clock()
        proven = owners_proof.checked(proof, self._key, verb=verb, args=args, now_s=now_s)
        with self._lock:
            if self._used is None:
                self._used = self._read(now_s)
            self._used.use(proven, now_s=now_s)
            self._write(self._used)
        return proven.by

    def _write(self, used: owners_proof.Used) -> None:
        content = {
            "key": self._fingerprint(),
            "not_before_ms": used.not_before_ms,
            "seen": used.seen,
        }
        write_whole(self._path, json.dumps(content).encode(), mode=0o600)

    def _fingerprint(self) -> str:
        import hashlib  # noqa: PLC0415 - loads libcrypto; only needed once somebody brings a proof

        return hashlib.sha256(b"holdfast proof key\0" + self._key).hexdigest()[
            : 2 * _FINGERPRINT_BYTES
        ]

    def _read(self, now_s: float) -> owners_proof.Used:
        try:
            with self._path.open("rb") as file:
                found = json.loads(file.read(_LONGEST_FILE_BYTES))
            if _text(found["key"]) != self._fingerprint():
                return owners_proof.Used()  # of an earlier start, whose proofs do not hold anyway
            seen = {str(nonce): int(at) for nonce, at in found["seen"].items()}
            return owners_proof.Used(not_before_ms=int(found["not_before_ms"]), seen=seen)
        except FileNotFoundError:
            return owners_proof.Used()
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            # What was used cannot be told any more: only what is confirmed from now on counts.
            lost = owners_proof.Used(not_before_ms=int(now_s * 1000) + 1)
            self._write(lost)
            return lost


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value
