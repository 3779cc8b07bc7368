"""The short-lived child that reads signed metadata and digests files, so that the agent is small.

`python -I -m holdfast.device.agent.metadata QUESTION` with one of

    {"do": "accept", "settings": JSON, "target": path, "current": "1.0", "floor": "1.0"}
    {"do": "refresh", "settings": JSON, "not_before_ms": n}
    {"do": "digest", "file": path, "size_bytes": n, "sha256": hex}
    {"do": "terms", "profile": path}

answers `{"ok": {...}}` or `{"error": {"code", "message", "hint"}}` as JSON on standard output.
"""

import fcntl
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from holdfast.core.clock import now
from holdfast.core.errors import HoldfastError
from holdfast.core.files import sha256_of, write_whole
from holdfast.device.agent.errors import GoneError
from holdfast.device.agent.hub import Hub, read_token
from holdfast.device.settings import Settings, unpack
from holdfast.product import read as read_profile
from holdfast.updates.client import Client
from holdfast.updates.errors import CutShortError, MissingError, TamperedError, TooLongError
from holdfast.updates.release import Release, Version


def main() -> int:
    """Answer the question of the command line."""
    question = json.loads(sys.argv[1])
    answers = {"accept": accepted, "refresh": refreshed, "digest": digested, "terms": terms}
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
    config = unpack(question["settings"])
    with _client(config, question["not_before_ms"]) as client:
        release = client.accept(
            question["target"],
            product=read_profile(config.product).identity.product,
            hardware=config.hardware,
            current=Version.parse(question["current"]),
            floor=Version.parse(question["floor"]),
        )
        stage(client.files(), config.staging / "metadata")
        return {**facts(release), **_passed(client)}


def refreshed(question: dict[str, Any]) -> dict[str, Any]:
    """Read the newest signed lists, to learn whether they are still looked after.

    Raises:
        UpdateError: They are not believed.
        HubError: The hub could not be asked.
        NoSpaceError: The disk is full.
    """
    config = unpack(question["settings"])
    with _client(config, question["not_before_ms"]) as client:
        client.refresh(read_profile(config.product).identity.product)
        return _passed(client)


def _passed(client: Client) -> dict[str, Any]:
    floor = client.time_floor
    return {"passed_ms": None if floor is None else _ms(floor)}


@contextmanager
def _client(config: Settings, not_before_ms: int | None) -> Iterator[Client]:
    hub = Hub(
        url=config.hub_url,
        tenant=config.tenant,
        controller_id=config.controller_id,
        token=lambda: read_token(config.token_file),
    )

    def fetch(name: str, limit_bytes: int) -> bytes:
        try:
            return hub.metadata(name, limit_bytes=limit_bytes)
        except GoneError as error:
            raise MissingError from error

    trusted = _trusted(config, config.folder / "agent")
    with (trusted / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one that outlived its agent may still be at work
        yield Client(
            trusted,
            fetch,
            now=now(),
            not_before=(
                None if not_before_ms is None else datetime.fromtimestamp(not_before_ms / 1000, UTC)
            ),
        )


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


def _trusted(config: Settings, folder: Path) -> Path:
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
