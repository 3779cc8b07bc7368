"""The model of one root file system: all parts, each built on those before."""

from collections.abc import Mapping
from types import MappingProxyType

from holdfast.audit.facts.shapes import FileFacts
from holdfast.audit.model.accounts.gathering import accounts_of
from holdfast.audit.model.accounts.guessing import Guesser
from holdfast.audit.model.components import components_of
from holdfast.audit.model.kernel import kernel_of
from holdfast.audit.model.keys import keys_of
from holdfast.audit.model.known_keys import Known
from holdfast.audit.model.listeners import listeners_of
from holdfast.audit.model.mounts import mounts_of
from holdfast.audit.model.shapes import Model
from holdfast.audit.model.startup import reading
from holdfast.audit.model.update_path import update_path_of
from holdfast.audit.tree import Tree


def model_of(
    tree: Tree,
    facts: Mapping[str, FileFacts],
    digests: Mapping[str, str],
    *,
    guess: bool = True,
    known_keys: Mapping[str, Known] = MappingProxyType({}),
) -> Model:
    """Build the model.

    Args:
        tree: Every name.
        facts: By digest.
        digests: By path.
        guess: Whether the few passwords that everybody tries are tried on the hashes.
        known_keys: Keys that are publicly known beyond the list that we ship.
    """
    system = reading.read(tree, facts, digests)
    start_up = system.graph.start_up()
    listeners = listeners_of(system)
    kernel = kernel_of(tree, facts, digests)
    keys = keys_of(tree, facts, digests, known_keys)
    return Model(
        start_up=start_up,
        accounts=accounts_of(system, Guesser() if guess else None),
        listeners=listeners,
        components=components_of(tree, facts, digests, start_up, listeners, kernel),
        kernel=kernel,
        keys=keys,
        mounts=tuple(mounts_of(tree)),
        updates=update_path_of(tree, facts, digests, start_up, keys),
    )
