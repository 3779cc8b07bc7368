"""The pages run as the profile says."""

from collections.abc import Iterator

from holdfast.audit.checks.hardening._listeners import called, found, web_servers
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity

ABOUT = About(
    title="The management pages run as the user that the profile declares",
    why="The profile is signed into the release; a device that differs from it misleads the buyer.",
    fix="Start the web server as the declared user, or declare the user that it has.",
    recommendation=1,
    severity=Severity.MEDIUM,
    sources=("Article 1.6", "EN 303 645 5.6-7", "CRA Annex I part I (2)(k)"),
)


def run(image: Image) -> Iterator[Finding]:
    """Compare the users of the web servers with the profile."""
    if image.profile is None or image.profile.gui is None:
        raise NotApplicable("no profile with management pages was given")
    servers = web_servers(image)
    if not servers:
        raise NotApplicable("no web server was found")
    for server in servers:
        if server.user != image.profile.gui.user:
            what = f"{called(server)} runs as {server.user}, declared is {image.profile.gui.user}"
            yield found(image, server, what)
