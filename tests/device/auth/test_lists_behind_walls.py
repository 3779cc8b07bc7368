"""The operator's block list on a whole device: named in device.toml, read behind the walls."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from holdfast.accounts.blocklist import signature
from holdfast.accounts.blocklist.builder import Builder
from holdfast.core.errors import HoldfastError
from holdfast.device import config, services
from holdfast.device import settings as device_settings
from holdfast.device.broker import wire
from holdfast.device.launcher import plan_of

OWN = "a phrase that only we would guess"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = PRIVATE.public_key().public_bytes_raw()


def signed_list() -> bytes:
    builder = Builder()
    builder.add([OWN], top=1)
    content = builder.build(name="own", licence="none").content
    made = PRIVATE.sign(signature.to_be_signed(content))
    return signature.with_signature(content, key=KEY, signature=made)


def name_lists(folder: Path, *names: str) -> Path:
    """Name lists and the key of one in device.toml, before its tables."""
    file = folder / "device.toml"
    lists = ", ".join(f'"{name}"' for name in names)
    text = f'blocklists = [{lists}]\nblocklist_keys = ["{KEY.hex()}"]\n{file.read_text()}'
    file.write_text(text)
    return file


def test_settings_name_lists_by_paths_that_count_from_their_folder(tmp_path: Path) -> None:
    (tmp_path / "device.toml").write_text('controller_id = "a"\nhub_url = "http://127.0.0.1:1"\n')
    found = config.read(name_lists(tmp_path, "own.blocklist", "/srv/other.blocklist"))
    assert found.blocklists == (tmp_path / "own.blocklist", Path("/srv/other.blocklist"))
    assert found.blocklist_keys == (KEY.hex(),)
    assert device_settings.unpack(device_settings.pack(found)) == found


@pytest.mark.parametrize(
    "line", ['blocklist_keys = ["abc"]', "blocklists = 7", 'blocklists = ["a", "b", 3]']
)
def test_odd_settings_are_refused(tmp_path: Path, line: str) -> None:
    text = f'{line}\ncontroller_id = "a"\nhub_url = "http://127.0.0.1:1"\n'
    (tmp_path / "device.toml").write_text(text)
    with pytest.raises(HoldfastError, match="blocklist"):
        config.read(tmp_path / "device.toml")


@pytest.mark.servers
@pytest.mark.slow
def test_the_list_holds_on_a_running_device(
    device: Path, launch: Callable[[], object], eventually: Callable[..., None]
) -> None:
    path = device / "own.blocklist"
    path.write_bytes(signed_list())
    path.chmod(0o644)
    plan = plan_of(name_lists(device, "own.blocklist"))
    assert path in services.auth(plan).walls.read
    assert services.unpack(services.pack(plan)) == plan
    launch()
    socket = device / "run" / "auth.sock"

    def judged(password: str) -> str:
        told = wire.call(socket, "account.check", {"name": "ada", "password": password}, 20)
        return str(told["reason"])

    eventually(lambda: judged(OWN) == "listed")
    assert judged("correct-zebra battery lamp") == ""
    if os.geteuid() == 0:  # behind the walls of an id of its own
        assert (device / "auth").stat().st_uid != 0
