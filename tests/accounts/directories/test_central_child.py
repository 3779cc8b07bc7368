"""The child that asks servers: what others see of it, how it ends, and what it tells accounting."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.accounts.directories import asking
from holdfast.accounts.directories.asking import Visit
from holdfast.accounts.errors import DirectoryChildError
from tests.accounts.directories.site import LAG_S, OURS, Site
from tests.accounts.directories.tacacs.conftest import PASSWORD
from tests.servers.slapd import READER_PASSWORD

pytestmark = pytest.mark.servers


def children() -> list[int]:
    """Find our own children that ask servers."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            parent = place.joinpath("stat").read_text().rpartition(")")[2].split()[1]
            words = place.joinpath("cmdline").read_bytes()
            if int(parent) == os.getpid() and b"holdfast.accounts.directories.child" in words:
                found.append(int(place.name))
    return found


@pytest.fixture
def asked_aside(site: Site) -> Iterator[tuple[int, list[object]]]:
    """A login with a silent server in another thread: its child, and what became of it."""
    came: list[object] = []
    name = site.bad("ldap", "silent")

    def ask() -> None:
        try:
            came.append(site.login({"one": [name]}, budget_s=5))
        except DirectoryChildError as error:
            came.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    until = time.monotonic() + 5
    while not (found := children()):
        assert time.monotonic() < until
        time.sleep(0.005)
    yield found[0], came
    thread.join(20)
    assert not thread.is_alive()
    assert not children()


def test_secrets_are_in_no_list_of_processes(asked_aside: tuple[int, list[object]]) -> None:
    child, _ = asked_aside
    seen = Path(f"/proc/{child}/cmdline").read_bytes() + Path(f"/proc/{child}/environ").read_bytes()
    assert b"holdfast.accounts.directories.child" in seen
    for secret in (READER_PASSWORD, PASSWORD, "ada"):
        assert secret.encode() not in seen


def test_a_child_that_is_killed_is_no_answer(
    site: Site, asked_aside: tuple[int, list[object]]
) -> None:
    child, came = asked_aside
    os.kill(child, signal.SIGKILL)
    until = time.monotonic() + 5
    while not came:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert isinstance(came[0], DirectoryChildError)
    site.must_be_discreet(str(came[0]), PASSWORD)


# --- accounting --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", OURS)
def test_coming_and_leaving_is_recorded_where_the_protocol_can(site: Site, kind: str) -> None:
    good = site.good("tacacs" if kind == "tacacs" else kind)
    settings = site.settings({"one": [good]})
    visit = Visit("stop", "ada", "session-1", 1_700_000_000, "192.0.2.7", 60)
    assert asking.record(settings, site.secrets(), visit, groups=["one"]) == ""
    expected = [
        "4", "ada", "192.0.2.7", "task_id=session-1", "service=shell", "stop_time=1700000000",
        "elapsed_time=60",
    ]  # fmt: skip
    assert site.tacacs.records == ([expected] if kind == "tacacs" else [])


def test_a_record_goes_to_the_first_server_that_answers(site: Site) -> None:
    names = [site.bad("tacacs", "dead"), site.good("tacacs")]
    settings = site.settings({"one": names, "ldap": [site.good("ldap")]})
    visit = Visit("start", "ada", "session-1", 1_700_000_000)
    told: list[str] = []
    assert asking.record_aside(settings, site.secrets(), visit, groups=["one"], told=told.append)
    until = time.monotonic() + 10
    while not site.tacacs.records:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert told == []


@pytest.mark.parametrize("fault", ["dead", "silent", "garbage", "certificate"])
def test_a_record_that_nobody_notes_harms_nobody(site: Site, fault: str) -> None:
    bad = site.bad("tacacs", fault)
    began = time.monotonic()
    visit = Visit("start", "ada", "session-1", 1_700_000_000)
    reason = asking.record(site.settings({"one": [bad]}), site.secrets(), visit, groups=["one"])
    assert time.monotonic() - began < asking.RECORD_S + LAG_S
    assert reason.startswith(f"{bad}: ")
    for nonsense in ("", "\ud800", "x\0", "x" * 1000):
        odd = visit._replace(task=nonsense)
        assert asking.record(site.settings({"one": [bad]}), site.secrets(), odd, groups=["one"])
