"""Small block lists, written for one test."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from holdfast.accounts.blocklist import layout
from holdfast.accounts.blocklist.builder import Builder

Written = tuple[Path, str]
Write = Callable[..., Written]
WORDS = (
    "sunshine",
    "letmein",
    "dragon",
    "correct horse battery",
    "Straße 12345",
    "iloveyou",
    "1234",
)


def seal(content: bytes) -> str:
    return layout.seal_of(content[: layout.SEALED_BYTES])


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a list of some words; gives its path and its seal."""

    def made(
        words: Iterable[str] = WORDS, *, top: int = 2, defaults: Iterable[str] = ()
    ) -> Written:
        builder = Builder()
        builder.add(words, top=top)
        builder.add_defaults(defaults)
        content = builder.build(name="small", licence="MIT").content
        path = tmp_path / "small.blocklist"
        path.write_bytes(content)
        return path, seal(content)

    return made
