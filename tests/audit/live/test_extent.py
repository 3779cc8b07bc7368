"""How much of a running system is read."""

import pytest

from holdfast.audit.live.extent import LONGEST_IDLE, entered, told, without_idle
from holdfast.audit.live.observation import Observation, Process
from holdfast.audit.tree import Kind, Node


@pytest.mark.parametrize("path", [
    "", "etc", "etc/init.d", "usr/bin", "usr/lib", "var/lib/dpkg", "usr/lib/systemd/system", "boot",
])  # fmt: skip
def test_what_decides_how_it_starts_is_read(path: str) -> None:
    assert entered(path)


@pytest.mark.parametrize("path", [
    "home", "home/ada", "root", "proc", "proc/1", "sys", "dev", "srv", "media", "tmp", "etcetera",
    "usr/lib/x86_64-linux-gnu", "usr/share", "var/log", "var/lib/docker", "usr/bin2", "run",
])  # fmt: skip
def test_what_belongs_to_people_or_only_to_the_kernel_is_not(path: str) -> None:
    assert not entered(path)


def node(path: str, size_bytes: int, mode: int = 0o755) -> Node:
    return Node(path=path, kind=Kind.FILE, mode=mode, size_bytes=size_bytes, read=lambda: b"")


def test_long_files_are_looked_into_if_they_run_or_give_rights() -> None:
    long = LONGEST_IDLE + 1
    seen = Observation(
        processes=(Process(pid=1, program="/usr/bin/dockerd"),), sockets=(), mounts=()
    )
    nodes = [
        node("usr/bin/dockerd", long), node("usr/bin/node", long), node("bin/su", long, 0o4755),
        node("bin/sh", LONGEST_IDLE),
    ]  # fmt: skip
    kept, idle = without_idle(nodes, seen)
    assert [one.path for one in idle] == ["usr/bin/node"]
    assert [one.path for one in kept if one.read is None] == ["usr/bin/node"]
    assert len(kept) == len(nodes)
    notes = told(idle)
    assert "1 file longer than 4.0 MiB" in notes[-1]
    assert "usr/bin/node" in notes[-1]
    assert len(told(())) == 1
