"""Whether what people entrust to the product lies on its flash in the clear."""

from collections.abc import Iterator

from holdfast.audit.checks.privacy._storage import encryption, kept
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity, Undecided

ABOUT = About(
    title="The partition with the owner's data is encrypted",
    why="Passwords, pictures and visited places were read from the flash of devices bought second "
    "hand, with a soldering iron and in minutes.",
    fix="Put the data on dm-crypt or fscrypt, with a key from the TPM, a secure element or fuses.",
    recommendation=5,
    severity=Severity.MEDIUM,
    sources=(
        "Article 5.4",
        "EN 303 645 5.4-1",
        "CRA Annex I part I (2)(e)",
        "EN 18031 SSM",
    ),
)

PERSONAL = ("/data", "/home", "/overlay", "/config", "/conf", "/userdata", "/persist", "/storage",
            "/var", "/mnt", "/opt", "/nvram", "/etc", "/usr/local", "/jffs", "/media", "/srv",
            "/flash", "/rw")  # fmt: skip


def run(image: Image) -> Iterator[Finding]:
    """Compare what is mounted for data with what sets up encryption."""
    if image.profile is not None and not any(
        one.where == "device" for one in image.profile.personal_data
    ):
        raise NotApplicable("the profile says that the device keeps no personal data")
    found = [one for one in kept(image) if one[1].startswith(PERSONAL)]
    if not found:
        raise Undecided("no file system was found that would keep the owner's data")
    if next(encryption(image), ""):
        return
    told: set[str] = set()
    for where, point, source in found:
        if point not in told and "/mapper/" not in source:
            told.add(point)
            yield Finding(where=where, what=f"{point} keeps data in the clear")
