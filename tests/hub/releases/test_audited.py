"""The hub's own audit as it really is: a hub, its worker, a confined child, and real images."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest
from django.conf import settings
from django.test import Client

from holdfast.audit.report import document
from holdfast.core.clock import now
from holdfast.hub.fleet import services as fleet
from holdfast.hub.fleet.models import Offer
from holdfast.hub.products.services import take_profile
from holdfast.hub.releases import judgements, services
from holdfast.hub.releases.models import Judgement, Judging
from holdfast.hub.staff import services as staff
from holdfast.hub.staff.models import Entry
from holdfast.updates import bundle, keys
from holdfast.updates.keys import KeyFile
from holdfast.updates.release import Severity, Version
from holdfast.updates.waiver import Waiver
from holdfast.updates.workshop import Workshop
from tests.audit.shipped import PASSPHRASE, PRODUCT, founded, shipped

pytestmark = [pytest.mark.servers, pytest.mark.slow]

PATIENCE_S = 60.0
HOLDFAST = [sys.executable, "-c", "from holdfast.cli import main; main()"]
WHY = "The console is inside the sealed case, and 1.3 removes it."
# What speaks against an image that starts Telnet.
TELNET = (
    "telnet-off", "listeners-declared", "services-unprivileged", "promises-kept",
    "bind-shell-absent", "authentication-everywhere",
)  # fmt: skip
Workers = Callable[[], "subprocess.Popen[bytes]"]


class Site(NamedTuple):
    """A hub that runs, and a maker whom it trusts."""

    folder: Path
    url: str
    config: Path
    signers: list[KeyFile]

    def built(self, *steps: str, version: str = "1.2", objections: tuple[str, ...] = ()) -> Path:
        """Build and sign a release without an audit, as on a machine that was broken into."""
        image, profile = shipped(self.folder, *steps)
        recipe = bundle.Recipe(
            product=PRODUCT, hardware=("a",), version=Version.parse(version),
            floor=Version.parse("0.0"), severity=Severity.LOW, notes="Faster pages.", fixes=(),
            artifact=image, profile=profile,
        )  # fmt: skip
        folder = self.folder / f"release-{version}"
        bundle.build(recipe, folder, now=now())
        if objections:
            bundle.waive(
                folder, Waiver(who="Ada Lovelace", why=WHY, made=now(), objections=objections)
            )
        shop = Workshop(self.folder / "workshop")
        for each in self.signers:
            bundle.sign(folder, shop, keys.load(each.path, PASSPHRASE), now=now())
        return folder

    def publish(self, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `holdfast release publish`."""
        return subprocess.run(  # noqa: TID251 - with the output as text, whatever the exit code
            [*HOLDFAST, "release", "publish", str(folder), "--hub", self.url,
             "--token-file", str(self.folder / "token"), *words],
            capture_output=True, text=True, timeout=PATIENCE_S * 2, check=False,
        )  # fmt: skip


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def free_port() -> int:
    import socket  # noqa: PLC0415

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def site(db: Path, tmp_path: Path) -> Iterator[Site]:
    config = tmp_path / "hub.toml"
    port = free_port()
    config.write_text(f'state = "{db.absolute()}"\nlisten = "127.0.0.1:{port}"\n')
    signers = founded(tmp_path, services.online_keys(settings.HUB).public_bytes())
    services.take_lists(Workshop(tmp_path / "workshop").files(), by="ada")
    (tmp_path / "token").write_text(staff.make_token("build-server", by="ada"))
    (tmp_path / "token").chmod(0o600)
    (tmp_path / "first").mkdir()
    _image, profile = shipped(tmp_path / "first")
    fleet.register_device("rg-1", take_profile(profile.read_bytes(), by="ada"), "a", by="ada")
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    with (tmp_path / "hub.log").open("wb") as log:
        process = subprocess.Popen(
            [*HOLDFAST, "hub", "serve", "--json", "-c", str(config)],
            stdout=subprocess.PIPE, stderr=log, env=env,
        )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline(), (tmp_path / "hub.log").read_text()
    yield Site(tmp_path, f"http://127.0.0.1:{port}", config, signers)
    process.terminate()
    process.wait(15)
    process.stdout.close()


@pytest.fixture
def worker(site: Site) -> Iterator[Workers]:
    started: list[subprocess.Popen[bytes]] = []

    def start() -> "subprocess.Popen[bytes]":
        with (site.folder / f"worker-{len(started)}.log").open("wb") as log:
            started.append(
                subprocess.Popen(
                    [*HOLDFAST, "hub", "worker", "--config", str(site.config)],
                    stderr=log,
                    stdout=log,
                )
            )
        return started[-1]

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            process.terminate()
        process.wait(30)


def judgement() -> Judgement:
    return Judgement.objects.get()


