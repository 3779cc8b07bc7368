"""The list that comes with Holdfast, opened once."""

from collections.abc import Iterator

import pytest

from holdfast.accounts.blocklist import builtin
from holdfast.accounts.policy import Lists


@pytest.fixture(scope="session")
def lists() -> Iterator[Lists]:
    opened = builtin.opened()
    yield opened
    opened.close()
