"""A product's releases and one registered device."""

from collections.abc import Callable
from typing import Any

import pytest

from holdfast.hub.fleet import services
from holdfast.hub.fleet.models import Device
from holdfast.hub.moments import DAY_MS, now_ms
from holdfast.hub.products.models import Product
from holdfast.hub.releases.models import Release
from holdfast.updates.release import Version


@pytest.fixture
def release(product: Product) -> Callable[..., Release]:
    """Write releases as the API does once it has verified them."""

    def make(version: str = "1.1", **fields: object) -> Release:
        known: dict[str, Any] = {
            "product": product,
            "version": version,
            "number": Version.parse(version).number,
            "severity": "high",
            "notes": "The page for guests no longer shows the password of the owner.",
            "fixes": ["CVE-2026-1234"],
            "hardware": ["a"],
            "floor": "1.0",
            "made_ms": now_ms(),
            "expires_ms": now_ms() + 365 * DAY_MS,
            "published_ms": now_ms(),
        }
        known.update(fields)
        return Release.objects.create(**known)

    return make


@pytest.fixture
def device(product: Product) -> Device:
    services.register_device("ng-0001", product, "a", by="ada")
    return Device.objects.get(controller_id="ng-0001")
