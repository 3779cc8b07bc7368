"""The keys of an image: every key once, with all its places and what it is used for."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Final, NamedTuple

from holdfast.audit.errors import FormatError
from holdfast.audit.facts.shapes import FileFacts, KeyFact
from holdfast.audit.model.known_keys import Known, known
from holdfast.audit.model.shapes import PlacedKey
from holdfast.audit.tree import Tree

MOST_PLACES: Final = 50
MOST_CONFIGS: Final = 3000
MOST_CONFIG_BYTES: Final = 64 * 1024
BUNDLE: Final = 8  # certificates in one file, from which on it is a list of authorities

PRIVATE: Final = frozenset(
    {
        "private-key",
        "encrypted-private-key",
        "ssh-private-key",
        "ssh-host-key",
        "usign-secret-key",
        "pgp-private-key",
        "dropbear-host-key",
        "wireguard-private-key",
        "pkcs12",
    }
)
"""Kinds that hold a private half."""

_BY_KIND: Final[Mapping[str, str]] = {
    "dropbear-host-key": "ssh-host",
    "wireguard-private-key": "vpn",
    "usign-public-key": "update-verify",
}
_PUBLIC_OF_UPDATES: Final = frozenset(
    {"public-key", "certificate", "usign-public-key", "pgp-public-key", "ssh-public-key"}
)


class _Rule(NamedTuple):
    purpose: str
    path: re.Pattern[str]


def _rule(purpose: str, path: str) -> _Rule:
    return _Rule(purpose, re.compile(path, re.IGNORECASE))


# Who made a font or a driver for computers signed it; the device asks for none of that.
_SIGNED_ITSELF: Final = re.compile(
    r"\.(?:ttf|otf|ttc|woff2?|eot|exe|dll|sys|cab|msi|cat|ocx)$", re.IGNORECASE
)
# The first that fits a path counts. `update` becomes update-verify or update-sign by the kind.
_BY_PATH: Final = (
    _rule("example", r"(^|/)usr/(share|local/share)/(doc|examples?)/|(^|/)(tests?|testdata)/"),
    _rule("example", r"\.(html?|md|rst)$"),
    _rule("ssh-authorised", r"(^|/)authorized[-_]keys[^/]*$|(^|/)etc/dropbear/authorized"),
    _rule("ssh-known-host", r"known_hosts[^/]*$"),
    _rule("ssh-host", r"ssh_host_[^/]*key[^/]*$|(^|/)dropbear[^/]*host[-_]?key[^/]*$"),
    _rule("ssh-host", r"(^|/)etc/(dropbear|ssh)/[^/]*key[^/]*$"),
    _rule("ssh-user", r"(^|/)id_(rsa|dsa|ecdsa|ed25519)[^/]*$"),
    _rule("ca-bundle", r"(^|/)etc/(ssl|pki|ca-certificates|openssl)/(certs|tls|ca)[^/]*/?"),
    _rule("ca-bundle", r"(^|/)(usr/share/ca-certificates|etc/security/cacerts)/"),
    _rule(
        "ca-bundle", r"(^|/)(ca-?(bundle|cert(ificate)?s?)|cacerts?|roots?)[^/]*\.(crt|pem|cer)$"
    ),
    _rule("update", r"(^|/)(etc|lib)/(opkg|apk)/keys/|(^|/)etc/(apt|pki/rpm-gpg)/"),
    _rule("keyring", r"/keyrings?/"),
    _rule("update", r"(^|/)(etc|share|lib)/(swupdate|rauc|mender|ostree|fwupd|holdfast)[^/]*(/|$)"),
    _rule(
        "update", r"(swupdate|sysupgrade|firmware|fwup|upgrade|artifact-verify)[^/]*\.(pem|key)$"
    ),
    _rule(
        "update", r"(swupdate|sysupgrade|firmware|fwup|upgrade)[^/]*\.(pub|crt|cer|der|asc|gpg)$"
    ),
    _rule("update", r"(^|[/_.-])(update|f?ota|release|image|fw|build)[-_.]?(sign|verif|pub)[^/]*$"),
    _rule("update", r"(^|[/_.-])(update|f?ota|release|image|fw|build)[-_.]?(key|cert|ca)[^/]*$"),
    _rule("update", r"(^|/)(root|targets|snapshot|timestamp)\.json$"),
    _rule("vpn", r"(^|/)etc/(openvpn|ipsec|swanctl|wireguard|strongswan)[^/]*(/|$)|\.ovpn$"),
    _rule("wlan", r"(^|/)etc/(hostapd|wpa_supplicant|wifi|wireless)[^/]*(/|$)"),
    _rule("mqtt", r"mosquitto|mqtt|aws-?iot|iot-?hub"),
    _rule("tls-server", r"httpd|nginx|lighttpd|boa|goahead|webs?|server[^/]*\.(pem|key|crt|cer)$"),
)
_BY_CONFIG: Final = (
    _rule("update", r"swupdate|rauc|mender|opkg|sysupgrade|hawkbit|etc/apt/|yum\.repos\.d"),
    _rule("vpn", r"openvpn|ipsec|swanctl|strongswan|wireguard|stunnel"),
    _rule("wlan", r"hostapd|wpa_supplicant|wireless"),
    _rule("mqtt", r"mosquitto|mqtt"),
    _rule("ssh-host", r"sshd_config|dropbear"),
    _rule(
        "tls-server", r"httpd|nginx|lighttpd|boa|goahead|vsftpd|proftpd|web|cups|stunnel|haproxy"
    ),
)
_NAMED_FILE: Final = re.compile(r"/[A-Za-z0-9_+.][A-Za-z0-9_+./-]{2,200}")
_TEXT_ENDS: Final = (".conf", ".cfg", ".config", ".ini", ".sh", ".toml", ".json", ".service", "")


class _Place(NamedTuple):
    path: str
    fact: KeyFact
    bundle: bool


def keys_of(
    tree: Tree,
    facts: Mapping[str, FileFacts],
    digests: Mapping[str, str],
    more: Mapping[str, Known] = MappingProxyType({}),
) -> tuple[PlacedKey, ...]:
    """Gather the keys of all files.

    Args:
        tree: Every name; only configuration is read from it.
        facts: By digest.
        digests: By path.
        more: Keys that are publicly known beyond the list that we ship, see `known_keys.read`.

    Returns:
        Each key or certificate once, those with a private half first, then by place.
    """
    groups: dict[tuple[str, ...], list[_Place]] = {}
    for place in _places(facts, digests):
        groups.setdefault(_identity(place.fact, digests[place.path]), []).append(place)
    several = (place for group in groups.values() for place in group)
    named = _named_in_configuration(tree, {one.path for one in several if not one.bundle})
    found = [_placed(group, named, more) for group in groups.values()]
    return tuple(sorted(found, key=lambda one: (one.kind not in PRIVATE, one.where, one.kind)))


def _identity(fact: KeyFact, digest: str) -> tuple[str, ...]:
    if fact.kind == "certificate":  # one key may have several
        return fact.kind, fact.fingerprint, fact.subject, fact.issuer, str(fact.not_after)
    if fact.fingerprint:
        return fact.kind, fact.fingerprint
    return fact.kind, digest, str(fact.offset)  # nothing tells it but its place in a content


def _places(facts: Mapping[str, FileFacts], digests: Mapping[str, str]) -> Iterator[_Place]:
    keys = {
        path: found.keys
        for path in sorted(digests)
        if (found := facts.get(digests[path])) is not None
        and found.keys
        and not _SIGNED_ITSELF.search(path)
    }
    alone = {path for path, several in keys.items() if _is_root(several[0]) and len(several) == 1}
    stores = Counter(path.rpartition("/")[0] for path in alone)
    for path, several in keys.items():
        bundle = sum(fact.kind == "certificate" for fact in several) >= BUNDLE
        # The oldest roots do not say that they are authorities: it stands in no first version.
        store = path in alone and stores[path.rpartition("/")[0]] >= BUNDLE
        for fact in several:
            yield _Place(path, fact, (bundle or store) and fact.kind == "certificate")


def _is_root(fact: KeyFact) -> bool:
    return fact.kind == "certificate" and fact.subject != "" and fact.subject == fact.issuer


def _placed(group: list[_Place], named: Mapping[str, str], more: Mapping[str, Known]) -> PlacedKey:
    fact = group[0].fact
    where = tuple(
        f"{place.path}@{place.fact.offset}" if place.fact.offset else place.path
        for place in group[:MOST_PLACES]
    )
    purposes = {_purpose(place, named): None for place in group}
    if len(purposes) > 1:
        purposes.pop("example", None)  # it is used as well
    return PlacedKey(
        kind=fact.kind,
        where=where,
        algorithm=fact.algorithm,
        bits=fact.bits,
        fingerprint=fact.fingerprint,
        subject=next((place.fact.subject for place in group if place.fact.subject), ""),
        issuer=fact.issuer,
        not_after=fact.not_after,
        authority=fact.authority,
        signature=fact.signature,
        purpose=next((purpose for purpose in purposes if purpose), ""),
        known=known(fact.fingerprint, more),
    )


def _purpose(place: _Place, named: Mapping[str, str]) -> str:
    fact, path = place.fact, place.path
    if place.bundle:
        return "ca-bundle"
    purpose = _BY_KIND.get(fact.kind) or named.get(path) or _of_path(path)
    if purpose == "update" and fact.kind in PRIVATE:
        return "update-sign"
    if purpose == "update":
        return "update-verify" if fact.kind in _PUBLIC_OF_UPDATES else ""
    if purpose == "ca-bundle" and (fact.kind != "certificate" or not fact.authority):
        return ""
    return purpose


def _of_path(path: str) -> str:
    return next((rule.purpose for rule in _BY_PATH if rule.path.search(path)), "")


def _named_in_configuration(tree: Tree, wanted: set[str]) -> Mapping[str, str]:
    """Tell from the configuration that names a key file what the key is for."""
    found: dict[str, str] = {}
    if not wanted:
        return found
    configs = (node for node in tree.files() if _is_configuration(node.path, node.size_bytes))
    for many, node in enumerate(configs):
        if many == MOST_CONFIGS:
            break
        purpose = next((rule.purpose for rule in _BY_CONFIG if rule.path.search(node.path)), "")
        if not purpose or node.path in wanted:
            continue
        try:
            text = (tree.read(node.path) or b"").decode(errors="replace")
        except FormatError:
            continue
        for match in _NAMED_FILE.finditer(text):
            target = tree.resolve(match[0])
            if target is not None and target.path in wanted:
                found.setdefault(target.path, purpose)
    return found


def _is_configuration(path: str, size_bytes: int) -> bool:
    if size_bytes > MOST_CONFIG_BYTES:
        return False
    parts = PurePosixPath(path)
    return "etc" in parts.parts or parts.suffix in _TEXT_ENDS[:-1]
