"""Stand-in for init: starts the chosen slot and the device's processes, and falls back.

`python -I -m holdfast.device.launcher --config D/device.toml` reads the settings, then replaces
itself by `--plan JSON`, a process that has loaded little and stays small.
"""

import os
import sys
from pathlib import Path

from holdfast.core.errors import HoldfastError, UsageError
from holdfast.device.layout import must_be_reachable
from holdfast.device.services import Plan, pack

_PORTS = {"http": 80, "https": 443}
_LOOK = "Look whether the disk can be written, and who owns the folder of the device."


def plan_of(config_file: Path) -> Plan:
    """Read `device.toml` and the product profile.

    Raises:
        HoldfastError: One of them is missing or faulty.
    """
    from urllib.parse import urlsplit  # noqa: PLC0415 - only this first, short-lived stage needs it

    from holdfast import product  # noqa: PLC0415 - as above
    from holdfast.device import config  # noqa: PLC0415 - as above
    from holdfast.device.settings import pack as pack_settings  # noqa: PLC0415 - as above

    settings = config.read(config_file)
    profile = product.read(settings.product)
    identity = profile.identity
    settings = settings._replace(
        roles=profile.accounts.roles,
        methods=profile.accounts.methods,
        words=(
            ("vendor", identity.vendor),
            ("product", identity.product),
            ("name", identity.name),
            ("model", identity.model),
            ("serial", settings.controller_id),
        ),
    )
    hub = urlsplit(settings.hub_url)
    return Plan(
        config=config_file.resolve(),
        settings=pack_settings(settings),
        folder=settings.folder,
        product=profile.identity.product,
        hardware=settings.hardware,
        image_bytes=settings.image_bytes,
        idle_s=settings.idle_s,
        health_s=settings.health_s or profile.updates.health_s,
        gui_listen=_address(settings.gui_listen),
        page_listen=_address(settings.page_listen),
        hub_port=hub.port or _PORTS.get(hub.scheme, 443),
        button=settings.button,
        blocklists=settings.blocklists,
        asks_directories=bool(set(profile.accounts.methods) - {"local"}),
        uids=settings.uids._asdict() if os.geteuid() == 0 else {},
    )


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def replace_self(config_file: Path) -> None:
    """Become the launcher of a device; does not return.

    Raises:
        HoldfastError: The settings are faulty, or the folder cannot be used.
    """
    from holdfast.core.landlock import program_folders  # noqa: PLC0415 - as above
    from holdfast.device import certificate, passage  # noqa: PLC0415 - this first stage only
    from holdfast.device.settings import unpack  # noqa: PLC0415 - as above

    plan = plan_of(config_file)
    if plan.uids:
        for trouble in passage.open_up(
            (plan.folder, plan.config.parent, *map(Path, program_folders()))
        ):
            sys.stderr.write(f"{trouble}\n")
    must_be_reachable(plan)
    if told := certificate.ensure(unpack(plan.settings)):
        sys.stderr.write(f"{told}\n")
    words = [sys.executable, "-I", "-m", "holdfast.device.launcher", "--plan", pack(plan)]
    os.execv(words[0], words)  # noqa: S606 - it replaces itself


def main() -> int:
    """Run a device until told to end."""
    try:
        match sys.argv[1:]:
            case ["--config", config_file]:
                replace_self(Path(config_file))
            case ["--plan", text]:
                from holdfast.device import init  # noqa: PLC0415 - the first stage needs none of it

                init.run(text)
            case _:
                raise UsageError("usage: python -I -m holdfast.device.launcher --config FILE")
    except HoldfastError as error:
        hint = f"\n{error.hint}" if error.hint else ""
        sys.stderr.write(f"[{error.code}] {error}{hint}\n")
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"[device-start] the device cannot be started: {error}\n{_LOOK}\n")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
