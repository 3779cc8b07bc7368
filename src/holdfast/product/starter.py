"""The first profile of a new product: commented, careful, and in order as it is written."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from holdfast.core.errors import UsageError
from holdfast.core.files import full_disk_named
from holdfast.product.errors import ProfileExistsError
from holdfast.product.profile import Profile, parse

SUPPORT_YEARS: Final = 5
"""What a new profile promises; the Cyber Resilience Act expects no less of most products."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Starter:
    """The little that a new profile needs to be told.

    Attributes:
        vendor: The maker, as on the label.
        product: Name for programs.
        name: Name for people.
        model: Model number, as on the label.
        hardware: Hardware revisions.
        markets: Country codes, or EU.
        site: The maker's domain; the update server and the policy page are guessed from it.
        since: Day of the first sale.
    """

    vendor: str
    product: str
    name: str
    model: str
    hardware: Sequence[str]
    markets: Sequence[str]
    site: str
    since: date

    def text(self) -> str:
        """Write the profile; nothing is checked here."""
        return _TEMPLATE.format(
            vendor=_quoted(self.vendor),
            product=_quoted(self.product),
            name=_quoted(self.name),
            model=_quoted(self.model),
            hardware=_listed(self.hardware),
            markets=_listed(self.markets),
            contact=_quoted(f"mailto:security@{self.site}"),
            policy=_quoted(f"https://{self.site}/security"),
            updates=_quoted(f"updates.{self.site}"),
            since=self.since.isoformat(),
            until=_years_after(self.since, SUPPORT_YEARS).isoformat(),
            waived=_years_after(self.since, 1).isoformat(),
        )


def write_new(path: Path, starter: Starter) -> Profile:
    """Write a new profile; never over another file.

    Raises:
        ProfileError: What the starter says is not allowed; nothing was written.
        ProfileExistsError: There is a file already.
        NoSpaceError: The disk is full; nothing was written.
        UsageError: It cannot be written there.
    """
    text = starter.text()
    profile = parse(text, name=str(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_once(path, text)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"{path} cannot be written: {reason}") from error
    return profile


def _write_once(path: Path, text: str) -> None:
    with full_disk_named(path):
        try:
            file = path.open("x", encoding="utf-8", newline="\n")
        except FileExistsError as error:
            raise ProfileExistsError(f"{path} exists already and was left as it is") from error
        try:
            with file:
                file.write(text)
        except OSError:
            path.unlink(missing_ok=True)
            raise


def _quoted(text: str) -> str:
    # The escapes of JSON are a part of those of TOML.
    return json.dumps(text, ensure_ascii=False)


def _listed(texts: Sequence[str]) -> str:
    return "[" + ", ".join(_quoted(text) for text in texts) + "]"


def _years_after(day: date, years: int) -> date:
    """Give the same day some years later; 29 February becomes the 28th."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)


_TEMPLATE: Final = """\
# Product profile: everything that is declared about one product, in one file.
# Check it with `holdfast product check`, look at it with `holdfast product show`.
# What is not said here does not exist: a port that is not listed is closed, a host that is not
# listed cannot be called, data about people that is not listed is refused.
format = 1

# A product without sensors says so; to declare some, remove this line and see the end of the file.
sensors = []

[identity]
vendor = {vendor}
product = {product}    # name for programs, and of its signing role; never changes
name = {name}
model = {model}
hardware = {hardware}    # revisions that releases are made for
markets = {markets}      # country codes, or EU

[platform]
name = "debian"
version = "12"

# ---- what listens ------------------------------------------------------------------------------
# default = "off" | "on" | "absent" (not in the image). What is off must be switchable by the owner.
# Telnet, SSH, FTP and SMB are never on as shipped; UPnP-IGD is never allowed.
[[services]]
name = "admin"
purpose = "The pages on which the owner looks after the device"
port = 443
default = "on"

[[services]]
name = "ssh"
purpose = "Command line for owners who want one; by key only"
port = 22
default = "off"
switchable = true

[[services]]
name = "telnet"
purpose = "Promised not to be in the image"
default = "absent"

# The administration pages; leave this table out if there are none.
[gui]
service = "admin"
user = "holdfast-gui"      # never root
confinement = "chroot"

[accounts]
methods = ["local"]             # also: "ldap", "radius", "tacacs+"
roles = ["owner", "viewer"]     # whoever claims the device gets the first

# ---- updates -----------------------------------------------------------------------------------
[updates]
channels = ["stable"]
window = "02:00-05:00"     # local time in which it may restart by itself
consent = "automatic"      # or "ask": one click of the owner
health_s = 120             # seconds in which a new version must prove itself

[updates.later_days]       # for how many days an owner can put off an update
low = 30
medium = 14
high = 3
critical = 1

[keys]
signers = ["release-1", "release-2"]    # names only; the keys stay in their own files
signatures = 1                          # how many of them must sign a release

# ---- promises ----------------------------------------------------------------------------------
[support]
since = {since}      # first sale
until = {until}      # last day of security updates; five years at least for most products

[disclosure]
contact = {contact}
policy = {policy}
languages = ["en"]
bounty = "none"            # or "considered", "offered"

# ---- people ------------------------------------------------------------------------------------
# basis: "consent", "contract", "legal-obligation", "vital-interest", "public-task",
# "legitimate-interest". retention: "30 days", or "until erased". where: "device", "hub", "service".
[[personal_data]]
field = "account.name"
purpose = "Tells the people apart who may change settings"
basis = "contract"
retention = "until erased"
where = "device"

[[personal_data]]
field = "account.password-hash"
purpose = "Lets nobody else in"
basis = "contract"
retention = "until erased"
where = "device"

[[personal_data]]
field = "owner.mail"
purpose = "Tells the owner about security updates"
basis = "consent"
retention = "until erased"
where = "hub"

# ---- whom it calls -----------------------------------------------------------------------------
[[endpoints]]
host = {updates}
port = 443
purpose = "Asks for updates and downloads them"

# ---- what it perceives -------------------------------------------------------------------------
# [[sensors]]
# name = "board-temperature"
# kind = "temperature"       # camera, microphone, location, presence, motion, light, humidity ...
# purpose = "Slows the processor down before it overheats"

# ---- what the audit found, and somebody decided to live with ------------------------------------
# It stays visible in every report, fails nothing until that day, and goes into the VEX.
# kind: "accepted", "false-positive", "not-present", "not-reachable", "needs-configuration",
# "mitigated".
# [[waivers]]
# rule = "programs-hardened"
# place = "usr/lib/vendor/**"
# reason = "The radio's supplier rebuilds its libraries for the next release"
# who = "Ada Example, product security"
# until = {waived}
"""
