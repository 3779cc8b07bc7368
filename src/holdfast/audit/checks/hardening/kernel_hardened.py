"""The kernel is built with its own protections."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity, Undecided
from holdfast.audit.vulnerabilities.versions import key_of

ABOUT = About(
    title="The kernel is built with its own protections",
    why=(
        "With them many holes of a kernel end in a crash; without them the same holes give an "
        "attacker the whole device."
    ),
    fix="Set the named options in the kernel's configuration and build it again.",
    recommendation=1,
    severity=Severity.MEDIUM,
    sources=(
        "Article 1.3",
        "EN 303 645 5.6-9",
        "CRA Annex I part I (2)(k)",
        "Kernel Self Protection Project, recommended settings",
    ),
)

_ON = frozenset({"y", "m"})
_LOW = 4096


class _Option(NamedTuple):
    """One protection.

    Attributes:
        names: Options, one of which must be on.
        what: What is wrong without.
        since: First version of the kernel that has it.
        machines: Processors that have it; empty for all.
        severity: Of its finding.
    """

    names: tuple[str, ...]
    what: str
    since: str = "2.6.30"
    machines: frozenset[str] = frozenset()
    severity: Severity | None = None


_MOST = frozenset({"x86", "x86_64", "i386", "arm", "aarch64"})
_WANTED = (
    _Option(
        ("STRICT_KERNEL_RWX", "DEBUG_RODATA"),
        "its own code can be written to",
        since="4.6",
        machines=frozenset({"x86_64", "x86", "i386", "aarch64"}),
    ),
    _Option(
        ("STACKPROTECTOR_STRONG", "STACKPROTECTOR", "CC_STACKPROTECTOR_STRONG",
         "CC_STACKPROTECTOR_REGULAR", "CC_STACKPROTECTOR_AUTO", "CC_STACKPROTECTOR"),
        "an overflow on its stack is not noticed",
        since="3.14",
    ),
    _Option(
        ("RANDOMIZE_BASE",),
        "it always lies at the same address",
        since="4.6",
        machines=frozenset({"x86_64", "x86", "i386", "aarch64"}),
        severity=Severity.LOW,
    ),
    _Option(
        ("HARDENED_USERCOPY",),
        "copies from and to programs are not checked",
        since="4.8",
        severity=Severity.LOW,
    ),
    _Option(("SECCOMP",), "programs cannot be confined to the calls that they need", since="3.5",
            severity=Severity.LOW),
    _Option(("SYN_COOKIES",), "a flood of half-open connections shuts it", severity=Severity.LOW),
)  # fmt: skip


def run(image: Image) -> Iterator[Finding]:
    """Compare the configuration with what every product should have."""
    kernel = image.model.kernel
    if not kernel.version and not kernel.config:
        raise NotApplicable("there is no kernel in the image")
    if not kernel.config_where:
        raise Undecided("the configuration of the kernel is not in the image")
    config = dict(kernel.config)
    machines = {facts.elf.machine for _, facts in image.elves() if facts.elf is not None}
    for wanted in _WANTED:
        if not _has(wanted, kernel.version, machines):
            continue
        if not any(config.get(name) in _ON for name in wanted.names):
            yield Finding(
                where=kernel.config_where,
                what=f"CONFIG_{wanted.names[0]} is not set: {wanted.what}",
                severity=wanted.severity,
            )
    for bad, what in _FAULTS.items():
        if bad(config):
            yield Finding(where=kernel.config_where, what=what, severity=Severity.LOW)


def _has(wanted: _Option, version: str, machines: set[str]) -> bool:
    mine, since = key_of(version, "linux"), key_of(wanted.since, "linux")
    if mine is None or mine < since:
        return False
    return not wanted.machines or (bool(machines) and machines <= wanted.machines)


def _memory_is_open(config: Mapping[str, str]) -> bool:
    return config.get("DEVMEM") == "y" and config.get("STRICT_DEVMEM") != "y"


def _first_page_is_open(config: Mapping[str, str]) -> bool:
    value = config.get("DEFAULT_MMAP_MIN_ADDR", "")
    return value.isdecimal() and int(value[:12]) < _LOW


_FAULTS: Mapping[Callable[[Mapping[str, str]], bool], str] = {
    lambda config: config.get("DEVKMEM") == "y": "CONFIG_DEVKMEM=y: root reads and writes "
    "the kernel's memory",
    _memory_is_open: "CONFIG_DEVMEM=y without CONFIG_STRICT_DEVMEM: root reads and "
    "writes all memory",
    lambda config: config.get("COMPAT_BRK") == "y": "CONFIG_COMPAT_BRK=y: heaps begin at the same "
    "address",
    _first_page_is_open: "CONFIG_DEFAULT_MMAP_MIN_ADDR is below 4096: a null pointer can be used",
    lambda config: (
        config.get("BPF_SYSCALL") == "y" and config.get("BPF_UNPRIV_DEFAULT_OFF") == "n"
    ): "CONFIG_BPF_UNPRIV_DEFAULT_OFF is not set: every user may load BPF programs",
}
