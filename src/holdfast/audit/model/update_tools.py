"""What installs new software, and what checks it before: tools that are known by name."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from holdfast.audit.model.shapes import PlacedKey
from holdfast.audit.model.update_feeds import Feed
from holdfast.audit.model.update_scene import Scene, Tool, as_json, places_of
from holdfast.audit.model.update_vendors import vendor_tools

_KNOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "swupdate": ("swupdate",),
    "rauc": ("rauc",),
    "mender": ("mender", "mender-update"),
    "ostree": ("ostree",),
    "aktualizr": ("aktualizr", "aktualizr-lite", "aktualizr-torizon"),
    "snapd": ("snapd",),
    "fwupd": ("fwupdmgr", "fwupdtool"),
    "update_engine": ("update_engine",),
    "sysupgrade": ("sysupgrade",),
}
_PACKAGES: Final[Mapping[str, tuple[str, ...]]] = {
    "opkg": ("opkg", "opkg-cl"),
    "apt": ("apt-get", "apt"),
    "apk": ("apk",),
    "rpm": ("dnf", "yum", "microdnf", "tdnf", "zypper"),
}
HOLDFAST: Final = "holdfast/device/agent/__main__.py"


def tools_of(scene: Scene, keys: Sequence[PlacedKey], feeds: Sequence[Feed]) -> list[Tool]:
    """Find everything that installs, known tools first."""
    verifying = [key for key in keys if key.purpose == "update-verify"]
    found = [*_known_tools(scene, verifying), *_package_tools(scene, verifying, feeds)]
    return [*found, *vendor_tools(scene, keys, {tool.path for tool in found})]


def _known_tools(scene: Scene, keys: Sequence[PlacedKey]) -> Iterator[Tool]:
    agents = [path for path in scene.digests if path.endswith(HOLDFAST)]
    for agent in sorted(agents)[:1]:
        roots = tuple(one for one in places_of(keys) if one.partition("@")[0].endswith(".json"))
        yield Tool("holdfast", agent, verifier=agent, keys=roots)
    for name, programs in _KNOWN.items():
        path = scene.program(*programs)
        if path:
            yield _judged(scene, Tool(name, path), keys)


def _judged(scene: Scene, tool: Tool, keys: Sequence[PlacedKey]) -> Tool:
    match tool.name:
        case "swupdate":
            judged = _swupdate(scene, tool, keys)
        case "rauc":
            judged = _rauc(scene, tool)
        case "mender":
            judged = _mender(scene, tool)
        case "sysupgrade":
            judged = _sysupgrade(scene, tool, keys)
        case "ostree":
            judged = _ostree(scene, tool)
        case _:
            judged = tool._replace(verifier=tool.path)  # cannot be built without
    return judged


def _swupdate(scene: Scene, tool: Tool, keys: Sequence[PlacedKey]) -> Tool:
    known = scene.fact(tool.path)
    if known is None or known.elf is None:
        return tool._replace(hint="is no program, but starts one that was not found")
    if not scene.has_hit(tool.path, "update-swupdate-signed"):
        return tool._replace(lacking="built without support of signed images")
    return tool._replace(verifier=tool.path, keys=places_of(keys, "swupdate"))


def _rauc(scene: Scene, tool: Tool) -> Tool:
    for config in ("etc/rauc/system.conf", "usr/lib/rauc/system.conf"):
        for line in scene.lines(config):
            match = re.match(r"\s*(?:path|directory)\s*=\s*(\S+)", line)
            if match is not None:
                name = match[1] if match[1].startswith("/") else f"etc/rauc/{match[1]}"
                node = scene.tree.resolve(name)
                if node is not None:
                    return tool._replace(verifier=tool.path, keys=(node.path,))
    return tool._replace(hint="RAUC checks each bundle, but its keyring is not in the image")


def _mender(scene: Scene, tool: Tool) -> Tool:
    for config in ("etc/mender/mender.conf", "var/lib/mender/mender.conf"):
        settings = as_json("\n".join(scene.lines(config)))
        named = settings.get("ArtifactVerifyKeys") or [settings.get("ArtifactVerifyKey")]
        places = [str(one) for one in named if one] if isinstance(named, list) else []
        found = [node.path for name in places if (node := scene.tree.resolve(name)) is not None]
        if found:
            return tool._replace(verifier=tool.path, keys=tuple(found))
    return tool._replace(lacking="mender.conf names no ArtifactVerifyKey")


def _sysupgrade(scene: Scene, tool: Tool, keys: Sequence[PlacedKey]) -> Tool:
    scripts = [node.path for node in scene.tree.glob("lib/upgrade/*", "etc/profile.d/*")]
    asks = any("REQUIRE_IMAGE_SIGNATURE=1" in line.replace('"', "").replace("'", "")
               for path in scripts for line in scene.lines(path))  # fmt: skip
    checker = scene.program("ucert")
    if asks and checker:
        return tool._replace(
            verifier=checker, keys=places_of(keys, "etc/opkg/keys", "etc/apk/keys")
        )
    if asks:
        return tool._replace(hint="asks for a signature, but ucert is not in the image")
    return tool._replace(lacking="nothing sets REQUIRE_IMAGE_SIGNATURE=1 below lib/upgrade")


def _ostree(scene: Scene, tool: Tool) -> Tool:
    configs = scene.tree.glob("ostree/repo/config", "etc/ostree/remotes.d/*.conf")
    lines = [line.replace(" ", "").lower() for node in configs for line in scene.lines(node.path)]
    if any(line == "gpg-verify=false" for line in lines) and not any(
        line.startswith("sign-verify=") and not line.endswith("false") for line in lines
    ):
        return tool._replace(lacking="gpg-verify=false")
    return tool._replace(verifier=tool.path)


# ---- packages ------------------------------------------------------------------------------------


def _package_tools(
    scene: Scene, keys: Sequence[PlacedKey], feeds: Sequence[Feed]
) -> Iterator[Tool]:
    for name, programs in _PACKAGES.items():
        path = scene.program(*programs)
        own = [feed for feed in feeds if feed.tool == name]
        if not path or not own:
            continue  # without a feed it installs nothing by itself
        places = places_of(keys, *_KEYS_OF_PACKAGES[name])
        checker = {
            "opkg": scene.program("usign", "opkg-key", "gpg", "gpgv", "signify"),
            "apt": scene.program("gpgv", "sqv", "gpgv2"),
        }.get(name, path)
        loose = next((feed for feed in own if feed.unsigned), None)
        if loose is not None:
            yield Tool(name, path, lacking=f"{loose.where}: {loose.unsigned}")
        elif not checker or not places:
            lacking = "the image holds no public key for it" if checker else "no program to verify"
            yield Tool(name, path, lacking=lacking)
        else:
            yield Tool(name, path, verifier=checker, keys=places)


_KEYS_OF_PACKAGES: Final[Mapping[str, tuple[str, ...]]] = {
    "opkg": ("etc/opkg", "usr/share/opkg", "usr/lib/opkg"),
    "apt": ("",),
    "apk": ("etc/apk/keys", "usr/share/apk/keys", "lib/apk/keys"),
    "rpm": ("etc/pki/rpm-gpg", "usr/share/distribution-gpg-keys"),
}


# ---- vendors -------------------------------------------------------------------------------------
