"""The agent's memory between its two threads: changed under a lock, on disk before it counts."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from holdfast.device.agent import memory as memory_file
from holdfast.device.agent.memory import Memory
from holdfast.device.service import say


class Keeper:
    """Holds the memory of one agent.

    Attributes:
        memory: What is known now; read it under `lock`, change it within `change`.
        lock: Held while reading several things that belong together.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.lock = threading.RLock()
        self.memory, fault = memory_file.read(path)
        if fault:
            say("memory.put_aside", fault=fault)
            path.replace(path.with_suffix(".damaged"))
            self.memory.note(
                "damaged",
                at_ms=time.time_ns() // 1_000_000,
                code="agent-memory",
                sentence="The device's notes about updates were damaged, so it begins new ones.",
                hint="Look at your settings again; an update that was under way is offered anew.",
            )

    @contextmanager
    def change(self) -> Iterator[Memory]:
        """Change the memory and write it.

        Raises:
            NoSpaceError: It could not be written; the change holds until the next start.
        """
        with self.lock:
            yield self.memory
            memory_file.write(self._path, self.memory)
