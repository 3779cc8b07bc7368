"""How new software gets onto a product: what installs it, what checks it, from where, and when."""

from collections.abc import Iterable, Mapping
from typing import Final

from holdfast.audit.facts.shapes import FileFacts
from holdfast.audit.model.keys import keys_of
from holdfast.audit.model.shapes import PlacedKey, StartUp, UpdatePath
from holdfast.audit.model.update_feeds import feeds_of
from holdfast.audit.model.update_scene import Scene
from holdfast.audit.model.update_skips import skips_of
from holdfast.audit.model.update_sources import automatic_of, rollback_of, urls_of
from holdfast.audit.model.update_tools import tools_of
from holdfast.audit.tree import Tree

_MOST: Final = 40  # places of each kind


def update_path_of(
    tree: Tree,
    facts: Mapping[str, FileFacts],
    digests: Mapping[str, str],
    start_up: StartUp,
    keys: tuple[PlacedKey, ...] | None = None,
) -> UpdatePath:
    """Find out how updates work, as far as files tell.

    Args:
        tree: Every name.
        facts: By digest.
        digests: By path.
        start_up: The start-up graph, for what looks for updates by itself.
        keys: What `keys_of` found, if that is known already.
    """
    scene = Scene(tree, facts, digests, start_up)
    placed = keys_of(tree, facts, digests) if keys is None else keys
    feeds = feeds_of(scene)
    tools = tools_of(scene, placed, feeds)
    return UpdatePath(
        tools=_few(f"{tool.name} {tool.path}" for tool in tools),
        verifiers=_few(f"{tool.name} {tool.verifier}" for tool in tools if tool.verifier),
        keys=_few(place for tool in tools for place in tool.keys),
        urls=_few(urls_of(scene, tools, feeds)),
        skips=_few(skips_of(scene, tools, feeds)),
        automatic=_few(automatic_of(scene, tools)),
        rollback=_few(rollback_of(scene, tools)),
        unclear=_few(f"{tool.name} {tool.hint}" for tool in tools if tool.hint),
        lacking=_few(f"{tool.name} {tool.lacking}" for tool in tools if tool.lacking),
    )


def _few(places: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(places))[:_MOST]
