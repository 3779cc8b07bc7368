"""Daemons that lie in an image, and nothing starts them."""

from collections.abc import Iterator

from holdfast.audit.model.daemons import DAEMONS, SWITCHABLE
from holdfast.audit.model.shapes import Listener, Started
from holdfast.audit.model.startup.system import System


def unused_daemons(system: System, started: set[str]) -> Iterator[Listener]:
    """Give the daemons that are in the image though nothing starts them.

    Args:
        system: Whose start-up was read.
        started: Paths of programs that start.
    """
    paths = {system.files.place(program) for program in started} | _behind_others(system)
    for name, found in _daemons_of_folders(system):
        daemon = DAEMONS[name]
        if found not in paths:
            paths.add(found)
            yield Listener(
                service=daemon.service, program=found, where=found,
                protocol=daemon.protocol, port=daemon.port, started=Started.NO,
                user=daemon.drops or "root", user_why="drops" if daemon.drops else "absent",
            )  # fmt: skip


def _daemons_of_folders(system: System) -> Iterator[tuple[str, str]]:
    """Give name and path of each daemon where programs are looked for, then of all others."""
    wanted = [name for name, daemon in DAEMONS.items() if not daemon.unless]
    missing = set(wanted)
    for name in wanted:
        for folder in system.files.folders:
            place = f"{folder}/{name}".lstrip("/")
            if system.files.tree.resolve(place) is None:
                continue
            missing.discard(name)
            if found := system.files.which(f"/{place}"):
                yield name, found
            break
    # Products keep programs of their own in folders of their own.
    for path, facts in system.programs.every():
        name = path.rpartition("/")[2]
        if name in missing and facts.elf is not None and facts.elf.type == "program":
            yield name, path


def _behind_others(system: System) -> set[str]:
    """Give the servers in whose place another program waits, as `tcpsvd 0 21 ftpd`."""
    return {
        system.files.which(word)
        for launch in system.graph.launches.values()
        if launch.name in SWITCHABLE
        for word in launch.arguments
        if word.rpartition("/")[2] in DAEMONS
    }
