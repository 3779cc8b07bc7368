"""A new profile is in order as it is written, and never replaces a file."""

from datetime import date
from pathlib import Path

import pytest

from holdfast import product
from holdfast.core.errors import UsageError
from holdfast.product import ProfileError, ProfileExistsError, Starter


def starter(**changes: object) -> Starter:
    fields: dict[str, object] = {
        "vendor": "Acme",
        "product": "lamp",
        "name": "Acme Lamp",
        "model": "L1",
        "hardware": ["a"],
        "markets": ["EU"],
        "site": "acme.example",
        "since": date(2028, 2, 29),
    }
    return Starter(**(fields | changes))  # type: ignore[arg-type] # mixed values


def test_it_is_in_order_and_promises_five_years(tmp_path: Path) -> None:
    path = tmp_path / "new" / "product.toml"
    written = product.write_new(path, starter())
    assert product.read(path) == written
    assert written.support.until == date(2033, 2, 28)
    assert written.sensors == ()


@pytest.mark.parametrize("vendor", ['A "quoted" \\ name', "Größe & Söhne", "# [x]", "'''", '"""'])
def test_odd_names_arrive_as_they_are(tmp_path: Path, vendor: str) -> None:
    assert product.write_new(tmp_path / "p.toml", starter(vendor=vendor)).identity.vendor == vendor


def test_another_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text("mine")
    with pytest.raises(ProfileExistsError):
        product.write_new(path, starter())
    assert path.read_text() == "mine"


def test_a_dangling_link_is_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ProfileExistsError):
        product.write_new(path, starter())
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"vendor": ""},
        {"vendor": "a\nb"},
        {"vendor": "\x7f"},
        {"vendor": "\ud800"},
        {"product": "root"},
        {"hardware": []},
        {"site": "a b"},
        {"site": 'x" \n[y]'},
    ],
)
def test_wrong_answers_write_nothing(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(ProfileError):
        product.write_new(tmp_path / "p.toml", starter(**changes))
    assert list(tmp_path.iterdir()) == []


def test_a_place_where_no_file_can_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        product.write_new(tmp_path / "file" / "p.toml", starter())
    with pytest.raises(UsageError, match="cannot be written"):
        product.write_new(Path("a\0b"), starter())
