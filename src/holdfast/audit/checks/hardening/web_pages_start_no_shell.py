"""The pages do not build shell commands."""

from collections.abc import Iterator

from holdfast.audit.checks.hardening._listeners import called, found, web_servers
from holdfast.audit.facts.shapes import FileKind
from holdfast.audit.image import Image
from holdfast.audit.tree import Node
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity

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


def run(image: Image) -> Iterator[Finding]:
    """Look at web servers and CGI programs that call system or popen, and at CGI shell scripts."""
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
    for node in image.tree.glob(*(f"{one}/*" for one in _FOLDERS)):
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
