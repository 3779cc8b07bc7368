"""The pages do not build shell commands."""

import re
from collections.abc import Iterator
from typing import Final

from holdfast.audit.checks.hardening._listeners import called, found, web_servers
from holdfast.audit.facts.shapes import FileKind
from holdfast.audit.image import Image
from holdfast.audit.tree import Node
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity, Undecided

ABOUT = About(
    title="The management pages run no shell",
    why="Most takeovers of routers are a `;` in a form field that reaches system() or popen().",
    fix=(
        "Call programs with an argument list, or better a narrow privileged helper with fixed "
        "verbs."
    ),
    recommendation=1,
    severity=Severity.MEDIUM,
    sources=("Article 1.8", "EN 303 645 5.6-8", "EN 18031 GEC"),
)
_SHELLS = frozenset({"system", "popen"})
_FOLDERS = (
    "www/cgi-bin/**",
    "usr/www/cgi-bin/**",
    "htdocs/**",
    "var/www/cgi-bin/**",
    "home/httpd/**",
)
_PROGRAM: Final = re.compile(r"\.f?cgi$", re.IGNORECASE)
_ELSEWHERE: Final = re.compile(r"(^|/)(usr/share/doc|tests?|examples?)/")
_OF_PAGES: Final = re.compile(r"(^|/)(www|luci|cgi-bin|cgi|htdocs|web|webroot|html|rpc)/")
_BYTECODE: Final = "\x1bLua"
# A variable in the call, and nothing that takes the teeth out of it.
_PHP: Final = re.compile(
    r"(?<![\w>:$])(?<!function )(shell_exec|exec|system|passthru|popen|proc_open)\s*\("
    r"(?![^;]{0,300}escapeshell)[^;]{0,300}\$"
)
_LUA: Final = re.compile(
    r"\b(os\.execute|io\.popen|sys\.(?:call|exec))\s*\(?(?![^\n]{0,300}(?:shellquote|shellescape))"
    r"[^\n]{0,300}?(?:\.\.\s*[A-Za-z_(]|\"\s*%\s*[\w{])"
)
_MOST_BYTES: Final = 512 * 1024
_MOST_NAMED: Final = 3


def run(image: Image) -> Iterator[Finding]:
    """Look at web servers and CGI programs that call system or popen, and at scripts of pages."""
    servers = web_servers(image)
    if not servers:
        raise NotApplicable("no web server was found")
    seen: set[str] = set()
    for server in servers:
        node = image.tree.resolve(server.program) if server.program else None
        calls = _calls(image, node) if node else []
        if node is not None and calls and node.path not in seen:
            seen.add(node.path)
            yield found(image, server, f"{called(server)} calls {' and '.join(calls)}")
    yield from _programs(image, seen)
    compiled: list[str] = []
    for node in image.tree.files():
        if _ELSEWHERE.search(node.path):
            continue
        if node.path.endswith((".php", ".inc")):
            yield from _source(image, node, _PHP)
        elif _OF_PAGES.search(node.path) and _is_lua(image, node):
            if (image.text(node.path, _MOST_BYTES) or "").startswith(_BYTECODE):
                compiled.append(node.path)
            yield from _source(image, node, _LUA)
    if compiled:
        shown = ", ".join(compiled[:_MOST_NAMED])
        raise Undecided(f"{len(compiled)} pages are compiled, and cannot be read: {shown}")


def _is_lua(image: Image, node: Node) -> bool:
    facts = image.facts_of(node.path)
    return node.path.endswith((".lua", ".htm")) or (
        facts is not None and "lua" in facts.interpreter
    )


def _source(image: Image, node: Node, pattern: re.Pattern[str]) -> Iterator[Finding]:
    text = image.text(node.path, _MOST_BYTES) or ""
    match = pattern.search(text)
    if match is not None:
        line = text.count("\n", 0, match.start()) + 1
        yield Finding(where=f"{node.path}:{line}", what=f"a page hands a variable to {match[1]}")


def _programs(image: Image, seen: set[str]) -> Iterator[Finding]:
    """Look at programs in the usual folders, and at those that call themselves CGI."""
    usual = image.tree.glob(*(f"{one}/*" for one in _FOLDERS))
    named = (node for node in image.tree.files() if _PROGRAM.search(node.path))
    for node in (*usual, *named):
        facts = image.facts_of(node.path)
        if node.path in seen or facts is None:
            continue
        seen.add(node.path)
        calls = _calls(image, node)
        if calls:
            yield Finding(where=node.path, what=f"a page's program calls {' and '.join(calls)}")
        elif (
            facts.kind is FileKind.SCRIPT
            and facts.interpreter.split()[:1]
            and (facts.interpreter.split()[0].rpartition("/")[2] in {"sh", "ash", "bash"})
        ):
            yield Finding(where=node.path, what="a page's program is a shell script")


def _calls(image: Image, node: Node) -> list[str]:
    facts = image.facts_of(node.path)
    return sorted(_SHELLS.intersection(facts.elf.imports)) if facts and facts.elf else []
