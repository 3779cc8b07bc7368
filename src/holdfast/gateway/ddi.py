"""The addresses of hawkBit's Direct Device Integration, version 1, that one device calls.

Every handler is given a device whose token was right. Statuses are those that real clients
demand (docs/reference/ddi.md): 200 exactly where they take nothing else.
"""

import re
from collections.abc import Sequence
from itertools import groupby
from typing import Any
from urllib.parse import quote

import msgspec

from holdfast.gateway import events
from holdfast.gateway.common import Desk, device_url, now_ms, number_of
from holdfast.gateway.exchange import Exchange, Refusal
from holdfast.gateway.snapshot import WORKING_POLL_S, Answer, Device, clock_text, json_answer
from holdfast.gateway.store import ArtifactRow, OfferRow

ENDS_MOST = 4
"""So often a device may say that the same action has ended before that counts as chatter."""

_HANDLING = {
    "forced": ("forced", "forced"),
    "attempt": ("attempt", "attempt"),
    "skip": ("forced", "skip"),
}
_STATUS = {
    ("closed", "success"): "FINISHED",
    ("closed", "none"): "FINISHED",
    ("closed", "failure"): "ERROR",
    ("canceled", "none"): "CANCELED",
    ("downloaded", "none"): "DOWNLOADED",
    ("download", "none"): "DOWNLOAD",
    ("rejected", "none"): "WARNING",
}
_HISTORY = re.compile(rb"(?:^|&)actionHistory=(\d{1,6})(?:&|$)")
_HISTORY_MOST = 50


def poll_answer(device: Device, url: str) -> Answer:
    """Write the answer to a poll that holds links.

    Args:
        device: Who polls.
        url: The address that it polls, percent signs encoded.
    """
    links = []
    poll_s = device.poll_s
    offer = device.offer
    if offer is not None and offer.shown:
        poll_s = min(poll_s, WORKING_POLL_S)
        link = f"{url}/deploymentBase/{offer.id}?c={offer.revision}"
        links.append(f'"deploymentBase":{{"href":"{link}"}}')
    if device.finished:
        links.append(f'"installedBase":{{"href":"{url}/installedBase/{device.finished}"}}')
    if device.wants:
        links.append(f'"configData":{{"href":"{url}/configData"}}')
    body = (
        f'{{"config":{{"polling":{{"sleep":"{clock_text(poll_s)}"}}}},'
        f'"_links":{{{",".join(links)}}}}}'
    )
    return json_answer(body.encode())


async def poll(desk: Desk, exchange: Exchange, device: Device) -> None:
    """Answer a poll that was not answered on the short way."""
    desk.journal.seen[device.id] = now_ms()
    start, body = device.answer or poll_answer(device, device_url(exchange))
    exchange.status = 200
    await exchange.send(start)
    await exchange.send(body)


async def config_data(desk: Desk, exchange: Exchange, device: Device) -> None:
    """Take what a device says of itself."""
    desk.must_have_room(device)
    body = await exchange.body()
    if body.cut:
        raise Refusal(413, "too-long", "the attributes are too long")
    attributes = events.read_attributes(body.content)
    await desk.journal.append(desk.event(device, "attributes", attributes, refresh=True))
    desk.snapshot.described(device)
    await exchange.answer(200)


async def deployment(desk: Desk, exchange: Exchange, device: Device) -> None:
    """Say what is to be installed."""
    offer = await desk.offer(device, number_of(exchange.parts[0]))
    if offer.closed_ms is not None:
        raise Refusal(404, "not-found", "this action is over")
    own = device.offer
    if own is not None and own.id == offer.id and not own.retrieved:
        own.retrieved = True
        desk.journal.note(desk.event(device, "retrieved", {}, offer_id=offer.id))
    await _describe(desk, exchange, offer)


