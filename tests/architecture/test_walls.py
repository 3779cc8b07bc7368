"""The import contracts hold, and each of them breaks when a fault is planted."""

import shutil
import sys
from pathlib import Path

import pytest

from holdfast.core.process import run

ROOT = Path(__file__).parents[2]

PLANTED = {
    "layers": ("core/clock.py", "import holdfast.product"),
    "layers (neighbours)": ("updates/release.py", "import holdfast.accounts"),
    "layers (new package)": ("stray/__init__.py", ""),
    "django-in-hub": ("gateway/__init__.py", "import django"),
    "slim-device": ("device/gui/__init__.py", "import granian"),
    "tiny-broker": ("device/broker/__init__.py", "import tuf"),
    "only-the-child-runs-the-engine": ("audit/child.py", "import holdfast.audit.engine"),
    "tiny-broker (indirect)": ("hardening/__init__.py", "import holdfast.core.log"),
}


def lint(folder: Path) -> tuple[int, str]:
    result = run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache", "--config", "pyproject.toml"],
        timeout_s=120,
        check=False,
        cwd=folder,
        env={"PYTHONPATH": str(folder / "src"), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
    )
    return result.exit_code, result.stdout.decode() + result.stderr.decode()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    shutil.copytree(
        ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "static")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_import_breaks_its_contract(tree: Path, name: str) -> None:
    place, line = PLANTED[name]
    file = tree / "src/holdfast" / place
    file.parent.mkdir(exist_ok=True)
    before = file.read_text() if file.exists() else ""
    file.write_text(f"{before}\n{line}\n")
    exit_code, output = lint(tree)
    assert exit_code == 1, output
    assert place.removesuffix("/__init__.py").removesuffix(".py").split("/")[0] in output


@pytest.mark.slow
def test_the_tree_as_it_stands_keeps_every_contract(tree: Path) -> None:
    exit_code, output = lint(tree)
    assert exit_code == 0, output
    assert "0 broken" in output


VAGUE = {"utils", "util", "helpers", "helper", "manager", "data", "info", "misc", "common_utils"}


def test_no_module_is_long_or_has_a_name_that_says_nothing() -> None:
    modules = [path for path in (ROOT / "src").rglob("*.py") if "migrations" not in path.parts]
    assert len(modules) > 100
    long = [path.name for path in modules if len(path.read_text().splitlines()) > 500]
    vague = [str(path) for path in modules if {path.stem, path.parent.name} & VAGUE]
    assert (long, vague) == ([], [])
