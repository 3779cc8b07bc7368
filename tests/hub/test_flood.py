"""A hundred logins at the same moment: memory stays what it is, and the rest are sent away."""

import http.client
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from holdfast.core.process import run
from tests.hub.doors import token_in

pytestmark = [pytest.mark.servers, pytest.mark.slow]
Hub = Any  # of conftest.py, which cannot be imported
SLOTS, SLOT_BYTES, ROOM_BYTES = 2, 19 << 20, 5_000_000
AT_ONCE = 100
CALM_BYTES, MOST_CROWDS = 300_000, 40


def memory(pid: int, line: str) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = next(each for each in status.splitlines() if each.startswith(line))
    return int(found.split()[1]) << 10


def serving(hub: Hub) -> int:
    """Find the process that answers: the child of the one that was started."""
    pid = hub.process.pid
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return int(child)


def attempt(url: str, name: str, told: Counter[int]) -> None:
    """Load the login page; with a name, send it as well."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    connection.request("GET", "/login/")
    page = connection.getresponse()
    content = page.read().decode()
    cookie = page.headers["Set-Cookie"].partition(";")[0]
    if not name:
        told[page.status] += 1
        connection.close()
        return
    form = {"csrfmiddlewaretoken": token_in(content), "name": name, "password": "x"}
    headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/login/", urlencode(form), headers)
    answer = connection.getresponse()
    answer.read()
    assert answer.status in {422, 429, 503}
    if answer.status != 422:
        assert int(answer.headers["Retry-After"]) > 0
    told[answer.status] += 1
    connection.close()


def flood(url: str, count: int, *, looking: bool = False) -> Counter[int]:
    told: Counter[int] = Counter()
    threads = [
        threading.Thread(target=attempt, args=(url, "" if looking else f"name-{number}", told))
        for number in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return told


def settled(url: str, pid: int) -> int:
    """Let crowds look at the page until they cost nothing more; gives the memory in bytes.

    Each of the 32 threads comes to half a megabyte of its own (stack, tables of its connection to
    the database, pieces of the heap), some of it late; whatever they do first is what costs it.
    """
    sizes = [memory(pid, "VmRSS")]
    for _crowd in range(MOST_CROWDS):
        assert flood(url, AT_ONCE, looking=True)[200] == AT_ONCE
        sizes.append(memory(pid, "VmRSS"))
        if len(sizes) > 3 and sizes[-1] - sizes[-4] < CALM_BYTES:
            break
    return sizes[-1]


def test_a_flood_of_logins_takes_the_memory_of_the_slots(
    start_hub: Callable[[], Hub],
    need: Callable[[str], str],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    add = [need("holdfast"), "hub", "accounts", "add", "ada", "-c", str(tmp_path / "hub.toml")]
    run(add, stdin=b"seven plain words nobody would guess\n", timeout_s=60)
    hub = start_hub()
    # What is loaded at the first login is not what logins cost.
    assert flood(hub.url, 1)[422] == 1
    pid = serving(hub)
    before = settled(hub.url, pid)
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")  # the highest begins anew
    told = flood(hub.url, AT_ONCE)
    grown = memory(pid, "VmHWM") - before
    record_property("grown_bytes", grown)
    record_property("told", dict(told))
    assert sum(told.values()) == AT_ONCE
    assert told[422] < AT_ONCE  # not all of them were even looked at
    assert grown <= SLOTS * SLOT_BYTES + ROOM_BYTES, f"{grown} bytes, {told}"
    assert hub.stop() == 0