async def installed(desk: Desk, exchange: Exchange, device: Device) -> None:
    """Say what was installed by an action that is over."""
    offer = await desk.offer(device, number_of(exchange.parts[0]))
    if offer.closed_ms is None or offer.state != "confirmed":
        raise Refusal(404, "not-found", "this action is not over")
    await _describe(desk, exchange, offer)


async def feedback(desk: Desk, exchange: Exchange, device: Device) -> None:
    """Take a report. How an update ended is refused neither for its form nor for its number."""
    number = number_of(exchange.parts[0])
    body = await exchange.body()
    report = events.read_feedback(body.content, cut=body.cut)
    ended = desk.snapshot.ended.get(number, 0)
    if not report.terminal or ended >= ENDS_MOST:
        desk.must_have_room(device)
    offer = await desk.offer(device, number)
    if offer.closed_ms is not None:
        raise Refusal(410, "gone", "this action is over")
    if report.terminal:
        # Hidden at once: a device that polls before the worker has run must not begin again.
        desk.snapshot.end(device, number)
    if not (report.terminal and ended >= ENDS_MOST):
        event = desk.event(
            device, "feedback", report.body(), offer_id=number, refresh=report.terminal
        )
        await desk.journal.append(event, terminal=report.terminal)
    await exchange.answer(200)


async def owner_address(desk: Desk, exchange: Exchange, device: Device) -> None:
    """Take an owner's wish to be written to, or no longer to be; an extension of the DDI."""
    desk.must_have_room(device)
    body = await exchange.body()
    wish = events.read_owner_address(b"" if body.cut else body.content)
    await desk.journal.append(desk.event(device, "owner-address", wish))
    await exchange.answer(200)


async def _describe(desk: Desk, exchange: Exchange, offer: OfferRow) -> None:
    rows = await desk.ask(desk.store.artifacts, offer.release_id)
    download, update = _HANDLING.get(offer.mode, _HANDLING["attempt"])
    chunks = _chunks(rows, artifacts_url(exchange, offer.release_id))
    deployment = {"download": download, "update": update, "chunks": chunks}
    value: dict[str, object] = {"id": str(offer.id), "deployment": deployment}
    asked = _HISTORY.search(exchange.scope["query_string"])
    most = min(int(asked.group(1)), _HISTORY_MOST) if asked else 0
    if most:
        reports = await desk.ask(desk.store.reports, offer.id, most)
        value["actionHistory"] = _history([msgspec.json.decode(one) for one in reports])
    await exchange.answer_json(value)


def artifacts_url(exchange: Exchange, release_id: int) -> str:
    """Give the address of a release's files."""
    return f"{device_url(exchange)}/softwaremodules/{release_id}/artifacts"


def artifact_value(row: ArtifactRow, url: str) -> dict[str, object]:
    """Describe a file as the DDI does."""
    link = f"{url}/{quote(row.filename, safe='')}"
    return {
        "filename": row.filename,
        "size": row.size_bytes,
        "hashes": {"sha1": row.sha1, "md5": row.md5, "sha256": row.sha256},
        "_links": {
            "download": {"href": link},
            "download-http": {"href": link},
            "md5sum": {"href": f"{link}.MD5SUM"},
            "md5sum-http": {"href": f"{link}.MD5SUM"},
        },
    }


def _chunks(rows: Sequence[ArtifactRow], url: str) -> list[dict[str, object]]:
    return [
        {
            "part": part,
            "name": name,
            "version": version,
            "artifacts": [artifact_value(row, url) for row in group],
        }
        for (part, name, version), group in groupby(rows, lambda row: row[1:4])
    ]


def _history(reports: Sequence[dict[str, Any]]) -> dict[str, object]:
    newest = reports[0] if reports else {}
    status = _STATUS.get((newest.get("execution", ""), newest.get("finished", "")), "RUNNING")
    messages = [line for report in reports for line in report.get("details", ())]
    return {"status": status, "messages": messages[:_HISTORY_MOST]}
