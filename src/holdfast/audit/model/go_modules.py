"""The modules of Go that programs say they are built of."""

from collections.abc import Iterator, Mapping
from typing import Final

from packageurl import PackageURL

from holdfast.audit.errors import FormatError
from holdfast.audit.facts.shapes import FileFacts
from holdfast.audit.model.shapes import Component
from holdfast.audit.model.startup import golang
from holdfast.audit.model.usage import Usage
from holdfast.audit.tree import Tree

MOST_PROGRAMS: Final = 64
MOST_PLACES: Final = 20
MOST_COMPONENTS: Final = 2000
_MOST_BYTES: Final = 128 * 1024 * 1024
_SURE: Final = 0.95
_STANDARD: Final = "stdlib"  # so the vulnerability database of Go calls what comes with it


def go_modules(
    tree: Tree, facts: Mapping[str, FileFacts], digests: Mapping[str, str], usage: Usage
) -> Iterator[Component]:
    """Give the modules of all Go programs, those that come with Go as one, sorted."""
    places: dict[golang.Module, list[str]] = {}
    for path, offset in _programs(facts, digests):
        try:
            content = tree.read(path, _MOST_BYTES) or b""
        except FormatError:
            continue
        build = golang.build(content, offset)
        own = [golang.Module(_STANDARD, build.version)] if build.version else []
        for module in (*own, *build.modules):
            if module in places or len(places) < MOST_COMPONENTS:
                places.setdefault(module, []).append(path)
    for module in sorted(places):
        where = places[module]
        started, listening = usage.of(where)
        namespace, _, name = module.path.rpartition("/")
        standard = module.path == _STANDARD
        version = module.version if standard else f"v{module.version}"
        yield Component(
            name="go" if standard else module.path,
            version=module.version,
            purl=PackageURL("golang", namespace or None, name, version).to_string(),
            cpe=f"cpe:2.3:a:golang:go:{module.version}:*:*:*:*:*:*:*" if standard else "",
            where=tuple(dict.fromkeys(where))[:MOST_PLACES],
            how="string",
            confidence=_SURE,
            copied=True,
            evidence=f"Go build information: {module.path} {version}"[:160],
            started=started,
            listening=listening,
        )


def _programs(
    facts: Mapping[str, FileFacts], digests: Mapping[str, str]
) -> Iterator[tuple[str, int]]:
    found = 0
    for path in sorted(digests):
        known = facts.get(digests[path])
        for hit in known.hits if known and known.elf else ():
            if hit.pattern == golang.PATTERN and found < MOST_PROGRAMS:
                found += 1
                yield path, hit.offset
