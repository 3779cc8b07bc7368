"""The broker's child that says whether an artifact is the release it claims to be.

`python -I -m holdfast.device.verifier QUESTION`, the artifact on standard input. It runs under a
uid of its own, without network, and answers one JSON object: `{"ok": {...}}` or `{"error":
{"code", "message", "hint"}}`. It starts from the root of trust that the device was made with,
and what it once believed about newer metadata never goes back.
"""

import fcntl
import json
import os
import sys
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from holdfast.core.clock import moment, now, stamp
from holdfast.core.errors import HoldfastError
from holdfast.core.files import write_whole
from holdfast.updates.client import Client, folder_fetch, must_hold
from holdfast.updates.errors import UnknownReleaseError
from holdfast.updates.release import Release, Version


def main() -> int:
    """Answer the question of the command line."""
    question = json.loads(sys.argv[1])
    try:
        answer: dict[str, Any] = {"ok": judged(question)}
    except HoldfastError as error:
        answer = {"error": {"code": error.code, "message": str(error), "hint": error.hint}}
    sys.stdout.write(json.dumps(answer))
    return 0


def judged(question: dict[str, str]) -> dict[str, Any]:
    """Verify the artifact on standard input.

    Raises:
        UpdateError: It is refused.
        NoSpaceError: The disk is full.
    """
    trusted = Path(question["trusted"])
    with (trusted / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one that outlived its broker may still be at work
        note = repaired(trusted, Path(question["factory_root"]))
        client = Client(
            trusted,
            folder_fetch(Path(question["metadata"])),
            now=now(),
            not_before=_passed(question["not_before"]),
        )
        client.refresh(question["product"])
        wanted = Version.parse(question["version"])
        release = _chosen(client, question, wanted)
        release.must_fit(question["product"], question["hardware"])
        release.must_follow(Version.parse(question["current"]), Version.parse(question["floor"]))
        release.must_be_fresh(client.now)
    with open(0, "rb", closefd=False) as artifact:
        must_hold(release, artifact)
    return {
        "version": str(release.version),
        "floor": str(release.floor),
        "made": stamp(release.made),
        "sha256": release.sha256,
        "size_bytes": release.size_bytes,
        "note": note,
    }


def _passed(text: str) -> datetime | None:
    with suppress(ValueError):
        return moment(text)
    return None


def _chosen(client: Client, question: dict[str, str], wanted: Version) -> Release:
    named = [release for release in client.releases() if release.version == wanted]
    fitting = [release for release in named if question["hardware"] in release.hardware]
    for release in fitting or named:
        # Looked up again by its path: only what the product's own keys may name counts.
        return client.release(f"{release.product}/{release.version}/{release.artifact}")
    raise UnknownReleaseError(
        f"The manufacturer has not signed version {wanted} of {question['product']}."
    )


def repaired(trusted: Path, factory_root: Path) -> str:
    """Replace what is damaged in the verifier's memory; say so.

    The root of the factory is always at hand, and what was learnt since can be learnt again from
    signed files; only the memory of how new the newest was is lost with them.
    """
    damaged: list[str] = []
    anchor = factory_root.read_bytes()
    kept = trusted / "root.json"
    if not kept.exists() or kept.read_bytes() != anchor:
        if kept.exists():
            damaged.append("root.json")
        write_whole(kept, anchor)
    for path in sorted((trusted / "tuf").rglob("*.json")):
        try:
            json.loads(path.read_bytes())
        except (ValueError, OSError, RecursionError):
            damaged.append(path.name)
            path.unlink(missing_ok=True)
    if not damaged:
        return ""
    return f"damaged files of the verifier were replaced: {', '.join(damaged)}"[:400]


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main())
