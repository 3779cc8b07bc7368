"""Forms and packings of publishers, sound and hostile."""

import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.audit.vulnerabilities.database import Database
from holdfast.audit.vulnerabilities.errors import DataError
from holdfast.audit.vulnerabilities.forms.detection import Intake
from holdfast.audit.vulnerabilities.forms.reading import Bounds, documents
from holdfast.audit.vulnerabilities.writing import Writer
from tests.audit.vulnerabilities import records as make

Take = Callable[..., Path]


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return buffer.getvalue()


def sources(path: Path) -> dict[str, int]:
    with Database(path) as database:
        return {age.source: age.entries for age in database.ages()}


@pytest.fixture
def one_of_each() -> dict[str, list[object]]:
    php = {"vendor": "php", "product": "php", "versions": [{"version": "8.0.1"}]}
    record = make.nvd("CVE-2024-1000", make.node(make.cpe("a", "php", "php", "8.0.1")))
    slim = {"id": "CVE-2024-1000", "updated": "2024-01-01", "affected": [php | {"src": "cna"}]}
    osv = {
        "id": "ALPINE-CVE-2024-1000",
        "modified": "2026-01-01T00:00:00Z",
        "affected": [
            {"package": {"ecosystem": "Alpine:v3.18", "name": "php"}, "versions": ["8.0.1-r0"]}
        ],
    }
    return {
        "nvd": [
            make.feed(record),
            record,
            {"cve": record},
            {"feed_name": "x", "cve_items": [record]},
        ],
        "cve5": [
            make.cve5("CVE-2024-1000", php),
            [make.cve5("CVE-2024-1000", php)],
            {"source": "x", "records": [slim]},
        ],
        "osv": [osv, [osv]],
        "alpine": [
            {
                "distroversion": "v3.18",
                "packages": [{"pkg": {"name": "php", "secfixes": {"8.0.2-r0": ["CVE-2024-1000"]}}}],
            },
            {"packages": {"php": {"CVE-2024-1000": {"v3.18": "8.0.2-r0"}}}},
        ],
        "debian": [
            {"packages": {"php": {"8.0.2-1": ["CVE-2024-1000"]}}},
            {"php": {"CVE-2024-1000": {"releases": {"sid": {"status": "open"}}}}},
        ],
        "linux-streams": [
            {"cves": {"CVE-2024-1000": {"range": "v4.0 to v4.1", "streams": {}}}},
            {"CVE-2024-1000": {"affected_versions": "v4.0 to v4.1"}},
            {"CVE-2024-1000": {"4.4": {"fixed_version": "4.4.1"}}},
        ],
        "kev": [make.kev(("CVE-2024-1000", "PHP", "PHP", "x"))],
        "epss": [
            b"#model_version:v1,score_date:2026-11-20\ncve,epss,percentile\nCVE-2024-1000,0.5,0.9\n",
            b"CVE-2024-1000;0.500000000;0.900000000\n",
        ],
    }


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda content: content,
    "gz": gzip.compress,
    "xz": lzma.compress,
    "zip": lambda content: zipped(**{"some__folder__data.json": content}),
    "xz in zip": lambda content: zipped(data=lzma.compress(content)),
    "zip in zip": lambda content: zipped(inner=zipped(data=content)),
    "byte order mark": lambda content: b"\xef\xbb\xbf" + content,
}


@pytest.mark.slow
@pytest.mark.parametrize("packing", PACKINGS)
def test_every_form_in_every_packing(
    one_of_each: dict[str, list[object]], packing: str, take: Take
) -> None:
    for source, forms in one_of_each.items():
        for number, form in enumerate(forms):
            content = form if isinstance(form, bytes) else json.dumps(form).encode()
            path = take(PACKINGS[packing](content), name=f"{source}-{number}")
            assert sources(path) == {source: 1}, (source, number)


def test_dates_of_the_data(one_of_each: dict[str, list[object]], take: Take) -> None:
    path = take(*(forms[0] for forms in one_of_each.values()))
    with Database(path) as database:
        days = {age.source: age.published and age.published.date() for age in database.ages()}
    written = {name: str(day) if day else None for name, day in days.items()}
    assert written == {
        "nvd": "2026-11-01", "cve5": "2026-11-02", "osv": "2026-01-01", "alpine": None,
        "debian": None, "linux-streams": None, "kev": "2026-11-20", "epss": "2026-11-20",
    }  # fmt: skip


def test_no_data_is_from_the_future(take: Take) -> None:
    record = make.nvd("CVE-2024-1000", lastModified="2999-01-01T00:00:00")
    with Database(take(make.feed(record, make.nvd("CVE-2024-1001")))) as database:
        (age,) = database.ages()
    assert age.published is not None
    assert age.published.year == 2026


