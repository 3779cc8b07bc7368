"""What the documents name exists, and what exists is named."""

import importlib.util
import re
import shlex
from functools import cache
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote

import pytest

from holdfast.core.process import run

LINK = re.compile(r"\]\(([^)\s]+)\)")
ANCHOR = re.compile(r'<a id="([^"]+)">')
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
# A command at the beginning of a line of a block, or in backquotes in running text.
SHELL = re.compile(r"^```(?:sh|console)?[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(holdfast [^`]+)`")
# Who installs gets these from the settings of his machine, never from us.
REGISTRIES = re.compile(
    r"pypi\.org|pythonhosted|deb\.debian\.org|security\.debian\.org|npmjs|crates\.io|docker\.io"
)


def without_code(text: str) -> str:
    return FENCE.sub("", text)


def slug(heading: str) -> str:
    plain = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower())
    return plain.strip().replace(" ", "-")


def anchors(text: str) -> set[str]:
    return {*ANCHOR.findall(text), *(slug(each) for each in HEADING.findall(without_code(text)))}


def links(documents: dict[str, str]) -> list[tuple[str, str]]:
    return [
        (page, link)
        for page, text in documents.items()
        for link in LINK.findall(without_code(text))
        if not re.match(r"[a-z]+:", link)
    ]


def test_every_relative_link_leads_somewhere(root: Path, documents: dict[str, str]) -> None:
    lost = []
    for page, link in links(documents):
        path, _, anchor = unquote(link).partition("#")
        target = (root / page).parent / path if path else root / page
        if not target.exists():
            lost.append(f"{page}: {link}")
        elif anchor and anchor not in anchors(target.read_text()):
            lost.append(f"{page}: {link} (no such heading)")
    assert lost == []


def test_every_document_can_be_reached_from_the_readme(
    root: Path, documents: dict[str, str]
) -> None:
    known, waiting = set[str](), ["README.md"]
    while waiting:
        page = waiting.pop()
        known.add(page)
        for link in LINK.findall(documents[page]):
            target = ((root / page).parent / link.partition("#")[0]).resolve()
            inner = str(target.relative_to(root)) if target.is_relative_to(root) else ""
            if inner in documents and inner not in known:
                waiting.append(inner)
    assert {page for page in documents if page.startswith("docs/")} <= known


def test_the_map_shows_every_package(root: Path, documents: dict[str, str]) -> None:
    shown = {
        (root / "docs/explanation" / link).resolve()
        for link in LINK.findall(documents["docs/explanation/map.md"])
    }
    packages = {
        init.parent
        for init in (root / "src/holdfast").rglob("__init__.py")
        if init.parent.name not in {"migrations", "holdfast", "templatetags"}
    }
    missing = {
        str(package.relative_to(root))
        for package in packages
        if not any(path == package or package in path.parents for path in shown)
    }
    assert missing == set()


def test_the_index_of_decisions_is_complete(root: Path) -> None:
    numbers = sorted(path.name[:4] for path in (root / "docs/decisions").glob("[0-9]*.md"))
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]
    for path in (root / "docs/decisions").glob("[0-9]*.md"):
        text = path.read_text()
        assert len(text.splitlines()) <= 60, f"{path.name} is longer than a page"
        for part in ("**Decided.**", "**Why.**", "**Given up.**"):
            assert part in text, f"{path.name} lacks {part}"


def test_no_document_names_a_package_registry(documents: dict[str, str]) -> None:
    assert [page for page, text in documents.items() if REGISTRIES.search(text)] == []


# ---- the command line ------------------------------------------------------------------------


@cache
def drawing() -> ModuleType:
    """The script that draws the reference page; it is no part of the package."""
    path = Path(__file__).parents[2] / "script/command_line.py"
    found = importlib.util.spec_from_file_location("command_line", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@cache
def options_by_command() -> dict[str, set[str]]:
    return {
        name: {"--help", *(option for each in command.params for option in each.opts)}
        for name, command in drawing().commands()
    }


def commands_named(text: str) -> list[str]:
    """Every `holdfast ...` of a page, continued lines joined, what the shell makes of it aside."""
    lines = [
        line
        for block in SHELL.findall(text)
        for line in block.replace("\\\n", " ").splitlines()
        if line.startswith("holdfast ")
    ]
    return lines + INLINE.findall(without_code(text))


def fault(command: str) -> str:
    """Say what is wrong with a command; nothing if it exists with its options."""
    known = options_by_command()
    words = shlex.split(re.split(r"[|;>&]", command)[0], comments=True)
    if words[1].startswith("-") or words[1] in {"COMMAND", "..."}:
        return ""
    groups = {name.split()[1] for name in known}
    if words[1] not in groups:
        return f"{command}: no command {words[1]}"
    for length in (4, 3, 2):
        name = " ".join(words[:length])
        if name in known:
            given = {word.partition("=")[0] for word in words if word.startswith("-")}
            wrong = given - known[name]
            return f"{command}: no option {', '.join(sorted(wrong))}" if wrong else ""
    # The name of a group alone, its help, or `release build|sign`.
    rest = words[2:]
    if all(word == "--help" or word.startswith("...") for word in rest):
        return ""
    if len(rest) == 1 and all(
        f"holdfast {words[1]} {each}" in known for each in rest[0].split("|")
    ):
        return ""
    return f"{command}: no command {' '.join(words[:3])}"


def test_every_command_in_the_documents_exists_with_its_options(
    documents: dict[str, str],
) -> None:
    wrong = [
        f"{page}: {found}"
        for page, text in documents.items()
        for command in commands_named(text)
        if (found := fault(command))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("holdfast keys init --workshop w --online f", ""),
        ("holdfast keys init --worksop w", "no option --worksop"),
        ("holdfast keys innit", "no command holdfast keys innit"),
        ("holdfast kees init", "no command kees"),
        ("holdfast hub --help", ""),
        ("holdfast demo --tour", ""),
    ],
)
def test_a_wrong_command_would_be_noticed(command: str, expected: str) -> None:
    assert fault(command).endswith(expected)
    assert bool(fault(command)) == bool(expected)


def test_there_are_commands_to_check(documents: dict[str, str]) -> None:
    assert sum(len(commands_named(text)) for text in documents.values()) > 40


def test_the_reference_page_of_the_command_line_is_up_to_date(root: Path) -> None:
    page = (root / "docs/reference/command-line.md").read_text()
    assert page == drawing().page(), "run script/docs"


@pytest.mark.parametrize("name", ["check", "test", "up", "bench", "install", "lock", "docs"])
def test_scripts_named_in_the_documents_are_there_and_are_shell(root: Path, name: str) -> None:
    script = root / "script" / name
    assert script.stat().st_mode & 0o111
    assert run(["sh", "-n", script], timeout_s=10, check=False).exit_code == 0


def test_every_script_in_the_documents_exists(root: Path, documents: dict[str, str]) -> None:
    named = {
        name
        for text in documents.values()
        for name in re.findall(r"\bscript/([a-z_-]+(?:\.py)?)\b", text)
    }
    assert {name for name in named if not (root / "script" / name).exists()} == set()
