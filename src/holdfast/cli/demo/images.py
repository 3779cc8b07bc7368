"""Root file systems of the demonstration products, built from Debian packages."""

import os
import platform
import shutil
from dataclasses import dataclass
from functools import cache, cmp_to_key
from pathlib import Path

from holdfast.core.errors import HoldfastError
from holdfast.core.process import ProgramError, run

RECIPE = Path(__file__).parents[4] / "image" / "demo"
# Debian's documentation and translations: nothing on a device reads them.
_DROPPED = ("doc", "man", "locale", "lintian", "bash-completion", "info")
_BUILD_TIMEOUT_S = 300.0


class ImageError(HoldfastError):
    """A demonstration image cannot be built on this machine."""

    code = "demo-image"
    hint = "The demonstration needs a Debian 12 machine with apt and squashfs-tools."


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One image to build.

    Attributes:
        name: Name of the product, shown on the page that the image serves.
        version: Version label, as in the release.
        step: Which of the versions that Debian offers is taken, 0 the oldest.
        broken: Whether a library is left out, so that the image starts but is not healthy.
    """

    name: str
    version: str
    step: int
    broken: bool = False

    @property
    def filename(self) -> str:
        """Name of the image file, unique for product, version and kind."""
        slug = self.name.lower().replace(" ", "-")
        return f"{slug}-{self.version}{'-broken' if self.broken else ''}.squashfs"


def build(recipe: Recipe, folder: Path) -> Path:
    """Build an image, or find it built; the result is whole or absent.

    Raises:
        ImageError: Debian's packages or tools cannot be had.
    """
    image = folder / recipe.filename
    if image.exists():
        return image
    work = folder / f".{recipe.filename}.work"
    shutil.rmtree(work, ignore_errors=True)
    root = work / "rootfs"
    root.mkdir(parents=True)
    try:
        for package in _packages():
            run(["dpkg-deb", "-x", _download(package, recipe.step, folder / "debs"), root],
                timeout_s=_BUILD_TIMEOUT_S)  # fmt: skip
        _finish(root, recipe)
        made = work / "image"
        run(
            ["mksquashfs", root, made, "-comp", "zstd", "-Xcompression-level", "6", "-noappend",
             "-quiet", "-no-progress", "-all-root", "-no-xattrs", "-mkfs-time", "0",
             "-all-time", "0"],
            timeout_s=_BUILD_TIMEOUT_S,
        )  # fmt: skip
        made.replace(image)
    except ProgramError as error:
        raise ImageError(f"cannot build {recipe.filename}: {error}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return image


def _packages() -> list[str]:
    if not RECIPE.is_dir():
        error = ImageError("the recipe of the demonstration's images is not installed")
        error.hint = "Run the demonstration from a checkout of Holdfast, with script/up."
        raise error
    lines = (RECIPE / "packages.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _finish(root: Path, recipe: Recipe) -> None:
    for name in _DROPPED:
        shutil.rmtree(root / "usr/share" / name, ignore_errors=True)
    shutil.copytree(RECIPE / "overlay", root, dirs_exist_ok=True)
    page = root / "www/index.html"
    page.write_text(
        page.read_text().replace("@NAME@", recipe.name).replace("@VERSION@", recipe.version)
    )
    (root / "www/version.txt").write_text(f"{recipe.version}\n")
    (root / "etc/os-release").write_text(
        f'ID=holdfast-demo\nNAME="{recipe.name}"\nVERSION_ID={recipe.version}\n'
    )
    for folder in ("dev", "proc", "run", "sys", "tmp"):
        (root / folder).mkdir(exist_ok=True)
    if recipe.broken:
        for library in root.glob("usr/lib/*/libcrypto.so.3"):
            library.unlink()


def _download(package: str, step: int, cache: Path) -> Path:
    """Fetch a package in the asked version, or the newest that is not newer."""
    cache.mkdir(parents=True, exist_ok=True)
    versions = _versions(package)
    version = versions[min(step, len(versions) - 1)]
    arch = _architecture()
    quoted = version.replace(":", "%3a")
    for name in (f"{package}_{quoted}_{arch}.deb", f"{package}_{quoted}_all.deb"):
        if (cache / name).exists():
            return cache / name
    arrival = cache / f".{package}.part"
    shutil.rmtree(arrival, ignore_errors=True)
    arrival.mkdir()
    run(["apt-get", "download", "-qq", f"{package}={version}"], timeout_s=180, cwd=arrival,
        env=dict(os.environ))  # fmt: skip
    (found,) = arrival.glob("*.deb")
    kept = found.rename(cache / found.name)
    arrival.rmdir()
    return kept


@cache
def _versions(package: str) -> list[str]:
    """List the versions that Debian offers, oldest first."""
    answer = run(["apt-cache", "madison", package], timeout_s=60).stdout.decode()
    if not answer.strip() and os.geteuid() == 0:
        run(["apt-get", "update", "-qq"], timeout_s=300, env=dict(os.environ))
        answer = run(["apt-cache", "madison", package], timeout_s=60).stdout.decode()
    found = {line.split("|")[1].strip() for line in answer.splitlines() if "|" in line}
    if not found:
        raise ImageError(f"apt knows no package {package}; run apt-get update")
    return sorted(found, key=cmp_to_key(_compare))


def _compare(left: str, right: str) -> int:
    command = ["dpkg", "--compare-versions", left, "lt", right]
    return -1 if run(command, timeout_s=10, check=False).exit_code == 0 else 1


def _architecture() -> str:
    named = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "armhf"}
    return named.get(platform.machine(), platform.machine())