def below(pid: int) -> list[int]:
    """Give all processes below one."""
    found = [pid]
    for each in found:
        with suppress(OSError):
            for task in Path(f"/proc/{each}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found[1:]


def gone(pids: list[int]) -> bool:
    def alive(pid: int) -> bool:
        with suppress(OSError):
            return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
        return False

    return not any(alive(pid) for pid in pids)


def test_what_passes_is_offered_by_itself(site: Site, worker: Workers) -> None:
    worker()
    done = site.publish(site.built(), "--offer")
    assert done.returncode == 0, done.stderr
    assert "audit by the hub: passed" in done.stdout
    assert "offered to the devices" in done.stderr
    assert Offer.objects.get().release.version == "1.2"
    assert Entry.objects.get(what="release.offered").by == "token:build-server"
    found = judgement()
    report = document.read(judgements.report_place(found.report_sha256))
    assert report.subject.product == PRODUCT
    assert report.opened.complete
    assert list(settings.HUB.audit_cache.iterdir())


def test_what_fails_is_refused_told_and_waived_by_a_person(
    site: Site, worker: Workers, staff_client: Client
) -> None:
    release = site.built("Telnet")
    early = site.publish(release, "--offer", "--wait-s", "0")
    assert early.returncode == 0
    assert "has not finished" in early.stderr
    assert judgement().state == Judging.WAITING
    worker()
    seen: set[str] = set()

    def over() -> bool:
        now_is = judgement()
        seen.add(now_is.stage)
        return not now_is.under_way

    wait_for(over)
    assert seen & {"opening", "facts", "model", "checks"}
    done = site.publish(release, "--offer")
    assert done.returncode == 1
    assert "audit by the hub: refused" in done.stdout
    assert "telnet-off" in done.stderr
    assert "/releases/1/" in done.stderr
    assert not Offer.objects.exists()
    page = staff_client.get("/releases/1/").content.decode()
    assert "telnet-off" in page
    assert "token:build-server" in page  # who wants it offered, and will have it
    answer = staff_client.post("/releases/1/waive/", {"waive-why": WHY})
    assert answer.status_code == 302
    assert Offer.objects.get().release_id == 1
    staff_client.post("/releases/1/audit/again/")
    wait_for(lambda: not judgement().under_way)
    found = judgement()
    assert (found.state, found.open, found.waived_by) == (Judging.REFUSED, True, "ada")
    assert Offer.objects.get().closed_ms is None
    # The older report is removed once the new one is in the books, so perhaps a moment later.
    wait_for(lambda: len(list(settings.HUB.reports.iterdir())) == 1)


@pytest.mark.parametrize(("objections", "code"), [
    (tuple(f"{rule}: x" for rule in TELNET), 0),
    (("setuid-expected: x",), 1),
])  # fmt: skip
def test_what_the_signers_waived_is_waived(
    site: Site, worker: Workers, objections: tuple[str, ...], code: int
) -> None:
    worker()
    done = site.publish(site.built("Telnet", objections=objections))
    found = judgement()
    if code == 0:
        kinds = {line.partition(":")[0] for line in found.objections}
        assert kinds <= {line.partition(":")[0] for line in objections}
        assert found.waived_by == "Ada Lovelace (signed with the release)"
    else:
        assert found.waived_by == ""
    assert done.returncode == code, done.stderr


def test_a_waiver_counts_only_as_it_was_signed(site: Site, worker: Workers) -> None:
    """One that merely lies in the repository's folder is nothing."""
    site.publish(site.built("Telnet"), "--wait-s", "0")
    found = judgement()
    artifact = found.release.artifacts.get()
    forged = Waiver(who="Mallory", why=WHY, made=now(), objections=("telnet-off: x",))
    place = settings.HUB.repository / artifact.stored
    place.with_name(f"{'0' * 64}.waiver.json").write_bytes(forged.encode())
    worker()
    wait_for(lambda: not judgement().under_way)
    assert not judgement().open


def test_a_waiver_that_makes_no_sense_is_not_taken_in(site: Site, worker: Workers) -> None:
    del worker
    folder = site.built("Telnet", objections=("telnet-off: x",))
    place = folder / "targets" / PRODUCT / "1.2" / "waiver.json"
    text = place.read_bytes().replace(b'"format": 1', b'"format": 9')
    shutil.rmtree(folder / "metadata")
    shutil.rmtree(site.folder / "workshop" / PRODUCT, ignore_errors=True)
    place.write_bytes(text)
    done = site.publish(folder, "--wait-s", "0")
    assert done.returncode != 0
    assert not Judgement.objects.exists()


def test_a_worker_that_is_killed_judges_again(site: Site, worker: Workers) -> None:
    site.publish(site.built(), "--offer", "--wait-s", "0")
    first = worker()
    wait_for(lambda: judgement().stage in {"facts", "model", "checks"})
    children = below(first.pid)
    assert children
    first.kill()
    first.wait(10)
    wait_for(lambda: gone(children))
    assert judgement().state == Judging.RUNNING
    assert not Offer.objects.exists()
    worker()
    wait_for(lambda: not judgement().under_way)
    found = judgement()
    assert (found.state, found.tries) == (Judging.PASSED, 2)
    wait_for(Offer.objects.exists)


def test_a_worker_that_is_stopped_does_not_wait_for_the_audit(site: Site, worker: Workers) -> None:
    site.publish(site.built(), "--wait-s", "0")
    first = worker()
    wait_for(lambda: judgement().stage in {"facts", "model", "checks"})
    children = below(first.pid)
    first.send_signal(signal.SIGTERM)
    assert first.wait(15) == 0
    wait_for(lambda: gone(children))
    found = judgement()
    assert (found.state, found.tries) in {(Judging.WAITING, 0), (Judging.PASSED, 1)}
