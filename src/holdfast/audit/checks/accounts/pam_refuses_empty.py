"""PAM refuses empty passwords."""

from collections.abc import Iterator

from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity

ABOUT = About(
    title="PAM lets nobody in without a password",
    why="`nullok` and pam_permit turn a forgotten empty password, or anything, into a login.",
    fix="Remove `nullok` from auth lines; never use pam_permit as `sufficient` there.",
    recommendation=2,
    severity=Severity.LOW,
    sources=("Article 2.5", "EN 303 645 5.1-1", "CRA Annex I part I (2)(d)"),
)


def run(image: Image) -> Iterator[Finding]:
    """Look at the auth lines of every service."""
    files = [*image.tree.glob("etc/pam.d/*", "etc/pam.conf", "usr/lib/pam.d/*")]
    if not files:
        raise NotApplicable("there is no PAM")
    for node in files:
        for number, line in image.lines(node.path):
            words = line.split("#", 1)[0].split()
            if node.path.endswith("pam.conf"):
                words = words[1:]
            if words[:1] not in (["auth"], ["-auth"]):
                continue
            if "nullok" in words:
                yield Finding(
                    where=f"{node.path}:{number}", what="an empty password is let in (nullok)"
                )
            elif "pam_permit.so" in words and words[1] == "sufficient":
                yield Finding(
                    where=f"{node.path}:{number}",
                    what="anybody is let in (pam_permit is sufficient)",
                    severity=Severity.CRITICAL,
                )
