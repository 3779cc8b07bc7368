"""What every test may use."""

import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from holdfast.device import passage

ROOT = Path(__file__).parents[1]


def pytest_configure() -> None:
    """Let the users of a device's processes pass to a checkout below a closed folder (`/root`)."""
    os.umask(0o022)  # whatever the one of this shell is
    if os.geteuid() == 0 and passage.closed_above(ROOT) is not None:
        # Other programs of the tests want a home that they can write to.
        os.environ["HOME"] = tempfile.mkdtemp(prefix="holdfast-home-")
        for trouble in passage.open_up([ROOT]):
            warnings.warn(trouble, stacklevel=1)
        os.chdir(Path.cwd())


@pytest.fixture(autouse=True)
def umask_kept() -> Iterator[None]:
    """Say which test changed the umask of all that come after it."""
    before = _umask()
    yield
    assert _umask() == before


def _umask() -> str:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(line for line in status.splitlines() if line.startswith("Umask:"))


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
        if path is not None:
            return path
        if os.environ.get("HOLDFAST_REQUIRE_SERVERS") == "1":
            pytest.fail(f"{program} is not installed")
        pytest.skip(f"{program} is not installed")

    return find
