"""Real directories for the tests of this folder."""

from collections.abc import Callable, Iterator

import pytest

from tests.servers.slapd import Slapd, running_slapd


@pytest.fixture(scope="session")
def slapd(need: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    """A real OpenLDAP server with people, groups and a good certificate."""
    with running_slapd(need, tmp_path_factory.mktemp("slapd")) as server:
        yield server
