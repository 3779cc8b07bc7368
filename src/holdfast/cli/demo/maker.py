"""The maker of the demonstration: keys, profiles and releases on his own machine."""

import secrets
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from holdfast import product as profiles
from holdfast.cli.demo.places import Places
from holdfast.core.clock import now
from holdfast.core.files import write_whole
from holdfast.updates import bundle, keys
from holdfast.updates.keys import Cost, KeyFile, SigningKey
from holdfast.updates.online import OnlineKeys
from holdfast.updates.release import Release, Severity, Version
from holdfast.updates.workshop import Start, Workshop

EXAMPLES = Path(__file__).parents[4] / "examples"
GATEWAY = "home-gateway"
CAMERA = "camera"
# The passphrase is 128 random bits: nobody guesses it, however cheap a guess.
_COST = Cost(iterations=1, memory_kib=19 * 1024, lanes=1)
_ROLES = ("root", "root", "root", "targets", "targets", GATEWAY, GATEWAY, CAMERA, CAMERA)
_THRESHOLDS = {"root": 2, "targets": 1, GATEWAY: 2, CAMERA: 2}
_SIGNED_WHEN_FOUNDED = ("root", "targets")
_BESIDE = "The agent and the broker of the demonstration run beside the slot, not in it."
_DEBIAN = "Debian mends the packages of the release it is made from without a new version number."
_WAIVED = (
    ("update-as-declared", "/", _BESIDE),
    ("factory-reset-path", "/", _BESIDE),
    ("security-contact", "/", "The pages inside the demonstration's image are two lines long."),
    ("component-age", "**", _DEBIAN),
    ("component-end-of-life", "**", _DEBIAN),
)
_WAIVED_FOR = timedelta(days=90)
_WAIVER = """\
[[waivers]]
rule = "{}"
place = "{}"
reason = "{}"
who = "The makers of the demonstration"
until = {}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A release to be built.

    Attributes:
        version: Version label.
        image: The root file system.
        severity: How urgent it is.
        notes: What changes, in plain words.
        fixes: CVE ids.
        product: Id of the product.
        hardware: Revisions that it fits.
        floor: Security floor.
    """

    version: str
    image: Path
    severity: Severity
    notes: str
    fixes: tuple[str, ...] = ()
    product: str = GATEWAY
    hardware: tuple[str, ...] = ("a", "b")
    floor: str = "1.0"


class Maker:
    """Signs with keys that were made for demonstration; releases need two of two signers."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def found(self) -> None:
        """Make keys and sign the first root and targets files; the hub has its keys already."""
        passphrase = secrets.token_hex(16)
        self._places.workshop.mkdir(parents=True, mode=0o700)
        write_whole(self._places.passphrase, f"{passphrase}\n".encode(), mode=0o600)
        made = self._make_keys(passphrase)
        online = OnlineKeys.load(self._places.hub / "online-keys").public_bytes()
        start = Start(
            online=online,
            root=[each.public for each in made["root"]],
            targets=[each.public for each in made["targets"]],
            root_threshold=_THRESHOLDS["root"],
            targets_threshold=_THRESHOLDS["targets"],
        )
        workshop = Workshop.init(self._places.workshop, start, now=now())
        for role in _SIGNED_WHEN_FOUNDED:
            self._sign(workshop, role)
        for product in (GATEWAY, CAMERA):
            public = [each.public for each in made[product]]
            workshop.add_product(product, public, threshold=_THRESHOLDS[product], now=now())
            self._sign(workshop, "targets")

    def key_files(self, role: str) -> list[Path]:
        """Return the sealed keys that are needed to sign for a role, no more."""
        found = sorted((self._places.workshop / "keys").glob(f"{role}-*.key.json"))
        return found[: _THRESHOLDS[role]]

    def signers(self, role: str) -> list[SigningKey]:
        """Open the keys that are needed to sign for a role."""
        passphrase = self._places.passphrase.read_text().strip()
        return [keys.load(path, passphrase, role=role) for path in self.key_files(role)]

    def workshop(self) -> Workshop:
        """Open the maker's workshop."""
        return Workshop(self._places.workshop)

    def profile(self, product: str) -> Path:
        """Write the profile of a product, with what the audit must not hold against a demo."""
        place = self._places.maker / f"{product}.toml"
        if not place.exists():
            text = (EXAMPLES / product / "product.toml").read_text()
            until = now().date() + _WAIVED_FOR
            waivers = (_WAIVER.format(rule, at, why, until) for rule, at, why in _WAIVED)
            write_whole(place, "\n".join([text, *waivers]).encode())
        return place

    def folder(self, draft: Draft) -> Path:
        """Name the folder of a release."""
        return self._places.maker / "releases" / f"{draft.product}-{draft.version}"

    def release(self, draft: Draft) -> Path:
        """Build a release folder and sign it with all the keys that are needed."""
        folder = self.folder(draft)
        if not folder.exists():
            self.build(draft, folder)
            for key in self.signers(draft.product):
                bundle.sign(folder, self.workshop(), key, now=now())
        return folder

    def half_signed(self, draft: Draft) -> Path:
        """Build a release folder with one signature, in a copy of the workshop."""
        folder = self.folder(draft)
        self.build(draft, folder)
        copy = folder.with_name(f"{folder.name}-workshop")
        shutil.copytree(self._places.workshop, copy)
        bundle.sign(folder, Workshop(copy), self.signers(draft.product)[0], now=now())
        return folder

    def build(self, draft: Draft, folder: Path) -> Release:
        """Build a release folder without signing it."""
        profile = profiles.read(self.profile(draft.product))
        recipe = bundle.Recipe(
            product=profile.identity.product,
            hardware=draft.hardware,
            version=Version.parse(draft.version),
            floor=Version.parse(draft.floor),
            severity=draft.severity,
            notes=draft.notes,
            fixes=draft.fixes,
            artifact=draft.image,
            profile=self.profile(draft.product),
        )
        return bundle.build(recipe, folder, now=now())

    def _make_keys(self, passphrase: str) -> dict[str, list[KeyFile]]:
        folder = self._places.workshop / "keys"
        with ThreadPoolExecutor(max_workers=2) as pool:
            made = list(
                pool.map(
                    lambda role: keys.make(folder, role=role, passphrase=passphrase, cost=_COST),
                    _ROLES,
                )
            )
        return {role: [each for each in made if each.public.role == role] for role in set(_ROLES)}

    def _sign(self, workshop: Workshop, role: str) -> None:
        for key in self.signers(role):
            workshop.sign(role, key)
