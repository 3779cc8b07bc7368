"""The kernel's modules were built for the kernel that is in the image."""

import re
from collections.abc import Iterator

from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity, Undecided

ABOUT = About(
    title="The modules were built for the kernel in the image",
    why=(
        "A module of another kernel is refused, or loaded by force and crashes; it shows that an "
        "update of the kernel was left half done."
    ),
    fix="Build kernel and modules together; ask the maker of the chip for sources.",
    recommendation=1,
    severity=Severity.MEDIUM,
    sources=("Article 1.9", "EN 303 645 5.3-8"),
)

_NUMBER = re.compile(r"(?P<number>\d+\.\d+(?:\.\d+){0,2})")
_NAMED_SO = re.compile(r"Linux version (?P<number>\d+\.\d+(?:\.\d+){0,2})")
_NAMED = 3


def run(image: Image) -> Iterator[Finding]:
    """Compare the version that each module names with that of the kernel."""
    built_for: dict[str, list[str]] = {}
    for node in image.tree.files():
        facts = image.facts.get(image.digests.get(node.path, ""))
        if facts is not None and facts.module is not None:
            found = _NUMBER.match(facts.module.vermagic)
            if found is not None:
                built_for.setdefault(found[0], []).append(node.path)
    if not built_for:
        raise NotApplicable("there are no modules that say which kernel they are for")
    # Debian's 6.1.55 calls itself 6.1.0-13 and its modules too.
    named = _NAMED_SO.match(image.model.kernel.banner)
    kernel = named or _NUMBER.match(image.model.kernel.version)
    if kernel is None and len(built_for) == 1:
        raise Undecided("the version of the kernel could not be told")
    mine = kernel["number"] if kernel else max(built_for, key=lambda one: len(built_for[one]))
    for version, paths in sorted(built_for.items()):
        if version != mine:
            more = len(paths) - _NAMED
            yield Finding(
                where=paths[0],
                what=f"{len(paths)} module{'s'[: len(paths) > 1]} for Linux {version}, "
                f"but {'the kernel is' if kernel else 'most are for'} {mine}",
                evidence=(*paths[1:_NAMED], *((f"and {more} more",) if more > 0 else ())),
            )
