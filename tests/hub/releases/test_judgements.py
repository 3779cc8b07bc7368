"""The hub's own audit of a release: nothing is offered before it, and little against it."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from holdfast.audit.model.shapes import Model, StartUp
from holdfast.audit.report.shapes import Checked, Opened, Report, Subject, Unopened, Volume
from holdfast.audit.verdicts import Severity, Verdict
from holdfast.hub.fleet import services as fleet
from holdfast.hub.fleet.errors import OfferError
from holdfast.hub.fleet.models import Device, Offer
from holdfast.hub.releases import jobs, judgements
from holdfast.hub.releases.errors import NotJudgedError, ObjectionsError
from holdfast.hub.releases.models import Judgement, Judging, Release
from holdfast.hub.staff.models import Account, Entry
from holdfast.updates.waiver import Waiver

Make = Callable[..., Release]
NOW = datetime(2026, 11, 22, tzinfo=UTC)
ROOT = Volume(name="", format="tar", chain=(), files=9, size_bytes=9, root=True)
LINE = "telnet-off: Telnet is off as shipped"


def checked(verdict: Verdict, rule: str = "telnet-off") -> Checked:
    return Checked(
        rule=rule, recommendation=1, title="Telnet is off as shipped",
        severity=Severity.HIGH, verdict=verdict, reason="nobody knows",
    )  # fmt: skip


def report(
    verdict: Verdict = Verdict.PASS,
    *,
    complete: bool = True,
    blob: str = "blob",
    rules: tuple[str, ...] = ("telnet-off",),
    root: bool = True,
) -> Report:
    pieces = () if complete else (
        Unopened(where=blob, offset=64, size_bytes=9, entropy=7.9, why="nothing knows it"),
    )  # fmt: skip
    return Report(
        made=NOW, holdfast="0.1.0", rules="x", subject=Subject(name="rootfs", kind="image"),
        outcome="pass",
        opened=Opened(complete=complete, unopened=pieces, volumes=(ROOT,) if root else ()),
        model=Model(start_up=StartUp(init="none")), others={},
        checks=(checked(Verdict.PASS, "other"), *(checked(verdict, rule) for rule in rules)),
        seconds={},
    )  # fmt: skip


@pytest.fixture
def waiting(release: Make) -> Release:
    found = release(judged=False)
    judgements.ask(found)
    return found


def test_nothing_is_offered_before_it_is_judged(waiting: Release, device: Device) -> None:
    del device
    with pytest.raises(NotJudgedError):
        fleet.offer(waiting, by="ada")
    judgements.begin(waiting.judgement)
    with pytest.raises(NotJudgedError):
        fleet.offer(waiting, by="ada")
    assert not Offer.objects.exists()


def test_what_passes_may_be_offered(waiting: Release, device: Device) -> None:
    del device
    judgements.finish(waiting.judgement, report())
    assert fleet.offer(waiting, by="ada").offered == 1


@pytest.mark.parametrize("said", [report(Verdict.FAIL), report(complete=False), report(root=False)])
def test_what_fails_or_could_not_be_opened_is_not_offered(waiting: Release, said: Report) -> None:
    judgements.finish(waiting.judgement, said)
    with pytest.raises(ObjectionsError, match="The audit says no"):
        fleet.offer(waiting, by="ada")


def test_undecided_checks_are_told_and_do_not_refuse(waiting: Release) -> None:
    judgements.finish(waiting.judgement, report(Verdict.UNDECIDED))
    waiting.judgement.refresh_from_db()
    assert waiting.judgement.open
    assert waiting.judgement.undecided == ["telnet-off: nobody knows"]


def test_a_wish_waits_for_the_audit(waiting: Release, device: Device) -> None:
    judgements.want_offered(waiting, by="token:build-server")
    assert jobs.offer_if_wished(waiting) == 0
    judgements.finish(waiting.judgement, report())
    assert jobs.offer_if_wished(waiting) == 1
    assert jobs.offer_if_wished(waiting) == 0
    assert Offer.objects.get().device_id == device.pk
    assert Entry.objects.get(what="release.offered").by == "token:build-server"


def test_a_wish_does_not_outweigh_a_refusal(waiting: Release, device: Device) -> None:
    del device
    judgements.want_offered(waiting, by="ada")
    judgements.finish(waiting.judgement, report(Verdict.FAIL))
    assert jobs.offer_if_wished(waiting) == 0


def test_a_named_person_waives_with_a_reason(staff_client: Client, waiting: Release) -> None:
    judgements.finish(waiting.judgement, report(Verdict.FAIL))
    address = f"/releases/{waiting.pk}/waive/"
    assert staff_client.post(address, {"waive-why": "ok"}).status_code == 422
    why = "The console is inside the sealed case; 1.3 removes it."
    assert staff_client.post(address, {"waive-why": why}).status_code == 302
    waiting.judgement.refresh_from_db()
    assert (waiting.judgement.open, waiting.judgement.waived_by) == (True, "ada")
    entry = Entry.objects.get(what="release.audit_waived")
    assert (entry.by, entry.why) == ("ada", why)
    page = staff_client.get(f"/releases/{waiting.pk}/").content.decode()
    assert why in page
    assert "telnet-off" in page
    assert staff_client.post(address, {"waive-why": why}).status_code == 400


def test_nobody_waives_what_nobody_knows_yet(staff_client: Client, waiting: Release) -> None:
    answer = staff_client.post(f"/releases/{waiting.pk}/waive/", {"waive-why": "Because I can."})
    assert answer.status_code == 409
    assert not Entry.objects.filter(what="release.audit_waived").exists()


def test_signers_waive_with_their_signature(waiting: Release) -> None:
    judgements.finish(waiting.judgement, report(Verdict.FAIL))
    signed = Waiver(who="Ada", why="Known, and mended in 1.3.", made=NOW, objections=(LINE,))
    judgements.honour(waiting.judgement, signed)
    waiting.judgement.refresh_from_db()
    assert waiting.judgement.waived_by == "Ada (signed with the release)"
    judgements.honour(waiting.judgement, replace(signed, who="Bob"))
    waiting.judgement.refresh_from_db()
    assert waiting.judgement.waived_by.startswith("Ada")


def test_progress_is_shown_and_the_page_comes_again(staff_client: Client, waiting: Release) -> None:
    judgements.begin(waiting.judgement)
    judgements.note_progress(waiting.judgement, "facts", 0.4)
    answer = staff_client.get(f"/releases/{waiting.pk}/")
    assert answer.headers["Refresh"] == "3"
    assert 'value="40"' in answer.content.decode()
    assert "Offer to all devices" not in answer.content.decode()
    judgements.finish(waiting.judgement, report())
    answer = staff_client.get(f"/releases/{waiting.pk}/")
    assert "Refresh" not in answer.headers
    assert "Offer to all devices" in answer.content.decode()


def test_the_report_is_kept_and_shown_under_its_own_policy(
    staff_client: Client, client: Client, waiting: Release
) -> None:
    assert staff_client.get(f"/releases/{waiting.pk}/audit/").status_code == 404
    judgements.finish(waiting.judgement, report())
    answer = staff_client.get(f"/releases/{waiting.pk}/audit/")
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'sha256-" in policy
    assert "frame-ancestors 'none'" in policy
    assert b"Telnet is off as shipped" in answer.content
    for name in ("audit.json", "sbom.json"):
        handed = staff_client.get(f"/releases/{waiting.pk}/{name}")
        assert handed.headers["Content-Disposition"] == f'attachment; filename="{name}"'
        assert client.get(f"/releases/{waiting.pk}/{name}").status_code == 302


def test_an_audit_that_cannot_be_run_keeps_the_release_back(waiting: Release) -> None:
    judgements.give_up(waiting.judgement, "[audit-child] it died")
    waiting.judgement.refresh_from_db()
    assert waiting.judgement.state == Judging.BROKEN
    with pytest.raises(ObjectionsError, match="it died"):
        judgements.must_be_open(waiting)


def test_it_can_be_audited_again(staff_client: Client, waiting: Release) -> None:
    judgements.give_up(waiting.judgement, "no disk")
    staff_client.post(f"/releases/{waiting.pk}/audit/again/")
    waiting.judgement.refresh_from_db()
    assert waiting.judgement.state == Judging.WAITING
    assert Entry.objects.get(what="release.audit_asked").by == "ada"


def test_releases_from_before_the_gate_are_judged_too(release: Make) -> None:
    old = release(judged=False)
    with pytest.raises(NotJudgedError):
        judgements.must_be_open(old)
    jobs.recover()
    assert Release.objects.get(pk=old.pk).judgement.state == Judging.WAITING


def test_signers_waive_only_what_they_knew(waiting: Release) -> None:
    judgements.finish(waiting.judgement, report(Verdict.FAIL, rules=("telnet-off", "igd-off")))
    signed = Waiver(who="Ada", why="Known, and mended in 1.3.", made=NOW, objections=(LINE,))
    judgements.honour(waiting.judgement, signed)
    waiting.judgement.refresh_from_db()
    assert not waiting.judgement.open


def test_a_waiver_outlives_the_same_objections_and_no_others(waiting: Release) -> None:
    judgements.finish(waiting.judgement, report(Verdict.FAIL))
    judgements.waive(waiting, by="ada", why="Known, and mended in 1.3.")
    judgements.ask_again(waiting, by="ada")
    judgements.finish(waiting.judgement, report(Verdict.FAIL))
    waiting.judgement.refresh_from_db()
    assert waiting.judgement.open
    judgements.ask_again(waiting, by="ada")
    judgements.finish(waiting.judgement, report(Verdict.FAIL, rules=("telnet-off", "igd-off")))
    waiting.judgement.refresh_from_db()
    assert not waiting.judgement.open
    entry = Entry.objects.get(what="release.audit_waiver_lapsed")
    facts = json.loads(entry.facts)
    assert facts["waived_by"] == "ada"
    assert facts["not_waived"] == ["igd-off: Telnet is off as shipped"]


def test_only_the_newest_report_is_kept(waiting: Release) -> None:
    kept = settings.HUB.reports
    for blob in ("one", "two", "three"):
        judgements.ask_again(waiting, by="ada")
        judgements.finish(waiting.judgement, report(complete=False, blob=blob))
        assert len(list(kept.iterdir())) == 1
    (kept / f"{'0' * 64}.json").write_bytes(b"left over")
    (kept / ".half.tmp").write_bytes(b"left over")
    jobs.recover()
    waiting.judgement.refresh_from_db()
    assert [place.stem for place in kept.iterdir()] == [waiting.judgement.report_sha256]


def test_a_huge_report_is_not_kept(waiting: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judgements, "LONGEST_REPORT_BYTES", 100)
    judgements.finish(waiting.judgement, report())
    waiting.judgement.refresh_from_db()
    assert waiting.judgement.state == Judging.BROKEN
    assert not settings.HUB.reports.exists()


def test_names_of_an_image_do_nothing_on_the_page(staff_client: Client, waiting: Release) -> None:
    blob = "\x1b[2J\u202e<script>alert(1)</script>\x00" + "x" * 5000
    judgements.finish(waiting.judgement, report(complete=False, blob=blob))
    page = staff_client.get(f"/releases/{waiting.pk}/").content.decode()
    assert "&lt;script&gt;" in page
    assert "<script>" not in page
    assert r"\x1b[2J\u202e" in page
    assert not {"\x1b", "\u202e", "\x00"} & set(page)
    (line,) = Release.objects.get().judgement.objections
    assert len(line) <= 300


def test_the_oldest_waits_least(release: Make) -> None:
    first, second = release("1.1", judged=False), release("1.2", judged=False)
    for number, each in enumerate((second, first)):
        judgements.ask(each)
        Judgement.objects.filter(release=each).update(asked_ms=number)
    waiting = judgements.oldest_waiting()
    assert waiting is not None
    assert waiting.release == second
    judgements.begin(waiting)
    assert judgements.oldest_waiting() == waiting  # it was cut off
    judgements.put_back(waiting)
    judgements.finish(waiting, report())
    waiting = judgements.oldest_waiting()
    assert waiting is not None
    assert waiting.release == first


def test_what_ends_the_worker_again_and_again_is_given_up(waiting: Release) -> None:
    for _ in range(jobs.MOST_TRIES):
        judgements.begin(waiting.judgement)
    assert jobs.judge_next()
    waiting.judgement.refresh_from_db()
    assert waiting.judgement.state == Judging.BROKEN
    assert "cut off 3 times" in waiting.judgement.objections[0]
    assert not jobs.judge_next()
    judgements.ask_again(waiting, by="ada")
    assert Judgement.objects.get().tries == 0


def test_a_release_without_its_files_does_not_stop_the_others(waiting: Release) -> None:
    assert jobs.judge_next()
    waiting.judgement.refresh_from_db()
    assert waiting.judgement.state == Judging.BROKEN


def test_a_withdrawn_release_is_wished_by_nobody(waiting: Release, device: Device) -> None:
    del device
    judgements.want_offered(waiting, by="ada")
    fleet.withdraw(waiting, by="ada", why="wrong file")
    judgements.finish(waiting.judgement, report())
    assert jobs.offer_if_wished(waiting) == 0
    assert Judgement.objects.get().offer_by == ""
    with pytest.raises(OfferError, match="withdrawn"):
        judgements.want_offered(waiting, by="ada")


def test_a_wish_that_cannot_be_kept_stays(
    waiting: Release, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    del device
    judgements.want_offered(waiting, by="ada")
    judgements.finish(waiting.judgement, report())
    with monkeypatch.context() as broken:
        broken.setattr(fleet, "offer", _full)
        with pytest.raises(OSError, match="full"):
            jobs.offer_if_wished(waiting)
    assert jobs.offer_if_wished(waiting) == 1


def test_a_wish_that_a_kill_prevented_is_kept_at_the_next_start(
    waiting: Release, device: Device
) -> None:
    del device
    judgements.want_offered(waiting, by="ada")
    jobs.recover()
    assert not Offer.objects.exists()
    judgements.finish(waiting.judgement, report())
    jobs.recover()
    assert Offer.objects.count() == 1
    jobs.recover()
    assert Offer.objects.count() == 1


def _full(*_: object, **__: object) -> None:
    raise OSError("the disk is full")


def test_whoever_writes_a_reason_is_not_interrupted(staff_client: Client, waiting: Release) -> None:
    judgements.begin(waiting.judgement)
    plain = staff_client.get(f"/releases/{waiting.pk}/")
    assert "Refresh" in plain.headers
    assert b'name="why"' not in plain.content
    calm = staff_client.get(f"/releases/{waiting.pk}/?stay=1")
    assert "Refresh" not in calm.headers
    assert b'name="why"' in calm.content


@pytest.mark.parametrize("way", ["waive", "audit/again", "offer", "withdraw"])
def test_forms_need_their_token_and_a_login(
    client: Client, ada: Account, waiting: Release, way: str
) -> None:
    judgements.finish(waiting.judgement, report(Verdict.FAIL))
    address = f"/releases/{waiting.pk}/{way}/"
    sent = {"waive-why": "Because I can do it.", "why": "Because I can do it."}
    assert client.post(address, sent).status_code in {302, 403}
    client.force_login(ada)
    assert client.post(address, sent).status_code == 403
    assert not Entry.objects.exclude(what="release.audit_refused").filter(
        what__startswith="release."
    )
    waiting.judgement.refresh_from_db()
    assert not waiting.judgement.open


def test_a_token_does_not_pass_the_gate(machine: Any, waiting: Release) -> None:  # noqa: ANN401
    judgements.finish(waiting.judgement, report(Verdict.FAIL))
    for way in ("waive", "offer", "audit/again"):
        answer = machine.client.post(
            f"/releases/{waiting.pk}/{way}/", {"waive-why": "x" * 20}, headers=machine.headers
        )
        assert answer.status_code in {302, 403}
    judgements.want_offered(waiting, by="token:build-server")
    assert jobs.offer_if_wished(waiting) == 0
    assert not Offer.objects.exists()
