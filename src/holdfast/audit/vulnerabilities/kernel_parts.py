"""Which part of the kernel a record is about, and whether this kernel has that part.

Nothing is left out without evidence: a configuration that is known and does not have the option, an
option built as a module that is not in the image, or another processor.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from holdfast.audit.model.shapes import Kernel
from holdfast.audit.vulnerabilities.kernel_flaws import PLACES_OF, PROCESSOR_FLAWS
from holdfast.audit.vulnerabilities.kernel_tables import ALWAYS, MODULES, OPTIONS, SUBJECTS

_FAMILIES: Final[Mapping[str, str]] = {
    "arm": "arm", "aarch64": "arm", "mips": "mips", "mips64": "mips", "x86": "x86",
    "i386": "x86", "x86_64": "x86", "powerpc": "powerpc", "powerpc64": "powerpc",
    "ppc": "powerpc", "ppc64": "powerpc", "riscv": "riscv", "riscv32": "riscv",
    "riscv64": "riscv", "s390": "s390", "s390x": "s390", "sparc": "sparc", "sparc64": "sparc",
    "m68k": "m68k", "sh": "sh", "arc": "arc", "arcompact": "arc", "arcompact2": "arc",
    "loongarch": "loongarch", "xtensa": "xtensa", "microblaze": "microblaze", "nios2": "nios2",
    "hexagon": "hexagon", "alpha": "alpha", "ia64": "ia64", "parisc": "parisc",
}  # fmt: skip
"""Processors whose kernels may run each other's programs count as one."""

_ARCHITECTURES: Final[Mapping[str, str]] = {**_FAMILIES, "arm64": "arm", "um": "um", "csky": "csky"}


class KernelParts(NamedTuple):
    """What is known of the parts of a kernel.

    Attributes:
        config: Options and their values; empty if the configuration is not known.
        modules: Names of the modules in the image, with `_` for `-`.
        families: Processors of the image; empty if not known.
        named: Places in its source that the kernel itself names, without ending.
    """

    config: Mapping[str, str]
    modules: frozenset[str]
    families: frozenset[str]
    named: frozenset[str] = frozenset()

    @classmethod
    def of(cls, kernel: Kernel, machines: Iterable[str]) -> "KernelParts":
        """Gather it from a model and from what its programs are made for."""
        families = {_FAMILIES.get(machine, "") for machine in machines}
        return cls(
            config=dict(kernel.config) if kernel.config_where else {},
            modules=frozenset(name.replace("-", "_") for name in kernel.modules),
            families=frozenset() if "" in families else frozenset(families),
            named=frozenset(above for part in kernel.parts for above in _upwards(part)),
        )

    def missing(self, files: Iterable[str], cve: str = "") -> str:
        """Say why none of these files is in this kernel; "" if one is, or may be.

        Args:
            files: Source files, or `:` and the subject of a commit.
            cve: Id of the record, for what it does not say itself.
        """
        flawed = PROCESSOR_FLAWS.get(cve)
        if flawed and self.families and not self.families & flawed:
            return f"it is a flaw of processors of the kind {', '.join(sorted(flawed))}"
        places = [path_of(file) for file in files]
        if not any(places) and cve in PLACES_OF:
            files = (PLACES_OF[cve],)
        reasons = [self._missing(path_of(file)) for file in files]
        return reasons[0] if reasons and all(reasons) else ""

    def doubted(self, cve: str, files: Iterable[str] = ()) -> str:
        """Say why it is not known whether a record concerns this kernel; "" if it is.

        Args:
            cve: Id of the record.
            files: As for `missing`.
        """
        if cve not in PROCESSOR_FLAWS:
            places = [path_of(file) for file in files]
            if not any(places) and cve in PLACES_OF:
                places = [PLACES_OF[cve]]
            reasons = [self._unsettled(place) for place in places]
            return reasons[0] if reasons and all(reasons) else ""
        kinds = ", ".join(sorted(self.families)) or "unknown"
        return f"it is a flaw of some processors, and this one is only known to be {kinds}"

    def _missing(self, path: str) -> str:
        if path.startswith("arch/"):
            name = path.split("/")[1]
            family = _ARCHITECTURES.get(name)
            if family and self.families and family not in self.families:
                return f"arch/{name} is not built for {', '.join(sorted(self.families))}"
            if "/kvm/" in path:
                path = "virt/kvm/"
        above = path.partition(".")[0].rstrip("/")
        if not self.config or above in ALWAYS:
            return ""
        while above:
            if above in OPTIONS and (reason := self._off(above, OPTIONS[above].split())):
                return reason
            above = above.rpartition("/")[0]
        return ""

    def _unsettled(self, path: str) -> str:
        """Say why it is not known whether a part is there: not every kernel is built with it."""
        if path.startswith("arch/") and "/kvm/" in path:
            path = "virt/kvm/"
        above = path.partition(".")[0].rstrip("/")
        if self.config or above in ALWAYS:
            return ""
        for place in _upwards(above):
            options = OPTIONS.get(place, "").split()
            if not options:
                continue
            modules = {MODULES[option] for option in options if option in MODULES}
            modules.add(place.rpartition("/")[2].replace("-", "_"))
            if place in self.named or self.modules & modules:
                return ""
            return (
                f"whether the kernel was built with CONFIG_{options[0]} is not known: it brings no "
                "configuration, no such module, and does not name the part"
            )
        return ""

    def _off(self, place: str, options: list[str]) -> str:
        modules = {MODULES[option] for option in options if option in MODULES}
        if self.modules & {*modules, place.rpartition("/")[2].replace("-", "_")}:
            return ""  # perhaps built outside of this configuration, as OpenWrt builds its Wi-Fi
        values = [self.config.get(option, "n") for option in options]
        if all(value in {"n", ""} for value in values):
            return f"CONFIG_{options[0]} is not set"
        if values == ["m"] and modules and self.modules:
            return f"CONFIG_{options[0]}=m, and the module {min(modules)} is not in the image"
        return ""


def _upwards(path: str) -> Iterator[str]:
    """Give a place and the folders that it is in, the narrowest first."""
    while path:
        yield path
        path = path.rpartition("/")[0]


def path_of(file: str) -> str:
    """Give the place that a file, or the subject of a commit, stands for; "" if it tells none."""
    if file.startswith("net/netfilter/nft_"):
        return "net/netfilter/nf_tables"
    if not file.startswith(":"):
        return file
    subject = file[1:]
    while subject:
        if subject in SUBJECTS:
            return SUBJECTS[subject]
        subject = subject.rpartition(": ")[0]
    return ""
