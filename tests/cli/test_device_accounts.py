"""`holdfast device accounts`, `label`, `reset`: what is refused before a device is asked."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from holdfast.cli.device import app
from holdfast.core.errors import HoldfastError, UsageError
from holdfast.device.broker.wire import UnreachableError

PROFILE = Path(__file__).parents[2] / "examples/home-gateway/product.toml"
NONSENSE = "\udcff\ud800\x1b[31m\x07"
SHADOW = "ada:$1$abcdefgh$G/8ZBWz4rWEiyPzDJyuPU0:1::::::\n"


@pytest.fixture
def device(tmp_path: Path) -> Path:
    (tmp_path / "factory").mkdir()
    shutil.copy(PROFILE, tmp_path / "factory/product.toml")
    config = tmp_path / "device.toml"
    config.write_text('controller_id = "gateway-1"\nhub_url = "http://127.0.0.1:1"\n')
    return config


def call(*words: str | Path, typed: bytes = b"") -> tuple[int, BaseException | None]:
    done = CliRunner().invoke(app, [str(word) for word in words], input=typed)
    raised = done.exception
    return (raised.exit_code if isinstance(raised, HoldfastError) else done.exit_code), raised


def test_accounts_that_could_be_taken_over_are_handed_to_the_device(device: Path) -> None:
    file = device.with_name("shadow")
    file.write_text(SHADOW)
    raised = call("accounts", "import", file, "-c", device, "--role", "operator")[1]
    assert isinstance(raised, UnreachableError)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--role", "king"),
        ("--role", ""),
        ("--role", NONSENSE),
        ("--days", "0"),
        ("--days", "366"),
        ("--days", "-1"),
        ("--kind", "csv"),
        ("--kind", NONSENSE),
    ],
)
def test_an_import_that_makes_no_sense_asks_nobody(device: Path, option: str, value: str) -> None:
    file = device.with_name("shadow")
    file.write_text(SHADOW)
    words = ("accounts", "import", file, "-c", device, "--role", "owner", option, value)
    code, raised = call(*words)
    assert code == 2
    assert not isinstance(raised, UnreachableError)
    if value == "king":
        assert isinstance(raised, UsageError)
        assert raised.hint == "Its roles are: owner, operator, viewer."


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"\0" * 4_200_000, b"[" * 100_000, b'"x"'], ids=range(4)
)
def test_a_file_that_holds_no_accounts_at_all(device: Path, content: bytes) -> None:
    file = device.with_name("accounts.json")
    file.write_bytes(content)
    words = ("accounts", "import", file, "-c", device, "--role", "owner", "--kind", "json")
    code, raised = call(*words)
    assert code == 2
    assert str(file) in str(raised)


@pytest.mark.parametrize("typed", [b"", b"\n", b"gateway-2\n", b"\xff\0\n"])
def test_nothing_is_erased_unless_the_id_is_typed(device: Path, typed: bytes) -> None:
    code, raised = call("reset", device.parent, typed=typed)
    assert code == 2
    assert "nothing was erased" in str(raised)
    assert {path.name for path in device.parent.iterdir()} == {"device.toml", "factory"}


@pytest.mark.parametrize("words", [("accounts", "list", "-c"), ("label",), ("reset",)])
@pytest.mark.parametrize("path", ["", "/", NONSENSE, "x" * 5000, "/dev/null"])
def test_no_device_is_there(words: tuple[str, ...], path: str) -> None:
    code, raised = call(*words, path)
    assert code == 2
    assert isinstance(raised, HoldfastError | SystemExit)


@pytest.mark.parametrize("out", ["x.pdf", "no-such-folder/x.svg", "folder.svg"])
def test_a_label_is_written_to_a_file_only(
    device: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    monkeypatch.chdir(device.parent)
    Path("folder.svg").mkdir()
    code, raised = call("label", device.parent, "--out", out, typed=b"AAAA-AAAA-AAAA")
    assert code == 2
    assert isinstance(raised, UsageError)
