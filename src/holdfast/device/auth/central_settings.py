"""Judges new settings of central login; only the short-lived worker imports it.

What is uploaded is one JSON object: {"settings": {...}, "secrets": {"NAME": "..." or null}}. A
secret that is not named stays as it is, for the place that it was typed for; null drops it.
"""

import hashlib
import hmac
import json
from collections.abc import Container, Mapping, Sequence
from typing import Any

from holdfast.accounts.directories import chain
from holdfast.accounts.directories import settings as central
from holdfast.accounts.errors import CentralSettingsError

SERVICE = "gui"
_MOST_SECRETS = 32


def judged(
    content: str,
    sha256: str,
    roles: Sequence[str],
    protocols: Sequence[str],
    *,
    before: Mapping[str, Any],
    sealed: Sequence[str],
) -> tuple[dict[str, Any], dict[str, str | None]]:
    """Judge what was uploaded.

    Args:
        content: The JSON text.
        sha256: Digest that the owner's proof names.
        roles: Of the product profile.
        protocols: Methods that the product profile allows.
        before: Settings in force until now.
        sealed: Names of the secrets that are kept for them.

    Returns:
        What auth keeps (the settings, and what it has to know of them without reading them), and
        the secrets by name.

    Raises:
        CentralSettingsError: Something is faulty; the message names it.
    """
    found = hashlib.sha256(content.encode(errors="surrogatepass")).hexdigest()
    if not hmac.compare_digest(found, sha256):
        raise CentralSettingsError("a part of them is missing; send them again")
    try:
        plain: Any = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise CentralSettingsError("they are not JSON") from error
    if not isinstance(plain, dict) or set(plain) - {"settings", "secrets"}:
        raise CentralSettingsError("exactly settings and secrets are expected")
    settings = central.of_plain(plain.get("settings", {}))
    for rule in settings.roles:
        if rule.role not in roles:
            known = ", ".join(roles)
            raise CentralSettingsError(f"there is no role {rule.role!r} here, but {known}")
    for server in settings.servers:
        if server.protocol not in protocols:
            raise CentralSettingsError(f"this product does not use {server.protocol}")
    for index, each in enumerate(settings.methods):
        if each.service != SERVICE:
            raise CentralSettingsError(
                f"methods[{index}].service: nothing on a device asks by an order for"
                f" {each.service}, only its pages by the one for {SERVICE}"
            )
    methods = settings.methods_of(SERVICE)
    names = _secret_names(settings)
    judged_secrets = _secrets(plain.get("secrets", {}), names)
    central.must_have_long_secrets(settings, judged_secrets)
    staying = set(sealed) - set(judged_secrets)
    _must_stay_where_they_were(settings, staying, before)
    kept = {
        "settings": json.loads(central.to_json(settings)),
        "segments": [list(one) for one in chain.segments(methods)],
        "local_names": [name.casefold() for name in methods.local_names],
        "budget_s": settings.budget_s,
        "secret_names": names,
    }
    return kept, judged_secrets


def _must_stay_where_they_were(
    settings: central.CentralLogin, staying: Container[str], before: Mapping[str, Any]
) -> None:
    """Refuse to send a secret that nobody typed now to another place than it was typed for.

    Raises:
        CentralSettingsError: A server was moved, and its secret would go along.
    """
    try:
        known = {server.name: server for server in central.of_plain(dict(before)).servers}
    except CentralSettingsError:
        known = {}  # nobody can tell where the secrets belong
    for index, server in enumerate(settings.servers):
        if server.name not in staying:
            continue
        old = known.get(server.name)
        new_place, old_place = server.place, old.place if old is not None else {}
        moved = next((key for key, each in new_place.items() if old_place.get(key) != each), "")
        if moved:
            raise CentralSettingsError(
                f"servers[{index}].{moved}: the secret of {server.name} was typed for another "
                "place or encryption and goes nowhere else; type it again"
            )


def _secret_names(settings: central.CentralLogin) -> list[str]:
    names = [server.name for server in settings.servers]
    return names + [f"{one.name}.key" for one in settings.servers if one.client_certificate]


def _secrets(plain: object, names: Sequence[str]) -> dict[str, str | None]:
    if not isinstance(plain, dict) or len(plain) > _MOST_SECRETS:
        raise CentralSettingsError("secrets must be an object of texts")
    for name, value in plain.items():
        if name not in names:
            raise CentralSettingsError(f"a secret is for {name[:40]!r}, which is no server")
        if value is not None and not isinstance(value, str):
            raise CentralSettingsError(f"the secret of {name} is no text")
        if isinstance(value, str) and not _is_text(value):
            raise CentralSettingsError(f"the secret of {name} holds what is no text")
    return plain


def _is_text(value: str) -> bool:
    try:
        return bool(value.encode()) and "\0" not in value
    except UnicodeEncodeError:
        return False
