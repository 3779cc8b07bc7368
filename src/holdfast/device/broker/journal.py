"""The broker's memory of who asked for what: append-only lines of bounded number and length.

What repeats within a minute is counted instead of written again, so that a flood of refused
packets cannot push older lines out. Standard library only.
"""

import json
import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from holdfast.device.broker.wire import Peer
from holdfast.hardening.verbs import Verb

LONGEST_FILE_BYTES = 512 << 10
_WINDOW_S = 60.0
_WRITTEN_SINGLY = 3
_MOST_KINDS = 256


class _Repeats:
    def __init__(self, since: float) -> None:
        self.since = since
        self.calls = 1


class Journal:
    """Appends to `journal.jsonl`; when full that becomes `journal.1.jsonl`.

    Attributes:
        path: The file that is written now.
    """

    def __init__(self, path: Path, table: Mapping[str, Verb]) -> None:
        self.path = path
        self._table = table
        self._lock = threading.Lock()
        self._repeats: dict[tuple[int, str, str], _Repeats] = {}

    def call(self, peer: Peer, verb: str, args: Mapping[str, Any], result: str) -> None:
        """Note one call and how it went."""
        rule = self._table.get(verb)
        shown = {
            name: value
            for name, value in args.items()
            if rule is not None and name in rule.args and not rule.args[name].secret
        }
        with self._lock:
            countable = rule is None or rule.quiet or result.startswith("verb-")
            if countable and self._is_repeat(peer.uid, verb, result):
                return
            line = {"uid": peer.uid, "pid": peer.pid, "verb": verb, "result": result}
            proven = {"by": peer.by} if peer.by else {}
            self._write(line | proven | ({"args": shown} if shown else {}))

    def event(self, event: str, **facts: object) -> None:
        """Note something that nobody called for."""
        with self._lock:
            self._write({"event": event, **facts})

    def flush(self) -> None:
        """Write how often the counted lines were repeated."""
        with self._lock:
            for key in list(self._repeats):
                self._end(key)

    def _is_repeat(self, uid: int, verb: str, result: str) -> bool:
        now = time.monotonic()
        for old in [key for key, seen in self._repeats.items() if now - seen.since > _WINDOW_S]:
            self._end(old)
        key = (uid, verb, result)
        seen = self._repeats.get(key)
        if seen is None:
            if len(self._repeats) >= _MOST_KINDS:
                return True
            self._repeats[key] = _Repeats(since=now)
            return False
        seen.calls += 1
        return seen.calls > _WRITTEN_SINGLY

    def _end(self, key: tuple[int, str, str]) -> None:
        further = self._repeats.pop(key).calls - _WRITTEN_SINGLY
        if further > 0:
            uid, verb, result = key
            self._write({"uid": uid, "verb": verb, "result": result, "further": further})

    def _write(self, facts: Mapping[str, object]) -> None:
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        line = json.dumps({"at": at, **facts}, separators=(",", ":")).encode() + b"\n"
        with suppress(OSError):  # a full disk must not stop a way back
            self._rotate(len(line))
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            handle = os.open(self.path, flags, 0o600)
            try:
                size = os.fstat(handle).st_size
                if size and os.pread(handle, 1, size - 1) != b"\n":
                    line = b"\n" + line  # power was cut in the middle of the last line
                os.write(handle, line)
            finally:
                os.close(handle)

    def _rotate(self, coming: int) -> None:
        with suppress(FileNotFoundError):
            if self.path.stat().st_size + coming > LONGEST_FILE_BYTES:
                self.path.replace(self.path.with_name("journal.1.jsonl"))
