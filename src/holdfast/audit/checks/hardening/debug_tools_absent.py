"""No tools for taking programs apart."""

from collections.abc import Iterator
from typing import Final

from holdfast.audit.image import Image
from holdfast.audit.tree import Kind
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="Debuggers and test tools are not in the image",
    why="gdbserver on a device that was sold gives away keys that no file holds.",
    fix="Build the released image without debug packages.",
    recommendation=1,
    severity=Severity.LOW,
    sources=("Article 1.3", "EN 303 645 5.6-6", "EN 303 645 5.6-4A"),
)
TOOLS: Final = frozenset({
    "gdbserver", "gdb", "strace", "ltrace", "tcpdump", "tshark", "nmap", "valgrind", "perf",
    "oprofile", "memtester", "devmem", "devmem2", "i2cset", "flashcp", "lttng", "socat", "ncat",
    "netcat", "nc.traditional", "nc.openbsd", "mtdrw", "openocd", "gcc", "cc", "tcc", "ld",
})  # fmt: skip
_FOLDERS = ("bin/*", "sbin/*", "usr/bin/*", "usr/sbin/*", "usr/local/bin/*", "opt/*/bin/*")


def run(image: Image) -> Iterator[Finding]:
    """Look for the programs by name where programs lie."""
    for node in image.tree.glob(*_FOLDERS):
        name = node.path.rpartition("/")[2]
        if node.kind is Kind.FILE and node.mode & 0o111 and name in TOOLS:
            yield Finding(where=node.path, what=f"{name} is in the image")
