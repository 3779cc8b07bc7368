"""How the programs that meet the network were compiled."""

from collections.abc import Callable, Iterator

from holdfast.audit.checks.hardening._listeners import running
from holdfast.audit.facts.shapes import ElfFacts
from holdfast.audit.image import Image
from holdfast.audit.verdicts import Finding, NotApplicable


def weak_listeners(image: Image, weak: Callable[[ElfFacts], bool], what: str) -> Iterator[Finding]:
    """Find programs that listen as shipped, and the libraries of theirs, that miss a protection.

    Raises:
        NotApplicable: Nothing that was compiled listens.
    """
    exposed = _exposed(image)
    if not exposed:
        raise NotApplicable("no compiled program listens as shipped")
    for path, because in sorted(exposed.items()):
        facts = image.facts_of(path)
        if facts is not None and facts.elf is not None and weak(facts.elf):
            yield Finding(where=path, what=what, evidence=(because,))


def _exposed(image: Image) -> dict[str, str]:
    found: dict[str, str] = {}
    for listener in running(image):
        node = image.tree.resolve(listener.program) if listener.program else None
        facts = image.facts_of(node.path) if node else None
        if node is not None and facts is not None and facts.elf is not None:
            found[node.path] = f"listens as {listener.service}"
    return found
