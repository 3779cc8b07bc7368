"""Models, components, and records in the forms of their publishers, for tests."""

from datetime import UTC, datetime
from typing import Any

from holdfast.audit.model.shapes import Component, Kernel, Model, Started, StartUp

now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def component(name: str, version: str, **more: object) -> Component:
    """One component, started at boot unless told."""
    given: dict[str, Any] = {
        "started": Started.BOOT, "where": (f"usr/sbin/{name}",), **more
    }  # fmt: skip
    return Component(name=name, version=version, **given)


def model(*components: Component, kernel: Kernel | None = None, init: str = "procd") -> Model:
    """A model of an image."""
    return Model(
        start_up=StartUp(init=init),
        components=components,
        kernel=kernel or Kernel(),
    )


def nvd(
    cve: str,
    *nodes: dict[str, Any],
    operator: str | None = None,
    **more: object,
) -> dict[str, Any]:
    """A record of the NVD with one configuration."""
    configuration: dict[str, Any] = {"nodes": list(nodes)}
    if operator:
        configuration["operator"] = operator
    return {
        "id": cve,
        "sourceIdentifier": "cve@example.org",
        "lastModified": "2026-11-01T00:00:00.000",
        "vulnStatus": "Analyzed",
        "descriptions": [{"lang": "en", "value": f"What {cve} is. And more."}],
        "metrics": {},
        "configurations": [configuration],
        **more,
    }


def node(*criteria: str | tuple[str, dict[str, str]], vulnerable: bool = True) -> dict[str, Any]:
    """A node of CPE names; a name may bring a range along."""
    found = []
    for one in criteria:
        name, bounds = (one, {}) if isinstance(one, str) else one
        found.append({"vulnerable": vulnerable, "criteria": name, **bounds})
    return {"operator": "OR", "negate": False, "cpeMatch": found}


def cpe(part: str, vendor: str, product: str, version: str = "*", update: str = "*") -> str:
    """A CPE 2.3 name."""
    return f"cpe:2.3:{part}:{vendor}:{product}:{version}:{update}:*:*:*:*:*:*"


def feed(*records: dict[str, Any]) -> dict[str, Any]:
    """A feed of the NVD."""
    return {
        "resultsPerPage": len(records),
        "format": "NVD_CVE",
        "version": "2.0",
        "vulnerabilities": [{"cve": one} for one in records],
    }


def cve5(cve: str, *affected: dict[str, Any], title: str = "", **more: object) -> dict[str, Any]:
    """A record of the CVE list."""
    return {
        "dataType": "CVE_RECORD",
        "dataVersion": "5.1",
        "cveMetadata": {
            "cveId": cve,
            "state": "PUBLISHED",
            "dateUpdated": "2026-11-02T00:00:00.000Z",
        },
        "containers": {
            "cna": {
                "title": title,
                "descriptions": [{"lang": "en", "value": f"What {cve} is."}],
                "affected": list(affected),
                **more,
            }
        },
    }


def kev(*entries: tuple[str, str, str, str]) -> dict[str, Any]:
    """The catalogue of exploited ones: id, vendor, product, description."""
    return {
        "title": "CISA Catalog of Known Exploited Vulnerabilities",
        "catalogVersion": "2026.11.20",
        "dateReleased": "2026-11-20T00:00:00.000Z",
        "count": len(entries),
        "vulnerabilities": [
            {
                "cveID": cve,
                "vendorProject": vendor,
                "product": product,
                "vulnerabilityName": f"{vendor} {product} Vulnerability",
                "dateAdded": "2026-11-19",
                "shortDescription": text,
            }
            for cve, vendor, product, text in entries
        ],
    }
