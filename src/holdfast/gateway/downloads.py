"""Files for devices: a release's files as the DDI names them, and the signed repository.

No path of a client reaches the file system: the DDI's files are found in the database, those of
the repository have names of a strict form and must lie below its folder.
"""

import hashlib
import re
from pathlib import Path
from urllib.parse import quote

from holdfast.gateway.common import Desk, number_of
from holdfast.gateway.ddi import artifact_value, artifacts_url
from holdfast.gateway.exchange import Exchange, Header, Refusal
from holdfast.gateway.files import Sendable, inside, matches, send_file, size_of
from holdfast.gateway.snapshot import Device
from holdfast.gateway.store import ArtifactRow

METADATA_MOST_BYTES = 8 << 20

_METADATA = re.compile(r"([1-9][0-9]{0,8}\.)?[a-z][a-z0-9-]{0,40}\.json")
_PRODUCT = re.compile(r"[a-z][a-z0-9-]{1,30}")
_VERSION = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){1,2}")
_TARGET = re.compile(r"([0-9a-f]{64})\.[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")
_FOR_EVER: Header = (b"cache-control", b"public, max-age=31536000, immutable")
_ASK_AGAIN: Header = (b"cache-control", b"no-cache")
_OWN_FOR_EVER: Header = (b"cache-control", b"private, max-age=31536000, immutable")


async def _rows(desk: Desk, exchange: Exchange, device: Device) -> tuple[ArtifactRow, ...]:
    release_id = number_of(exchange.parts[0])
    offer = device.offer
    known = offer is not None and offer.release_id == release_id
    # A token taken from one product opens nothing of another.
    if not known and not await desk.ask(desk.store.was_offered, device.id, release_id):
        raise Refusal(404, "not-found", "this was never offered to this device")
    return await desk.ask(desk.store.artifacts, release_id)


async def artifacts(desk: Desk, exchange: Exchange, device: Device) -> None:
    """List the files of a release."""
    rows = await _rows(desk, exchange, device)
    url = artifacts_url(exchange, number_of(exchange.parts[0]))
    await exchange.answer_json([artifact_value(row, url) for row in rows])


async def artifact(desk: Desk, exchange: Exchange, device: Device) -> None:
    """Send a file of a release, or its MD5 sum."""
    named = {row.filename: row for row in await _rows(desk, exchange, device)}
    name = exchange.parts[1]
    row = named.get(name)
    if row is None:
        summed = named.get(name.removesuffix(".MD5SUM"))
        if summed is None:
            raise Refusal(404, "not-found", "the release has no such file")
        line = f"{summed.md5}  {summed.filename}\n".encode()
        await exchange.answer(200, line, kind=b"text/plain; charset=utf-8")
        return
    path = await desk.ask(inside, desk.repository, row.stored)
    disposition = f"attachment; filename*=UTF-8''{quote(row.filename)}".encode()
    _note(desk, exchange, device, row)
    await send_file(
        exchange,
        Sendable(
            path=path,
            size_bytes=row.size_bytes,
            tag=row.sha1,
            headers=((b"content-disposition", disposition),),
        ),
        desk.threads,
        desk.places,
    )


def _note(desk: Desk, exchange: Exchange, device: Device, row: ArtifactRow) -> None:
    """Tell the hub that a download began; not for a look, nor for each part of it."""
    offer = device.offer
    if exchange.method != "GET" or b"range" in exchange.headers or offer is None:
        return
    if offer.release_id == row.release_id and not desk.limit.take(device.id):
        body = {"filename": row.filename}
        desk.journal.note(desk.event(device, "artifact", body, offer_id=offer.id))


async def metadata(desk: Desk, exchange: Exchange) -> None:
    """Send a file of TUF metadata; whoever asks may read it, since it is signed."""
    tenant, name = exchange.parts
    found = _METADATA.fullmatch(name)
    if found is None or tenant not in desk.snapshot.tenants:
        raise Refusal(404, "not-found", "there is no such metadata")
    content = await desk.ask(_small_file, desk.repository / "metadata", name)
    tag = hashlib.sha256(content).hexdigest()
    headers = ((b"etag", b'"%s"' % tag.encode()), _FOR_EVER if found.group(1) else _ASK_AGAIN)
    known = exchange.headers.get(b"if-none-match")
    if known is not None and matches(known, tag):
        raise Refusal(304, "same", "", *headers)
    await exchange.answer(200, content, *headers)


def _small_file(folder: Path, name: str) -> bytes:
    path = inside(folder, name)
    if size_of(path) > METADATA_MOST_BYTES:
        raise Refusal(404, "too-long", "the metadata is longer than any client takes")
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refusal(404, "not-found", "there is no such metadata") from error


async def target(desk: Desk, exchange: Exchange, token: bytes) -> None:
    """Send a file of the repository to a device that has any valid token."""
    digest = hashlib.sha256(token).hexdigest()
    if not token or not await desk.ask(desk.store.knows_token, digest):
        raise Refusal(401, "unauthorized", "the token is missing or not known")
    tenant, product, version, name = exchange.parts
    found = _TARGET.fullmatch(name)
    fits = _PRODUCT.fullmatch(product) and _VERSION.fullmatch(version)
    if found is None or not fits or tenant not in desk.snapshot.tenants:
        raise Refusal(404, "not-found", "there is no such file")
    relative = f"{product}/{version}/{name}"
    path = await desk.ask(inside, desk.repository / "targets", relative)
    size_bytes = await desk.ask(size_of, path)
    file = Sendable(path=path, size_bytes=size_bytes, tag=found.group(1), headers=(_OWN_FOR_EVER,))
    await send_file(exchange, file, desk.threads, desk.places)
