"""Weighing of what several records say about one component, and of what they demand besides."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from holdfast.audit.model.shapes import Component
from holdfast.audit.vulnerabilities.database import Found
from holdfast.audit.vulnerabilities.identifiers import number_of
from holdfast.audit.vulnerabilities.identity import Identity
from holdfast.audit.vulnerabilities.kernel_parts import KernelParts
from holdfast.audit.vulnerabilities.products import KERNEL, Package, package_names, package_of
from holdfast.audit.vulnerabilities.ranges import Answer, Demand, Statement, Status, holds, says
from holdfast.audit.vulnerabilities.revisions import any_revision, is_ours
from holdfast.audit.vulnerabilities.versions import key_of


@dataclass(slots=True)
class Verdict:
    """What all statements about one record and one component come to."""

    status: Status
    answer: Answer
    because: str
    files: tuple[str, ...] = ()
    fixed: str = ""  # why it is, by the package


@dataclass(slots=True)
class Surroundings:
    """What else is in the image, for records that demand several things at once."""

    components: dict[str, list[str]]
    identity: Identity | None
    linux: bool
    packages: Package | None
    parts: KernelParts
    banner: str = ""
    found: dict[str, list[Found]] = field(default_factory=dict)


def keys_of(found: Found) -> list[tuple[int, str]]:
    """Give the records that a statement is about: number, and name if it has no number."""
    names = [(number_of(name) or found.cve, name) for name in found.statement.ids]
    return names or [(found.cve, "")]


def come_to(
    found: Sequence[Found], version: str, around: Surroundings, *, strict: bool = False
) -> Verdict | None:
    """Weigh all statements of one record about one component.

    Args:
        found: The statements.
        version: Of the component.
        around: What else is in the image.
        strict: Whether "not affected" by who assigned the id outweighs everything.
    """
    verdicts: list[tuple[int, Verdict]] = []
    for each in found:
        answer = _answer(each.statement, version, around)
        if answer.status is not Status.UNKNOWN:
            because = f"{each.source}: {each.product} {answer.why}"
            verdicts.append((each.statement.authority, Verdict(answer.status, answer, because)))
    if not verdicts:
        return None
    authority = {status: max((rank for rank, one in verdicts if one.status is status), default=-1)
                 for status in Status}  # fmt: skip
    no, yes = authority[Status.UNAFFECTED], authority[Status.AFFECTED]
    if no >= 0 and (no >= yes if strict else no > yes):
        return _best(verdicts, Status.UNAFFECTED)
    if yes >= 0:
        best = _best(verdicts, Status.AFFECTED)
        if yes == 0:
            best.status = Status.UNCLEAR
            best.answer = Answer(status=Status.UNCLEAR, why="the record names no vendor")
        return best
    return _best(verdicts, Status.UNCLEAR if authority[Status.UNCLEAR] >= 0 else Status.UNAFFECTED)


def _best(verdicts: Sequence[tuple[int, Verdict]], status: Status) -> Verdict:
    fitting = [(rank, place) for place, (rank, one) in enumerate(verdicts) if one.status is status]
    return verdicts[max(fitting, key=lambda one: (one[0], -one[1]))[1]][1]


_FOREIGN = frozenset(
    {"windows", "microsoft_windows", "macos", "mac_os", "mac_os_x", "iphone_os", "ipados", "ios",
     "android", "wordpress", "joomla\\!", "drupal", "jenkins", "tvos", "watchos", "visual_studio"}
)  # fmt: skip
_HOME = frozenset({"linux", "linux_kernel", "unix", "embedded", "openwrt", "debian", "alpine"})


def _answer(statement: Statement, version: str, around: Surroundings) -> Answer:
    if not version:
        return Answer(status=Status.UNCLEAR, why="the version of the component is not known")
    answer = says(statement, version)
    if answer.status is not Status.AFFECTED:
        return answer
    if statement.target in _FOREIGN:
        return Answer(status=Status.UNAFFECTED, why=f"only for {statement.target}")
    unclear = ""
    if not answer.bounded:
        unclear = "the record names every version, and no end"
    elif statement.target and statement.target not in _HOME:
        unclear = f"only for {statement.target}"
    elif statement.negated:
        unclear = "the record has a condition that is negated"
    for demand in statement.demands:
        holds_here = any_of(is_there(one, around) for one in demand)
        if holds_here is False:
            return Answer(status=Status.UNAFFECTED, why=f"only together with {in_words(demand)}")
        if holds_here is None:
            unclear = unclear or f"only together with {in_words(demand)}"
    return Answer(status=Status.UNCLEAR, why=unclear) if unclear else answer


def any_of(answers: Iterable[bool | None]) -> bool | None:
    """Tell whether one of them is true; None if that is not known."""
    known = set(answers)
    return True if True in known else None if None in known else False


def in_words(demand: Sequence[Demand]) -> str:
    """Write alternatives for people."""
    names = [one.name.replace(":", " ") for one in demand[:3]]
    return " or ".join(dict.fromkeys(names)) + (" and others" if len(demand) > len(names) else "")


_CHIPS = frozenset(
    {"intel", "amd", "arm", "qualcomm", "mediatek", "broadcom", "marvell", "realtek", "nvidia",
     "nxp", "ti", "xilinx", "samsung", "rockchip", "allwinner", "ibm"}
)  # fmt: skip
_OTHER_SYSTEMS = frozenset(
    {"microsoft", "apple", "freebsd", "netbsd", "openbsd", "oracle", "vmware"}
)


def is_there(demand: Demand, around: Surroundings) -> bool | None:
    """Tell whether what a record demands besides is in this image; None if that is not known."""
    vendor, _, product = demand.name.partition(":")
    if demand.name in around.components:
        return any_of(_fits(demand, version) for version in around.components[demand.name])
    if demand.name in KERNEL:
        return around.linux or None
    if demand.part == "h" or product.endswith("_firmware"):
        return _is_this(demand, around.identity, vendor)
    return False if demand.part == "o" and vendor in _OTHER_SYSTEMS and around.linux else None


def _is_this(demand: Demand, identity: Identity | None, vendor: str) -> bool | None:
    """Tell whether hardware, or its firmware, is this product."""
    if identity is None or vendor in _CHIPS:
        return None
    if not is_ours(identity, demand.name):
        return False if identity.sure else None
    return any_revision(identity, demand.version) if demand.part == "h" else True


def _fits(demand: Demand, version: str) -> bool | None:
    key = key_of(version)
    if demand.version not in {"*", "-"}:
        other = key_of(demand.version)
        return None if key is None or other is None else bool(key == other)
    if not demand.low and not demand.high:
        return True
    return None if key is None else holds(demand, key, "generic")


def by_package(one: Component, around: Surroundings) -> dict[tuple[int, str], Verdict]:
    """Give what distributions say of a component's package, by record."""
    package = package_of(one, around.packages)
    found: dict[tuple[int, str], Verdict] = {}
    if package is None:
        return found
    for name in sorted(package_names(package)):
        for each in around.found.get(name, ()):
            release = each.statement.release
            if release and package.release and release != package.release:
                continue
            answer = says(each.statement, package.version)
            because = f"{each.source}: {each.product} {release} {answer.why}".replace("  ", " ")
            if answer.status is Status.UNKNOWN:
                continue
            for key in keys_of(each):
                before = found.get(key)
                now = Verdict(answer.status, answer, because)
                if before is not None and before.status is not now.status:
                    why = "releases of the distribution differ, and this one's is not known"
                    now = Verdict(Status.UNCLEAR, Answer(status=Status.UNCLEAR, why=why), because)
                found[key] = now
    return found


def with_package(
    upstream: Verdict | None, patched: Verdict | None, one: Component, key: tuple[int, str]
) -> Verdict | None:
    """Let what a package says outweigh what is said of the software in it."""
    if upstream is not None and upstream.status not in {Status.AFFECTED, Status.UNCLEAR}:
        upstream, fine = None, True
    else:
        fine = False
    if key[0] > 0 and key[0] in {number_of(cve) for cve in one.fixed}:
        patched = None
        if upstream is not None:
            upstream.fixed = f"the package {one.package or one.name} says so"
    elif patched is not None and patched.status is Status.UNAFFECTED:
        if upstream is not None:
            upstream.fixed = patched.because
    elif patched is not None and not (patched.status is Status.UNCLEAR and fine):
        return patched
    return upstream
