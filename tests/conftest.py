"""What every test may use."""

import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from holdfast.core.files import closed_above
from holdfast.device import passage

ROOT = Path(__file__).parents[1]


def pytest_configure() -> None:
    """Let the users of a device's processes pass to a checkout below a closed folder (`/root`)."""
    os.umask(0o022)  # whatever the one of this shell is
    if os.geteuid() == 0 and closed_above(ROOT) is not None:
        # Other programs of the tests want a home that they can write to.
        os.environ["HOME"] = tempfile.mkdtemp(prefix="holdfast-home-")
        for trouble in passage.open_up([ROOT]):
            warnings.warn(trouble, stacklevel=1)
        os.chdir(Path.cwd())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail what is skipped where everything must be there."""
    report = yield
    if report.skipped and os.environ.get("HOLDFAST_REQUIRE_SERVERS") == "1":
        report.outcome = "failed"
        report.longrepr = f"skipped, and HOLDFAST_REQUIRE_SERVERS is set: {report.longrepr}"
    return report


@pytest.fixture(autouse=True)
def common_ground_kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Say which test changed what all that come after it stand on: umask, modes of folders."""
    base = tmp_path_factory.getbasetemp()
    before = _umask(), base.stat().st_mode, base.parent.stat().st_mode
    yield
    assert (_umask(), base.stat().st_mode, base.parent.stat().st_mode) == before


def _umask() -> str:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(line for line in status.splitlines() if line.startswith("Umask:"))


@pytest.fixture(scope="session")
def open_ground() -> Iterator[Path]:
    """Give a folder that every user may pass through, as processes with own uids must."""
    folder = Path(tempfile.mkdtemp(prefix="holdfast-open-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def ground(open_ground: Path) -> Iterator[Path]:
    """Give a folder for one test, below `open_ground`."""
    folder = Path(tempfile.mkdtemp(dir=open_ground))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """Be an ordinary user for a while, to whom closed things are closed; gives a folder of his."""
    folder, root = Path(tempfile.mkdtemp(prefix="holdfast-nobody-")), os.geteuid() == 0
    if root:
        os.chown(folder, 65534, 65534)
        os.setresuid(65534, 65534, 0)  # the real one too: access() asks for it
    try:
        yield folder
    finally:
        if root:
            os.setresuid(0, 0, 0)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def need() -> Callable[[str], str]:
    """Give the path of a real program; without it skip on a laptop, fail in CI."""

    def find(program: str) -> str:
        # Debian keeps servers where the PATH of ordinary users does not lead.
        path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
        if path is None:
            pytest.skip(f"{program} is not installed")
        return path

    return find
