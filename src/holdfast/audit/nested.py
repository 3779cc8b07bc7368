"""What a root inside another one, such as an initramfs, has in common with it."""

from collections.abc import Mapping
from dataclasses import replace

from holdfast.audit.model.shapes import Kernel, Model


def without_copies(model: Model, digests: Mapping[str, str], main: Mapping[str, str]) -> Model:
    """Leave out the components of a further root that are files of the main root.

    An initramfs is put together from them, but has no package database to say whose they are.

    Args:
        model: Of the further root.
        digests: Of its files, by path.
        main: Of the files of the main root, by path.
    """
    known = set(main.values())

    def is_copy(place: str) -> bool:
        return digests.get(place.partition("@")[0]) in known

    own = tuple(one for one in model.components if not (one.where and all(map(is_copy, one.where))))
    kernel = model.kernel
    if not kernel.banner and kernel.where and all(map(is_copy, kernel.where)):
        kernel = Kernel()  # only modules, of the kernel that the main root tells of
    return replace(model, components=own, kernel=kernel)