def test_the_zip_of_the_cve_list(take: Take) -> None:
    """Records in folders, beside files that are none."""
    php = {"vendor": "php", "product": "php", "versions": [{"version": "8.0.1"}]}
    members = {
        f"cves__2024__1xxx__CVE-2024-{1000 + number}.json": json.dumps(
            make.cve5(f"CVE-2024-{1000 + number}", php)
        ).encode()
        for number in range(60)
    }
    members["cves__delta.json"] = b'{"fetchTime": "2026-11-20", "new": [], "updated": []}'
    members["README.md"] = b"# about"
    assert sources(take(zipped(**members))) == {"cve5": 60}


def test_a_folder(tmp_path: Path, take: Take) -> None:
    folder = tmp_path / "nvd"
    (folder / "2024").mkdir(parents=True)
    for number in range(3):
        record = make.nvd(f"CVE-2024-100{number}")
        (folder / "2024" / f"{number}.json").write_text(json.dumps(record))
    (folder / "ignored.txt").write_text("x")
    path = take()
    with pytest.raises(DataError):
        Intake(Writer(tmp_path / "x", now=make.now)).file(tmp_path / "empty-folder-that-is-not")
    writer_path = tmp_path / "folder.sqlite"
    writer_path.touch()
    writer = Writer(writer_path, now=make.now)
    seen: list[tuple[int, int]] = []
    Intake(writer).file(folder, lambda done, whole: seen.append((done, whole)))
    assert writer.tally.records == {"nvd": 3}
    assert seen[-1][0] == seen[-1][1]
    assert path.exists()


def test_rejected_records_are_forgotten(take: Take) -> None:
    node = make.node(make.cpe("a", "php", "php", "8.0.1"))
    take(make.feed(make.nvd("CVE-2024-1000", node), make.nvd("CVE-2024-1001", node)))
    path = take(make.feed(make.nvd("CVE-2024-1000", vulnStatus="Rejected")))
    assert sources(path) == {"nvd": 1}
    gone = make.cve5("CVE-2024-1001")
    gone["cveMetadata"]["state"] = "REJECTED"
    assert sources(take(gone)) == {"nvd": 1, "cve5": 0}


def test_a_newer_record_takes_the_place_of_the_older(take: Take) -> None:
    def statements(path: Path) -> int:
        with Database(path) as database:
            return len(list(database.statements(["php:php", "haxx:curl"])))

    old = make.nvd("CVE-2024-1000", make.node(make.cpe("a", "php", "php", "8.0.1")))
    new = make.nvd("CVE-2024-1000", make.node(make.cpe("a", "haxx", "curl", "8.0.1")))
    assert statements(take(make.feed(old))) == 1
    assert statements(take(make.feed(new))) == 1
    assert statements(take(make.feed(new, new, old))) == 1
    entry = {"vendor": "php", "product": "php", "versions": [{"version": "1"}]}
    assert statements(take(make.cve5("CVE-2024-1000", entry))) == 2


NONSENSE = {
    "nothing": b"",
    "text": b"Hello, this is a web page of a captive portal.",
    "page": b"<!DOCTYPE html><html><body>Sign in</body></html>",
    "binary": bytes(range(256)) * 20,
    "other json": b'{"hello": "world"}',
    "a number": b"42",
    "list of nothing": b"[]",
    "list of numbers": b"[1, 2, 3]",
    "cut json": b'{"vulnerabilities": [{"cve": {"id": "CVE-2024-1000"',
    "cut gz": gzip.compress(b'{"vulnerabilities": []}' * 50)[:-9],
    "cut xz": lzma.compress(b'{"vulnerabilities": []}' * 50)[:-9],
    "cut zip": zipped(data=b'{"vulnerabilities": []}')[:-9],
    "damaged xz": b"\xfd7zXZ\x00" + b"\x00" * 60,
    "empty zip": zipped(),
    "nested deeply": b"[" * 200_000,
    "nested object": b'{"a":' * 100_000,
    "wrong shapes": b'{"catalogVersion": 1, "vulnerabilities": {"a": 1}}',
    "records of nothing": b'{"vulnerabilities": [1, 2, 3, 4, 5, 6, 7, 8]}',
    "scores of nothing": b"cve,epss\n" + b"CVE-2024-1000,high\n" * 200,
    "not unicode": b'{"id": "\xff\xfe"}',
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_nonsense_is_named_and_leaves_everything_as_it_was(kind: str, take: Take) -> None:
    path = take(make.kev(("CVE-2024-1000", "PHP", "PHP", "x")))
    before = path.read_bytes()
    with pytest.raises(DataError) as refusal:
        take(make.kev(("CVE-2024-1001", "PHP", "PHP", "x")), NONSENSE[kind])
    assert "document-1" in str(refusal.value)
    assert refusal.value.hint
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir() if not one.name.endswith(".lock")] == [
        path.name
    ]


