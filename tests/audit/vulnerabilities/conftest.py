"""Databases made for one test, and the real data where it is."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from holdfast.audit.vulnerabilities.database import Database
from holdfast.audit.vulnerabilities.forms.detection import Intake
from holdfast.audit.vulnerabilities.writing import Writer, taking_in
from tests.audit.vulnerabilities import records as make

PUBLISHED = Path(__file__).parents[4] / "shared" / "data" / "vulnerabilities"

Take = Callable[..., Path]


@pytest.fixture
def take(tmp_path: Path) -> Take:
    """Import documents, given as objects or bytes, into a database of this test."""

    def take_in(*contents: object, now: datetime = make.now, name: str = "base.sqlite") -> Path:
        path = tmp_path / "data" / name
        with taking_in(path, now=now) as writer:
            intake = Intake(writer)
            for number, content in enumerate(contents):
                file = tmp_path / f"document-{number}"
                file.write_bytes(
                    content if isinstance(content, bytes) else json.dumps(content).encode()
                )
                intake.file(file)
            intake.finish()
        return path

    return take_in


@pytest.fixture
def opened(take: Take) -> Callable[..., Database]:
    """Do `take`, and open the result."""
    return lambda *contents: Database(take(*contents))


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    """A writer into a file of its own."""
    path = tmp_path / "writer.sqlite"
    path.touch()
    return Writer(path, now=make.now)


@pytest.fixture(scope="session")
def published() -> Path:
    """The folder with data of real publishers."""
    if not PUBLISHED.is_dir():
        pytest.skip("the published vulnerability data is not beside the project")
    return PUBLISHED


@pytest.fixture(scope="session")
def real(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with all of it, made once."""
    path = tmp_path_factory.mktemp("real") / "vulnerabilities.sqlite"
    with taking_in(path, now=make.now) as writer:
        intake = Intake(writer)
        for file in sorted(published.glob("*.xz")):
            intake.file(file)
        intake.finish()
    return path
