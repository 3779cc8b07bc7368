"""The short-lived child that reads signed metadata and digests files, so that the agent is small.

`python -I -m holdfast.device.agent.metadata QUESTION` with one of

    {"do": "accept", "config": path, "target": path, "current": "1.0", "floor": "1.0"}
    {"do": "digest", "file": path, "size_bytes": n, "sha256": hex}
    {"do": "terms", "profile": path}

answers `{"ok": {...}}` or `{"error": {"code", "message", "hint"}}` as JSON on standard output.
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from holdfast.core.clock import now
from holdfast.core.errors import HoldfastError
from holdfast.core.files import sha256_of, write_whole
from holdfast.device import config as device_config
from holdfast.device.agent.errors import GoneError
from holdfast.device.agent.hub import Hub
from holdfast.device.config import DeviceConfig
from holdfast.product import read as read_profile
from holdfast.updates.client import Client
from holdfast.updates.errors import CutShortError, MissingError, TamperedError, TooLongError
from holdfast.updates.release import Release, Version


def main() -> int:
    """Answer the question of the command line."""
    question = json.loads(sys.argv[1])
    answers = {"accept": accepted, "digest": digested, "terms": terms}
    try:
        answer: dict[str, Any] = {"ok": answers[question["do"]](question)}
    except HoldfastError as error:
        answer = {"error": {"code": error.code, "message": str(error), "hint": error.hint}}
    sys.stdout.write(json.dumps(answer))
    return 0


def accepted(question: dict[str, Any]) -> dict[str, Any]:
    """Hold an offer against what is signed, and stage the proof for the broker.

    Raises:
        UpdateError: It is refused.
        HubError: The hub could not be asked.
        NoSpaceError: The disk is full.
    """
    config = device_config.read(Path(question["config"]))
    hub = Hub(
        url=config.hub_url,
        tenant=config.tenant,
        controller_id=config.controller_id,
        token=lambda: config.token_file.read_text().strip(),
    )

    def fetch(name: str, limit_bytes: int) -> bytes:
        try:
            return hub.metadata(name, limit_bytes=limit_bytes)
        except GoneError as error:
            raise MissingError from error

    folder = config.folder / "agent"
    not_before = question.get("not_before_ms")
    client = Client(
        _trusted(config, folder),
        fetch,
        now=now(),
        not_before=None if not_before is None else datetime.fromtimestamp(not_before / 1000, UTC),
    )
    release = client.accept(
        question["target"],
        product=read_profile(config.product).identity.product,
        hardware=config.hardware,
        current=Version.parse(question["current"]),
        floor=Version.parse(question["floor"]),
    )
    stage(client.files(), config.staging / "metadata")
    floor = client.time_floor
    return {**facts(release), "passed_ms": None if floor is None else _ms(floor)}


def facts(release: Release) -> dict[str, Any]:
    """Write down what the agent and the pages need of a release."""
    return {
        "version": str(release.version),
        "severity": str(release.severity),
        "notes": release.notes,
        "fixes": list(release.fixes),
        "size_bytes": release.size_bytes,
        "sha256": release.sha256,
        "made_ms": _ms(release.made),
    }


def stage(files: dict[str, bytes], folder: Path) -> None:
    """Lay the believed metadata out for the broker, and nothing else beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_whole(folder / name, content)
    for stale in folder.iterdir():
        if stale.name not in files:
            stale.unlink()


def digested(question: dict[str, Any]) -> dict[str, Any]:
    """Hold a downloaded file against the signed length and digest.

    Raises:
        CutShortError: It is too short.
        TooLongError: It is too long.
        TamperedError: Its content is another.
    """
    with Path(question["file"]).open("rb") as file:
        digest = sha256_of(file)
        length = file.tell()
    if length < question["size_bytes"]:
        raise CutShortError
    if length > question["size_bytes"]:
        raise TooLongError
    if digest != question["sha256"]:
        raise TamperedError("The downloaded file is not the one that the manufacturer signed.")
    return {"sha256": digest}


def terms(question: dict[str, Any]) -> dict[str, Any]:
    """Pick out of the product profile what the agent needs.

    Raises:
        ProfileError: The profile is faulty.
    """
    profile = read_profile(Path(question["profile"]))
    return {
        "name": profile.identity.name,
        "vendor": profile.identity.vendor,
        "support_until": profile.support.until.isoformat(),
        "consent": profile.updates.consent,
        "window": profile.updates.window,
        "later_days": dict(profile.updates.later_days),
    }


def _trusted(config: DeviceConfig, folder: Path) -> Path:
    trusted = folder / "trusted"
    trusted.mkdir(parents=True, exist_ok=True)
    anchor = trusted / "root.json"
    if not anchor.exists():
        write_whole(anchor, (config.factory / "root.json").read_bytes())
    return trusted


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


if __name__ == "__main__":
    sys.exit(main())