def test_a_few_odd_records_are_counted_not_fatal(writer: Writer, tmp_path: Path) -> None:
    records = [{"cve": make.nvd(f"CVE-2024-{1000 + number}")} for number in range(300)]
    records[7] = {"cve": {"id": 7}}
    file = tmp_path / "feed.json"
    file.write_text(json.dumps({"vulnerabilities": records}))
    Intake(writer).file(file)
    assert writer.tally.records == {"nvd": 299}
    assert writer.tally.skipped_count == 1
    assert "record 7" in writer.tally.skipped[0]


@pytest.mark.parametrize(
    "bomb",
    [
        gzip.compress(b"0" * 5_000_000),
        lzma.compress(b"0" * 5_000_000),
        zipped(a=b"0" * 5_000_000),
        zipped(a=b"0" * 900_000, b=b"0" * 900_000, c=b"0" * 900_000),
        zipped(inner=zipped(a=b"0" * 5_000_000)),
        zipped(**{f"m{number}": b"{}" for number in range(101)}),
    ],
    ids=["gz", "xz", "zip", "many", "nested", "members"],
)
def test_bombs_are_stopped(bomb: bytes, tmp_path: Path) -> None:
    bounds = Bounds(document_bytes=1_000_000, total_bytes=2_000_000, documents=100)
    file = tmp_path / "bomb"
    file.write_bytes(bomb)
    with pytest.raises(DataError, match="too"):
        list(documents(file, bounds))


def test_a_dictionary_that_wants_all_memory(tmp_path: Path) -> None:
    file = tmp_path / "big.xz"
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 512 << 20, "mode": lzma.MODE_FAST,
                "mf": lzma.MF_HC3}]  # fmt: skip
    packed = bytearray(lzma.compress(b"x" * 100, filters=[filters[0] | {"dict_size": 4096}]))
    header = packed.index(b"\x21\x01")  # LZMA2 with one byte of properties
    packed[header + 2] = 38  # 3 GiB
    import zlib  # noqa: PLC0415

    packed[20:24] = zlib.crc32(bytes(packed[12:20])).to_bytes(4, "little")
    file.write_bytes(bytes(packed))
    with pytest.raises(DataError, match="cannot be read"):
        list(documents(file))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=8)
    | st.sampled_from(["CVE-2024-1000", "affected", "1.0", "n/a", "*", "AND", "linux", "2.0-rc1"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["id", "cve", "vulnerabilities", "records", "cves", "packages", "affected", "versions",
             "version", "lessThan", "lessThanOrEqual", "status", "vendor", "product", "cpes",
             "configurations", "nodes", "cpeMatch", "criteria", "cveMetadata", "containers", "cna",
             "adp", "modified", "ranges", "events", "package", "secfixes", "pkg", "range",
             "streams", "CVE-2024-1000", "metrics", "changes", "programFiles", "releases"]
        ),
        inner,
        max_size=5,
    ),
    max_leaves=25,
)  # fmt: skip


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(document=JSON)
def test_no_document_breaks_the_intake(document: object, tmp_path: Path) -> None:
    file = tmp_path / "fuzz.json"
    file.write_text(json.dumps(document))
    path = tmp_path / "fuzz.sqlite"
    path.unlink(missing_ok=True)
    path.touch()
    writer = Writer(path, now=make.now)
    intake = Intake(writer)
    try:
        intake.file(file)
        intake.finish()
        writer.finish()
    except DataError:
        pass
    finally:
        writer.close()


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.integers(0, 10_000), byte=st.integers(0, 255), form=st.integers(0, 17))
def test_no_damaged_file_breaks_the_intake(
    one_of_each: dict[str, list[object]],
    tmp_path: Path,
    place: int,
    byte: int,
    form: int,
) -> None:
    every = [one for forms in one_of_each.values() for one in forms]
    chosen = every[form % len(every)]
    content = chosen if isinstance(chosen, bytes) else json.dumps(chosen).encode()
    packed = bytearray(PACKINGS[list(PACKINGS)[form % len(PACKINGS)]](content))
    packed[place % len(packed)] = byte
    file = tmp_path / "damaged"
    file.write_bytes(bytes(packed))
    path = tmp_path / "damaged.sqlite"
    path.unlink(missing_ok=True)
    path.touch()
    writer = Writer(path, now=make.now)
    intake = Intake(writer)
    try:
        intake.file(file)
        intake.finish()
        writer.finish()
    except DataError:
        pass
    finally:
        writer.close()


def test_a_record_that_names_everything_stays_small(take: Take) -> None:
    many = [{"version": f"{number}.0"} for number in range(20_000)]
    entry = {"vendor": "php", "product": "php", "versions": many}
    path = take(make.cve5("CVE-2024-1000", entry))
    assert path.stat().st_size < 1_000_000
