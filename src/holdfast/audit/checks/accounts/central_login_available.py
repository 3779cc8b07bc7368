"""The login can be given to the enterprise."""

from collections.abc import Iterator
from typing import Final

from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="A client for LDAP, RADIUS or TACACS+ is there",
    why="Where the enterprise's own login cannot be used, people share one local password.",
    fix="Offer central login; `holdfast.accounts` brings it to the management pages.",
    recommendation=2,
    severity=Severity.INFO,
    sources=("Article 2.7", "Article 2.8", "Article 2.9"),
)
CLIENTS: Final = (
    "libldap", "libradius", "libfreeradius", "pam_ldap", "pam_radius", "pam_tacplus", "nslcd",
    "sssd", "libnss_ldap", "libtac", "radiusclient", "libradcli",
)  # fmt: skip


def run(image: Image) -> Iterator[Finding]:
    """Look for libraries and modules of clients by their names; a note if there are none."""
    if image.profile is not None and set(image.profile.accounts.methods) - {"local"}:
        return
    names = (node.path.rpartition("/")[2].lower() for node in image.tree.walk())
    if not any(name.startswith(CLIENTS) for name in names):
        yield Finding(where="", what="no client for a central login was found")
