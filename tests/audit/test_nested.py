"""An initramfs that is put together from files of the system is not judged for them again."""

from holdfast.audit.model.shapes import Component, Kernel, Model, StartUp
from holdfast.audit.nested import without_copies


def test_components_of_the_same_files_are_left_out() -> None:
    same = Component(name="openssl", version="3.0.1", where=("lib/libcrypto.so.3@77",))
    own = Component(name="zlib", version="1.2.3", where=("lib/klibc.so@9", "lib/libz.so.1"))
    nameless = Component(name="linux", version="6.1.0")
    model = Model(start_up=StartUp(init="none"), components=(same, own, nameless))
    digests = {"lib/libcrypto.so.3": "a", "lib/klibc.so": "b", "lib/libz.so.1": "c"}
    main = {"usr/lib/libcrypto.so.3": "a", "usr/lib/libz.so.1.2": "c"}
    assert without_copies(model, digests, main).components == (own, nameless)


def test_modules_of_the_same_kernel_are_no_kernel() -> None:
    modules = Kernel(version="6.1.0", where=("lib/modules/nat.ko",), modules=("nat",))
    model = Model(start_up=StartUp(init="none"), kernel=modules)
    copied, other = {"lib/modules/nat.ko": "a"}, {"lib/modules/nat.ko": "b"}
    assert without_copies(model, copied, {"usr/lib/modules/nat.ko": "a"}).kernel == Kernel()
    assert without_copies(model, other, {"usr/lib/modules/nat.ko": "a"}).kernel == modules
