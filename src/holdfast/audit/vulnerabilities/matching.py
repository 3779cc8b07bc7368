"""Which published vulnerabilities concern an image, and how much each of them matters.

A record concerns a component when it names that very vendor and product as vulnerable, and the
component's version lies in a stretch that it calls affected. What cannot be compared is
`undecided`; what a distribution has patched is `fixed`; parts that the kernel was built without are
`not-built`.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from holdfast.audit.model.shapes import Component, Model, Started
from holdfast.audit.vulnerabilities.appliances import of_product
from holdfast.audit.vulnerabilities.database import Database, Found, Scores
from holdfast.audit.vulnerabilities.identifiers import cve_of
from holdfast.audit.vulnerabilities.identity import Identity
from holdfast.audit.vulnerabilities.kernel_parts import KernelParts
from holdfast.audit.vulnerabilities.products import (
    KERNEL,
    canonical,
    names_of,
    package_names,
    package_of,
    system_of,
)
from holdfast.audit.vulnerabilities.ranges import Status
from holdfast.audit.vulnerabilities.shapes import REACHES, STATES, Match, Reach, State
from holdfast.audit.vulnerabilities.versions import upstream_of
from holdfast.audit.vulnerabilities.weighing import (
    Surroundings,
    Verdict,
    by_package,
    come_to,
    keys_of,
    with_package,
)
from holdfast.product.profile import Profile

LIKELY = 0.1
"""EPSS from which a vulnerability counts as likely to be exploited."""

_SEVERE = 9.0


class KernelCount(NamedTuple):
    """How many records of the kernel were left out, and why.

    Attributes:
        named: Records that name the kernel.
        in_range: Records whose stretches hold this version, before any other thought.
        not_built: Of those, records of parts that this kernel does not have.
        undecided: Records that cannot be decided.
    """

    named: int = 0
    in_range: int = 0
    not_built: int = 0
    undecided: int = 0


class Judged(NamedTuple):
    """What is known of the vulnerabilities of an image.

    Attributes:
        matches: Worst first.
        kernel: What became of the kernel's.
    """

    matches: tuple[Match, ...]
    kernel: KernelCount


def matches(
    model: Model,
    database: Database,
    profile: Profile | None = None,
    *,
    identity: Identity | None = None,
    machines: Iterable[str] = (),
) -> tuple[Match, ...]:
    """Find the published vulnerabilities of an image, worst first; see `judge`."""
    return judge(model, database, profile, identity=identity, machines=machines).matches


def judge(
    model: Model,
    database: Database,
    profile: Profile | None = None,
    *,
    identity: Identity | None = None,
    machines: Iterable[str] = (),
) -> Judged:
    """Find the published vulnerabilities of an image.

    Args:
        model: What the image is.
        database: What is known.
        profile: What the maker declares; tells the product if `identity` does not.
        identity: Which product it is, see `identity.identify`.
        machines: Processors that its programs are made for, as `facts.shapes.ElfFacts.machine`.

    Returns:
        Matches in the order KEV, EPSS, CVSS, reach; and what became of the kernel's records.

    Raises:
        DatabaseError: The database is damaged.
    """
    if identity is None and profile is not None:
        who = profile.identity
        identity = Identity(
            vendor=who.vendor, model=who.model, revisions=who.hardware, where=("product.toml",)
        )
    components = _with_kernel(model)
    around = _surroundings(model, components, identity, machines)
    wanted: set[str] = set()
    for one in components:
        wanted |= names_of(one) | package_names(package_of(one, around.packages))
    for found in database.statements(wanted):
        around.found.setdefault(found.product, []).append(found)
    drafts: list[tuple[int, str, Match]] = []
    count = KernelCount()
    for one in components:
        if canonical(one.name) == "linux":
            kernels, count = _of_kernel(one, model, around)
            drafts += kernels
        else:
            drafts += _of_component(one, around)
    if identity is not None:
        drafts += ((number, "", match) for number, match in of_product(identity, database, around))
    scores = database.scores(number for number, _, _ in drafts)
    ready = [
        _scored(match, scores[number], name)
        for number, name, match in drafts
        if match.component == "" or _wanted(match, scores[number])
    ]
    return Judged(tuple(sorted(_once(ready), key=_rank)), count)


def _with_kernel(model: Model) -> tuple[Component, ...]:
    """Give the components, with one for the kernel, of the version that is best known."""
    others = [one for one in model.components if canonical(one.name) != "linux"]
    kernels = [one for one in model.components if canonical(one.name) == "linux"]
    version = model.kernel.version or next((one.version for one in kernels if one.version), "")
    if (debian := _DEBIAN.search(model.kernel.banner)) is not None:
        version = debian[1]  # `uname -r` says 5.10.0-21, the banner 5.10.162
    if not version and not kernels:
        return tuple(others)
    where = model.kernel.where or next((one.where for one in kernels), ())
    package = next((one.package for one in kernels if one.package), "")
    kernel = Component(
        name="linux", version=version, where=where, how="kernel", started=Started.BOOT,
        package=package, fixed=tuple({cve for one in kernels for cve in one.fixed}),
        purl=next((one.purl for one in kernels if one.purl), ""),
    )  # fmt: skip
    return (*others, kernel)


def _surroundings(
    model: Model,
    components: Sequence[Component],
    identity: Identity | None,
    machines: Iterable[str],
) -> Surroundings:
    there: dict[str, list[str]] = {}
    for one in components:
        for name in names_of(one):
            there.setdefault(name, []).append(one.version)
    return Surroundings(
        components=there,
        identity=identity,
        linux=bool(model.kernel.version) or model.start_up.init != "none",
        packages=system_of(components),
        parts=KernelParts.of(model.kernel, machines),
        banner=model.kernel.banner,
    )


# One component


def _of_component(one: Component, around: Surroundings) -> Iterator[tuple[int, str, Match]]:
    version = _upstream(one, around)
    records: dict[tuple[int, str], list[Found]] = {}
    for name in names_of(one):
        for found in around.found.get(name, ()):
            for key in keys_of(found):
                records.setdefault(key, []).append(found)
    patched = by_package(one, around)
    for key in sorted(records.keys() | patched.keys()):
        verdict = come_to(records.get(key, []), version, around)
        verdict = with_package(verdict, patched.get(key), one, key)
        if verdict is not None:
            yield key[0], key[1], _match(one, verdict)


def _upstream(one: Component, around: Surroundings) -> str:
    package = package_of(one, around.packages)
    if package is not None and (not one.version or one.version == package.version):
        return upstream_of(package.version, package.system)
    return one.version


def _match(one: Component, verdict: Verdict, state: State | None = None, reason: str = "") -> Match:
    if verdict.fixed:
        state, reason = "fixed", verdict.fixed
    elif state is None:
        state = "affected" if verdict.status is Status.AFFECTED else "undecided"
        reason = "" if state == "affected" else verdict.answer.why
    return Match(
        cve="",
        component=f"{one.name} {one.version}".strip(),
        where=one.where[0] if one.where else "",
        because=verdict.because[:300],
        fixed_in=verdict.answer.fixed_in,
        reach=_reach(one),
        state=state,
        reason=reason[:300],
    )


def _reach(one: Component) -> Reach:
    if canonical(one.name) == "linux":
        return "boot"
    if one.started in {Started.BOOT, Started.MAYBE}:
        return "listening" if one.listening else "boot"
    return "startable" if one.started in {Started.DEMAND, Started.STARTABLE} else "present"


# The kernel


def _of_kernel(
    one: Component, model: Model, around: Surroundings
) -> tuple[list[tuple[int, str, Match]], KernelCount]:
    records: dict[tuple[int, str], list[Found]] = {}
    for name in KERNEL:
        for each in around.found.get(name, ()):
            for key in keys_of(each):
                records.setdefault(key, []).append(each)
    patched = by_package(one, around)
    drafts: list[tuple[int, str, Match]] = []
    in_range = not_built = undecided = 0
    for key in sorted(records.keys() | patched.keys()):
        found = records.get(key, [])
        verdict = come_to(found, one.version, around, strict=True)
        if verdict is not None and verdict.status is Status.AFFECTED:
            in_range += 1
        verdict = with_package(verdict, patched.get(key), one, key)
        if verdict is None:
            continue
        match = _match(one, verdict)
        if match.state in {"affected", "undecided"}:
            cve = key[1] or cve_of(key[0])
            files = _files(found)
            if missing := around.parts.missing(files, cve):
                match = _match(one, verdict, "not-built", missing)
            elif doubt := around.parts.doubted(cve, files) or _distribution_kernel(model, patched):
                match = _match(one, verdict, "undecided", doubt)
        not_built += match.state == "not-built"
        undecided += match.state == "undecided"
        drafts.append((*key, match))
    return drafts, KernelCount(len(records), in_range, not_built, undecided)


def _files(found: Sequence[Found]) -> tuple[str, ...]:
    """Give the files that a record is about, from who knows best; better files than subjects."""
    told = [each.statement for each in found if each.statement.files]
    if not told:
        return ()
    best = max(told, key=lambda one: (not one.files[0].startswith(":"), one.authority))
    return best.files


_BUILT = re.compile(r"#\d+\S*-ubuntu|\.el\d|\bsuse\b", re.IGNORECASE)
_DEBIAN = re.compile(r"#\d* .{0,80}Debian (\d+\.\d+\.\d+)")


def _distribution_kernel(model: Model, patched: dict[tuple[int, str], Verdict]) -> str:
    """Say why the number of a distribution's kernel tells little; "" for others.

    The name of a distribution behind the compiler tells only where the maker built it.
    """
    built = f"{model.kernel.version} #{model.kernel.banner.partition(' #')[2]}"
    if _BUILT.search(built):
        return "" if patched else "a distribution's kernel carries patches under an old number"
    return ""


# Scores and order


def _wanted(match: Match, scores: Scores) -> bool:
    """Leave out what nobody can work with: all that was ever said of a thing without a version."""
    unknown = match.state == "undecided" and match.reason.startswith("the version of the component")
    return not unknown or bool(
        scores.kev
        or (scores.epss is not None and scores.epss >= LIKELY)
        or (scores.cvss is not None and scores.cvss >= _SEVERE)
    )


def _scored(match: Match, scores: Scores, name: str) -> Match:
    return Match(
        cve=name or scores.name,
        component=match.component,
        where=match.where,
        title=scores.title,
        because=match.because,
        fixed_in=match.fixed_in,
        kev=scores.kev,
        epss=scores.epss,
        cvss=scores.cvss,
        vector=scores.vector,
        reach=match.reach,
        state=match.state,
        reason=match.reason,
    )


def _once(found: Iterable[Match]) -> list[Match]:
    """Keep one of each record, component and place."""
    kept: dict[tuple[str, str, str], Match] = {}
    for one in found:
        key = (one.cve, one.component, one.where)
        if key not in kept or STATES.index(one.state) < STATES.index(kept[key].state):
            kept[key] = one
    return list(kept.values())


def _rank(one: Match) -> tuple[object, ...]:
    return (
        STATES.index(one.state),
        not one.kev,
        -(one.epss if one.epss is not None else -1),
        -(one.cvss if one.cvss is not None else -1),
        REACHES.index(one.reach),
        one.cve,
        one.component,
    )
