"""What the hub says in DDI words, read strictly: everything that is not understood is refused.

Source:
    hawkBit Direct Device Integration API, version 1.
"""

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from holdfast.device.agent.errors import HubGarbageError

_SLEEP = re.compile(r"(\d{2}):([0-5]\d):([0-5]\d)", re.ASCII)
_PRODUCT = re.compile(r"[a-z][a-z0-9-]{1,30}", re.ASCII)
_VERSION = re.compile(r"\d{1,3}\.\d{1,3}(?:\.\d{1,3})?", re.ASCII)
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}", re.ASCII)
_PATH = re.compile(r"/[!-~]{0,1000}", re.ASCII)
_ID = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)
_HIGHEST_ID = (1 << 31) - 1
_SHORTEST_SLEEP_S = 1
_DEEPEST = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """The answer to a poll.

    Attributes:
        sleep_s: Seconds until the hub wants to hear from the device again; None if not said.
        deployment: Path of the offer, empty if there is none.
        cancel: Path of a cancellation, empty if there is none.
        wants_attributes: Whether the hub asks for the device's attributes.
    """

    sleep_s: int | None
    deployment: str
    cancel: str
    wants_attributes: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """An offer as the hub words it; nothing in it is believed before TUF says so.

    Attributes:
        id: Number of the action.
        forced: Whether the manufacturer asks for it at once.
        skip: Whether the hub says "do not install yet".
        product: Name of the chunk.
        version: Version of the chunk.
        filename: Name of the artifact.
        download: Path of the artifact on the hub.
    """

    id: int
    forced: bool
    skip: bool
    product: str
    version: str
    filename: str
    download: str

    @property
    def target(self) -> str:
        """Name under which the manufacturer signs it."""
        return f"{self.product}/{self.version}/{self.filename}"


def read_json(body: bytes) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        HubGarbageError: It is not one.
    """
    try:
        whole = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HubGarbageError("The update server answers something that is not JSON.") from error
    if not isinstance(whole, dict):
        raise HubGarbageError("The update server answers something that is not an object.")
    return whole


def poll_of(body: bytes) -> Poll:
    """Read the answer to a poll.

    Raises:
        HubGarbageError: It is none.
    """
    whole = read_json(body)
    links = whole.get("_links", {})
    if not isinstance(links, dict):
        raise HubGarbageError("The update server's links make no sense.")
    return Poll(
        sleep_s=_sleep(whole),
        deployment=_path(links.get("deploymentBase")),
        cancel=_path(links.get("cancelAction")),
        wants_attributes="configData" in links,
    )


def deployment_of(body: bytes, *, number: int) -> Deployment:
    """Read an offer: exactly one chunk with one artifact, under the number of its link.

    Raises:
        HubGarbageError: It is something else.
    """
    whole = read_json(body)
    deployment = whole.get("deployment")
    if not isinstance(deployment, dict):
        raise HubGarbageError("The offer has no deployment.")
    chunk = _only(deployment.get("chunks"), "part")
    artifact = _only(chunk.get("artifacts"), "file")
    links = artifact.get("_links")
    link = links.get("download") or links.get("download-http") if isinstance(links, dict) else None
    download = _path(link)
    if not download:
        raise HubGarbageError("The offer does not say where the file is.")
    if _id(whole.get("id")) != number:
        raise HubGarbageError("The offer carries another number than its link.")
    return Deployment(
        id=number,
        forced=deployment.get("update") == "forced",
        skip=deployment.get("update") == "skip",
        product=_matching(chunk.get("name"), _PRODUCT, "product"),
        version=_matching(chunk.get("version"), _VERSION, "version"),
        filename=_matching(artifact.get("filename"), _FILE, "file name"),
        download=download,
    )


def cancelled_id(body: bytes) -> int:
    """Read which action a cancellation is about.

    Raises:
        HubGarbageError: It does not say.
    """
    inner = read_json(body).get("cancelAction")
    if not isinstance(inner, dict):
        raise HubGarbageError("The cancellation does not say what it is about.")
    return _id(inner.get("stopId"))


def id_in(path: str) -> int:
    """Read the number of the action out of a link such as `.../deploymentBase/7?c=3`.

    Raises:
        HubGarbageError: There is none.
    """
    return _id(path.partition("?")[0].rpartition("/")[2])


def _id(value: object) -> int:
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not _ID.fullmatch(text) or int(text) > _HIGHEST_ID:
        raise HubGarbageError("The update server's number of the offer makes no sense.")
    return int(text)


def _sleep(whole: dict[str, Any]) -> int | None:
    config = whole.get("config")
    polling = config.get("polling") if isinstance(config, dict) else None
    text = polling.get("sleep") if isinstance(polling, dict) else None
    found = _SLEEP.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    hours, minutes, seconds = (int(part) for part in found.groups())
    return max(_SHORTEST_SLEEP_S, hours * 3600 + minutes * 60 + seconds)


def _path(link: object) -> str:
    """Take the path of a link and leave its host away: the token goes to our own hub only."""
    if link is None:
        return ""
    href = link.get("href") if isinstance(link, dict) else None
    if not isinstance(href, str):
        raise HubGarbageError("A link of the update server has no address.")
    try:
        parts = urlsplit(href)
    except ValueError as error:
        raise HubGarbageError("A link of the update server makes no sense.") from error
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    if not _PATH.fullmatch(path):
        raise HubGarbageError("A link of the update server makes no sense.")
    return path


def _only(items: object, what: str) -> dict[str, Any]:
    if not isinstance(items, list) or len(items) != 1 or not isinstance(items[0], dict):
        raise HubGarbageError(f"The offer does not have exactly one {what}.")
    return items[0]


def _matching(value: object, pattern: re.Pattern[str], what: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise HubGarbageError(f"The {what} in the offer makes no sense.")
    return value
