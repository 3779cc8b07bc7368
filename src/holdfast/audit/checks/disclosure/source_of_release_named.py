"""Whether a report can name the release that it is about."""

import re
from collections.abc import Iterator

from holdfast.audit.checks.disclosure._texts import release_values
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity, Undecided

ABOUT = About(
    title="The image names its release",
    why="A researcher, and the maker's own desk, must be able to say which release has a hole and "
    "which one closes it.",
    fix="Write VERSION_ID and BUILD_ID or IMAGE_VERSION of your own product into etc/os-release.",
    recommendation=4,
    severity=Severity.LOW,
    sources=(
        "Article 4.2",
        "EN 303 645 5.3-16",
        "CRA Annex I part II (1)",
    ),
)

RELEASE_FILES = (
    "etc/os-release",
    "usr/lib/os-release",
    "etc/openwrt_release",
    "etc/openwrt_version",
    "etc/lsb-release",
    "etc/version",
    "etc/*_version",
    "etc/*-version",
    "etc/*[-_]release",
    "etc/firmware*",
    "etc/config/buildver",
    "etc/buildinfo",
    "etc/build_info",
    "etc/sw-versions",
    "version",
    "version.txt",
)
NAMES = frozenset({"VERSION_ID", "BUILD_ID", "IMAGE_VERSION", "VERSION", "DISTRIB_RELEASE"})
PLACEHOLDER = re.compile(
    r"(?:unknown|none|todo|fixme|tbd|n/?a|null|undefined|x+|v?0+(?:\.0+)*|version|@\w+@|\$\{\w+\})?",
    re.IGNORECASE,
)


def run(image: Image) -> Iterator[Finding]:
    """Look for the files that name a release, and for values nobody filled in."""
    if image.model.start_up.init == "none":
        raise NotApplicable("no root file system was found")
    found = [node.path for node in image.tree.glob(*RELEASE_FILES) if node.size_bytes]
    values = [(where, name, value) for where, name, value in release_values(image) if name in NAMES]
    for where, name, value in values:
        if PLACEHOLDER.fullmatch(value):
            yield Finding(where=where, what=f"{name} was never filled in")
    if not found:
        raise Undecided("no file names the release; a program may know it")
