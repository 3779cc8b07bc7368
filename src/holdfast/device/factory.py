"""Makes a device: its folder, its first software, its one-time set-up code."""

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from holdfast import product
from holdfast.core import clock
from holdfast.core.errors import HoldfastError, UsageError
from holdfast.device import certificate, config, label, layout
from holdfast.device.auth import setup_code
from holdfast.device.boot import boot_file
from holdfast.device.broker import state, tree
from holdfast.device.broker.state import BootState, Slot, SlotRecord
from holdfast.device.broker.unpack import unpack
from holdfast.device.label import Label
from holdfast.device.launcher import plan_of
from holdfast.updates import inspection
from holdfast.updates.errors import UpdateError

_SHORTEST_TOKEN = 16
_LONGEST_FILE_BYTES = 1 << 20


class FolderTakenError(HoldfastError):
    """A device is never made over something else."""

    code = "device-folder-taken"
    exit_code = 2
    hint = "Choose another folder, or remove this one."


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What kind of device to make.

    Attributes:
        folder: Where; must not exist, or be empty.
        profile: The product profile.
        hub_url: Base URL of the gateway.
        controller_id: Name under which the hub knows the device.
        token: Token with which it shows who it is.
        root: First root of trust, as `holdfast keys init` made it.
        image: First software, a squashfs image.
        version: Its version label.
        hardware: Hardware revision.
        settings: Further lines of `device.toml` by key.
    """

    folder: Path
    profile: Path
    hub_url: str
    controller_id: str
    token: str
    root: Path
    image: Path
    version: str
    hardware: str
    settings: dict[str, str | int]


def make(order: Order) -> Label:
    """Make a device; the folder is whole or absent.

    Returns:
        The label, with the set-up code of which only a hash is kept.

    Raises:
        HoldfastError: Something given is faulty, or the disk is full.
    """
    _check(order)
    # The program that unpacks has another working folder: a relative path would mislead it.
    fresh = order.folder.absolute().with_name(f".{order.folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        code = _make(order, fresh)
        if order.folder.exists():
            order.folder.rmdir()
        fresh.rename(order.folder)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return label.of(config.read(order.folder / "device.toml"), code)


def _check(order: Order) -> None:
    if order.folder.exists() and any(order.folder.iterdir()):
        raise FolderTakenError(f"{order.folder} is not empty")
    profile = product.read(order.profile)
    if order.hardware not in profile.identity.hardware:
        known = ", ".join(profile.identity.hardware)
        raise UsageError(f"the profile knows no hardware revision {order.hardware!r}: {known}")
    state.number(order.version)
    if len(order.token) < _SHORTEST_TOKEN or not order.token.isascii():
        raise UsageError(f"the token needs {_SHORTEST_TOKEN} ASCII characters at least")
    for path in (order.root, order.image):
        if not path.is_file():
            raise UsageError(f"there is no file {path}")
    _must_be_root(order.root)


def _must_be_root(path: Path) -> None:
    """Refuse a root of trust with which the device could never be updated."""
    try:
        root = inspection.parse(path.read_bytes(), kind="root")
        inspection.must_be_signed(root, inspection.delegation_of(root, "root"))
    except (OSError, UpdateError) as error:
        wrong = UsageError(f"{path} is no root of trust: {error}")
        wrong.hint = (
            "Give the file 1.root.json that `holdfast keys init` made, with all signatures."
        )
        raise wrong from error


def _make(order: Order, folder: Path) -> str:
    for name in ("factory", "boot", "slots/a", "slots/b", "broker/incoming", "agent", "run"):
        (folder / name).mkdir(parents=True)
    folder.chmod(0o711)
    code = setup_code.make()
    factory = folder / "factory"
    shutil.copyfile(order.profile, factory / "product.toml")
    shutil.copyfile(order.root, factory / "root.json")
    for name, content in (("token", order.token), ("setup-code.hash", setup_code.hashed(code))):
        # Never readable by others, not even for a moment.
        handle = os.open(factory / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(content)
    settings = {
        "controller_id": order.controller_id,
        "hub_url": order.hub_url,
        "hardware": order.hardware,
        **order.settings,
    }
    # A JSON string or number is a TOML one as well.
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    (folder / "device.toml").write_text("\n".join([*lines, ""]), encoding="utf-8")
    certificate.make(config.read(folder / "device.toml"))
    _install(order, folder)
    layout.arrange(plan_of(folder / "device.toml"))
    tree.flush(folder)
    return code


def _install(order: Order, folder: Path) -> None:
    home = folder / "slots" / "a"
    unpack(order.image.resolve(), home, lambda _done, _whole: None)
    with order.image.open("rb") as image:
        digest = hashlib.file_digest(image, "sha256").hexdigest()
    slot = Slot(
        state="good",
        version=order.version,
        sha256=digest,
        tree=tree.digest(home / "rootfs"),
        made=clock.stamp(clock.now()),
    )
    state.write_record(home, SlotRecord(slot=slot, confirmed=True))
    state.write(boot_file(folder), BootState(good="a", slots={"a": slot, "b": Slot()}))


def read_token(path: Path) -> str:
    """Read a token file.

    Raises:
        UsageError: It is missing or far too long.
    """
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST_FILE_BYTES).decode("ascii").strip()
    except (OSError, ValueError) as error:
        raise UsageError(f"the token file {path} cannot be read") from error
