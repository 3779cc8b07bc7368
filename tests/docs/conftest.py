"""Where the documents are."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_NOT_OURS = {".venv", "var", "node_modules", ".pytest_cache"}


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def documents() -> dict[str, str]:
    """Every Markdown page by its path from the top of the tree."""
    found = {}
    for path in sorted(ROOT.rglob("*.md")):
        inner = path.relative_to(ROOT)
        if not _NOT_OURS.intersection(inner.parts):
            found[str(inner)] = path.read_text(encoding="utf-8")
    return found
