"""How the programs that meet the network were compiled."""

from collections.abc import Callable, Iterator

from holdfast.audit.checks.hardening._listeners import must_be_sure, running
from holdfast.audit.facts.shapes import ElfFacts
from holdfast.audit.image import Image
from holdfast.audit.model.startup.golang import PATTERN as GO
from holdfast.audit.verdicts import Finding, NotApplicable


def weak_listeners(
    image: Image, weak: Callable[[ElfFacts], bool], what: str, *, go: bool = True
) -> Iterator[Finding]:
    """Find programs that listen as shipped, and the libraries of theirs, that miss a protection.

    Args:
        image: The image.
        weak: Whether a program misses it.
        what: Says so.
        go: Whether programs of Go need it, which checks each access to memory itself.

    Raises:
        NotApplicable: Nothing that was compiled listens.
        Undecided: Only what may listen does.
    """
    exposed = _exposed(image, go=go)
    if not exposed:
        must_be_sure(image)
        raise NotApplicable("no compiled program listens as shipped")
    for path, because in sorted(exposed.items()):
        facts = image.facts_of(path)
        if facts is not None and facts.elf is not None and weak(facts.elf):
            yield Finding(where=path, what=what, evidence=(because,))


def _exposed(image: Image, *, go: bool) -> dict[str, str]:
    found: dict[str, str] = {}
    for listener in running(image):
        node = image.tree.resolve(listener.program) if listener.program else None
        facts = image.facts_of(node.path) if node else None
        if node is None or facts is None or facts.elf is None:
            continue
        if go or not any(hit.pattern == GO for hit in facts.hits):
            found[node.path] = f"listens as {listener.service}"
    return found
