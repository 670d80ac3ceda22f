"""Replays to a stream: which events, when they are due, who may see and change them. The clock is handed in."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import transaction

from events.log.models import Event
from events.replay import control, creation, jobs, reading, unwatched
from events.replay.control import CannotControlReplay, Command, apply_command
from events.replay.creation import CannotReplay, ReplayPace, TooManyReplays
from events.replay.models import Replay, ReplayEvent, ReplayMode, ReplayTarget
from events.replay.watching import Due, ReplayState, due, states
from tests.replaying import BEGIN, after, person, record, replay_of
from workflow_platform.core.accounts.models import Membership, Role, User

pytestmark = pytest.mark.django_db

TIMES = [0, 1_000, 1_000, 4_000, 10_000]


@pytest.fixture
def viewer() -> User:
    return person("viewer")


def sequences(found: Due) -> list[int]:
    return [sequence for sequence, _, _ in found.events]


def at(replay: Replay, milliseconds: float, after: int = 0, **given: Any) -> Due:
    """Return what is due so long after the replay's clock was last set."""
    found = reading.load(replay.pk)
    assert found is not None
    return due(replay.pk, after, now=found[0].anchor_at + timedelta(milliseconds=milliseconds), **given)


def open_replay(user: User | None, name: str) -> ReplayState | None:
    return states(user, [name]).get(name)


def envelopes(found: Due) -> list[dict[str, Any]]:
    return [orjson.loads(text) for _, _, text in found.events]


# --- which events ----------------------------------------------------------------------------------------------------


def test_the_events_are_the_original_ones_marked_and_numbered_anew(viewer: User) -> None:
    execution, events = record(TIMES)
    replay, _ = replay_of(execution, viewer)
    (first, *_) = envelopes(at(replay, 20_000))
    original = events[0].envelope(events[0].stream)
    assert first == original | {
        "stream": f"replay:{replay.pk}",
        "sequence": 1,
        "replay": True,
        "original": {"stream": f"execution:{execution}", "sequence": 1},
    }


def test_streams_are_merged_by_time_and_none_loses_its_own_order(viewer: User) -> None:
    # In the first stream, the third event tells of something earlier than the second one.
    one, _ = record([0, 5_000, 2_000])
    other, _ = record([1_000, 3_000, 6_000])
    wanted = {"streams": [f"execution:{one}", f"execution:{other}"]}
    replay, _ = replay_of(None, viewer, **wanted)  # type: ignore[arg-type]
    came = [(e["original"]["stream"][-12:], e["original"]["sequence"]) for e in envelopes(at(replay, 60_000))]
    a, b = str(one)[-12:], str(other)[-12:]
    assert came == [(a, 1), (b, 1), (b, 2), (a, 2), (a, 3), (b, 3)]


def test_a_sequence_means_the_same_event_whatever_is_recorded_afterwards(viewer: User) -> None:
    execution, _ = record([0, 1_000])
    replay, _ = replay_of(execution, viewer, since=BEGIN)
    record([500], began=BEGIN)
    assert replay.total == 2
    assert len(at(replay, 60_000).events) == 2


def test_more_events_than_allowed_are_refused_and_nothing_is_kept(viewer: User, settings: Any) -> None:
    settings.REPLAY_MAX_EVENTS = 4
    execution, _ = record(TIMES)
    with pytest.raises(CannotReplay, match="more than 4 events") as refused:
        replay_of(execution, viewer)
    assert refused.value.field == "filter"
    assert (Replay.objects.count(), ReplayEvent.objects.count()) == (0, 0)


def test_a_search_that_takes_too_long_is_given_up(viewer: User, monkeypatch: pytest.MonkeyPatch) -> None:
    execution, _ = record(TIMES)
    monkeypatch.setitem(creation._OFFSETS, ReplayMode.AT_ONCE, "(SELECT 0 FROM pg_sleep(60))::bigint")
    monkeypatch.setattr(creation, "SEARCH_SECONDS", 0.1)
    with pytest.raises(CannotReplay, match=r"more than 0\.1 s") as refused, transaction.atomic():
        replay_of(execution, viewer, ReplayPace(ReplayMode.AT_ONCE))
    assert refused.value.field == "filter"


def test_events_that_retention_has_removed_are_passed_over(viewer: User) -> None:
    execution, events = record(TIMES)
    replay, _ = replay_of(execution, viewer)
    Event.objects.filter(pk=events[1].id).delete()
    found = at(replay, 60_000)
    assert sequences(found) == [1, 3, 4, 5]
    assert (found.through, found.removed, found.ended) == (5, True, True)


def test_a_replay_of_nothing_is_over_at_once(viewer: User) -> None:
    execution, _ = record(TIMES)
    replay, _ = replay_of(execution, viewer, texts=["nothing has this in it"])
    assert (replay.total, at(replay, 0).ended) == (0, True)


# --- the pace --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pace", "moments"),
    [
        (ReplayPace(), [(0, 1, 1.0), (999, 1, 0.02), (1_000, 3, 3.0), (4_000, 4, 6.0), (10_000, 5, None)]),
        (ReplayPace(speed=2.0), [(0, 1, 0.5), (500, 3, 1.5), (2_000, 4, 3.0), (5_000, 5, None)]),
        (ReplayPace(ReplayMode.DELAY, delay_ms=300), [(0, 1, 0.3), (299, 1, 0.02), (900, 4, 0.3), (1_200, 5, None)]),
        (ReplayPace(ReplayMode.AT_ONCE), [(0, 5, None)]),
    ],
)
def test_events_come_at_the_pace_that_was_asked_for(
    viewer: User, pace: ReplayPace, moments: list[tuple[float, int, float | None]]
) -> None:
    execution, _ = record(TIMES)
    replay, _ = replay_of(execution, viewer, pace)
    for milliseconds, count, next_in in moments:
        found = at(replay, milliseconds)
        assert sequences(found) == list(range(1, count + 1)), milliseconds
        assert found.next_in == (pytest.approx(next_in) if next_in else None)
        assert found.ended == (count == 5)


def test_a_watcher_reads_what_is_due_after_its_cursor_page_by_page(viewer: User) -> None:
    execution, _ = record(TIMES)
    replay, _ = replay_of(execution, viewer)
    first = at(replay, 4_000, limit=3)
    assert (sequences(first), first.through, first.next_in) == ([1, 2, 3], 3, 0.0)
    then = at(replay, 4_000, after=3, limit=3)
    assert (sequences(then), then.ended) == ([4], False)
    assert at(replay, 4_000, after=3, types={"execution.completed"}).through == 4


def test_a_paused_replay_goes_on_where_it_was_paused(viewer: User) -> None:
    execution, _ = record(TIMES)
    replay, began = replay_of(execution, viewer)
    _set_now(replay, began, 2_500)
    apply_command(replay.pk, Command("pause"), viewer)
    found = at(replay, 3_600_000)
    assert (sequences(found), found.next_in, found.paused, found.ended) == ([1, 2, 3], None, True, False)
    apply_command(replay.pk, Command("resume"), viewer)
    assert at(replay, 1_400).next_in == pytest.approx(0.1, abs=0.05)
    assert len(at(replay, 1_600).events) == 4


def test_another_speed_holds_from_where_the_replay_stands(viewer: User) -> None:
    execution, _ = record(TIMES)
    replay, began = replay_of(execution, viewer)
    _set_now(replay, began, 2_000)
    apply_command(replay.pk, Command("speed", speed=10.0), viewer)
    assert len(at(replay, 150).events) == 3
    assert len(at(replay, 250).events) == 4
    assert at(replay, 850).ended


def test_a_step_forward_brings_what_lies_between_and_a_step_back_sets_the_cursor_back(viewer: User) -> None:
    execution, _ = record(TIMES)
    replay, _ = replay_of(execution, viewer)
    apply_command(replay.pk, Command("pause"), viewer)
    before = at(replay, 0)
    apply_command(replay.pk, Command("seek", offset_ms=4_500), viewer)
    found = at(replay, 0, after=before.through, revision=before.revision)
    assert (sequences(found), found.rewound_to) == ([2, 3, 4], None)
    assert found.facts is not None
    assert (found.facts["sequence"], found.facts["offset_ms"]) == (4, 4_500.0)
    apply_command(replay.pk, Command("seek", sequence=2), viewer)
    back = at(replay, 0, after=4, revision=found.revision)
    assert (back.rewound_to, sequences(back), back.through) == (2, [], 2)  # and not the third, at the same offset
    assert at(replay, 0, after=2, revision=back.revision).facts is None
    apply_command(replay.pk, Command("resume"), viewer)
    assert sequences(at(replay, 0, after=2, revision=back.revision)) == [3]


def test_a_step_back_is_not_missed_by_who_looks_only_when_the_replay_has_passed_again(viewer: User) -> None:
    execution, _ = record(TIMES)
    replay, began = replay_of(execution, viewer)
    _set_now(replay, began, 5_000)
    seen = at(replay, 5_000)
    apply_command(replay.pk, Command("seek", sequence=1), viewer)
    found = at(replay, 9_000, after=4, revision=seen.revision)
    assert (found.rewound_to, sequences(found)) == (1, [2, 3, 4])


def test_a_time_leads_to_what_had_happened_then(viewer: User) -> None:
    execution, _ = record(TIMES)
    replay, _ = replay_of(execution, viewer)
    apply_command(replay.pk, Command("pause"), viewer)
    apply_command(replay.pk, Command("seek", time=after(1_000)), viewer)
    assert len(at(replay, 0).events) == 3
    apply_command(replay.pk, Command("seek", time=after(-1)), viewer)
    assert at(replay, 0).events == []


def test_a_replay_that_has_ended_can_be_sought_in_again(viewer: User) -> None:
    execution, _ = record(TIMES)
    replay, began = replay_of(execution, viewer)
    _set_now(replay, began, 60_000)
    assert due(replay.pk, 5).ended
    with pytest.raises(CannotControlReplay, match="completed"):
        apply_command(replay.pk, Command("resume"), viewer)
    apply_command(replay.pk, Command("seek", sequence=4), viewer)
    assert (at(replay, 5_000, after=4).ended, at(replay, 7_000, after=4).ended) == (False, True)


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (Command("speed", speed=0.001), "speed"),
        (Command("speed", speed=float("nan")), "speed"),
        (Command("speed"), "speed"),
        (Command("seek", sequence=6), "sequence"),
        (Command("seek", sequence=-1), "sequence"),
        (Command("seek"), "sequence"),
    ],
)
def test_what_makes_no_sense_is_refused_and_named(viewer: User, command: Command, field: str) -> None:
    execution, _ = record(TIMES)
    replay, _ = replay_of(execution, viewer)
    with pytest.raises(CannotControlReplay) as refused:
        apply_command(replay.pk, command, viewer)
    assert refused.value.field == field


def test_a_replay_takes_a_month_at_most(viewer: User) -> None:
    execution, _ = record([0, 86_400_000 * 60])
    with pytest.raises(CannotReplay, match="60 days") as refused:
        replay_of(execution, viewer)
    assert refused.value.field == "speed"
    replay_of(execution, viewer, ReplayPace(speed=2.0))


def test_a_cancelled_replay_shows_no_more(viewer: User) -> None:
    execution, _ = record(TIMES)
    replay, _ = replay_of(execution, viewer)
    apply_command(replay.pk, Command("cancel"), viewer)
    assert at(replay, 60_000, after=1).ended
    with pytest.raises(CannotControlReplay, match="cancelled"):
        apply_command(replay.pk, Command("resume"), viewer)


def test_an_expired_replay_is_forgotten(viewer: User) -> None:
    execution, _ = record(TIMES)
    replay, _ = replay_of(execution, viewer)
    Replay.objects.update(expires_at=reading.database_now())
    assert jobs.sweep_expired() == 1
    assert ReplayEvent.objects.count() == 0
    found = due(replay.pk, 0)
    assert (found.events, found.ended) == ([], True)
    Replay.objects.update(expires_at=reading.database_now() - timedelta(days=31))
    assert jobs.sweep_expired() == 0
    assert Replay.objects.count() == 0


def test_a_replay_that_nobody_watches_ends_and_one_that_is_watched_does_not(viewer: User) -> None:
    execution, _ = record([0, 60_000])
    left, watched, new, sent = (replay_of(execution, viewer)[0] for _ in range(4))
    long_ago = reading.database_now() - timedelta(hours=1)
    Replay.objects.filter(pk__in=[left.pk, watched.pk, sent.pk]).update(watched_at=long_ago)
    Replay.objects.filter(pk=sent.pk).update(target=ReplayTarget.ENDPOINT)
    unwatched.note_watched(watched.pk)
    assert unwatched.end_unwatched() == 1
    assert list(Replay.objects.filter(state="cancelled").values_list("pk", flat=True)) == [left.pk]
    Replay.objects.filter(pk=new.pk).update(created_at=long_ago)  # and never watched
    assert unwatched.end_unwatched() == 1
    assert at(new, 60_000, after=1).ended


def test_at_the_limit_replays_that_were_left_make_room(viewer: User, settings: Any) -> None:
    settings.REPLAY_MAX_PER_USER = 2
    execution, _ = record([0, 60_000])
    left, _ = replay_of(execution, viewer)
    Replay.objects.update(watched_at=reading.database_now() - timedelta(minutes=1))
    replay_of(execution, viewer)
    replay_of(execution, viewer)
    left.refresh_from_db()
    assert left.state == "cancelled"
    with pytest.raises(TooManyReplays, match="Cancel one first"):
        replay_of(execution, viewer)


# --- from the command line -------------------------------------------------------------------------------------------


def test_the_command_writes_the_events_at_their_pace_and_leaves_nothing_running(capsys: Any) -> None:
    execution, events = record([0, 40, 80])
    call_command("replay_events", "--execution", str(execution), "--speed", "2")
    lines = [orjson.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["original"]["sequence"] for line in lines] == [event.sequence for event in events]
    assert all(line["replay"] for line in lines)
    assert [replay.state for replay in Replay.objects.all()] == ["cancelled"]


def test_the_command_opens_a_stream_and_says_what_it_does_not_understand(capsys: Any, viewer: User) -> None:
    execution, _ = record([0, 40])
    wanted = ["replay_events", "--execution", str(execution), "--types", "execution.*", "--delay", "5"]
    call_command(*wanted, "--to", "stream")
    name = capsys.readouterr().out.split()[0]
    assert open_replay(viewer, name) is not None
    assert open_replay(person("stranger", Role.ADMIN, "elsewhere"), name) is None
    for words, said in (
        (["replay_events"], "Select events with"),
        ([*wanted[:3], "--types", "execution.invented"], "execution.invented"),
        ([*wanted[:3], "--speed", "0"], "--speed"),
        ([*wanted[:3], "--to", "http://127.0.0.1/"], "--to"),
        ([*wanted[:3], "--workspace", "nowhere"], "--workspace"),
    ):
        with pytest.raises(CommandError, match=said):
            call_command(*words)


# --- who -------------------------------------------------------------------------------------------------------------


def test_a_replay_holds_only_what_its_maker_may_see(viewer: User) -> None:
    ours, _ = record(TIMES)
    theirs, _ = record(TIMES, place="elsewhere")
    assert replay_of(ours, viewer)[0].total == 5
    assert replay_of(theirs, viewer)[0].total == 0
    assert replay_of(None, viewer)[0].total == 5  # type: ignore[arg-type]


def test_a_replay_is_for_those_who_may_see_all_of_it(viewer: User) -> None:
    both = person("both")
    person("both", place="elsewhere")
    ours, _ = record(TIMES)
    theirs, _ = record(TIMES, place="elsewhere")
    name = replay_of(ours, viewer)[0].stream
    assert open_replay(person("colleague"), name) is not None
    assert open_replay(person("stranger", Role.ADMIN, "elsewhere"), name) is None
    assert open_replay(None, name) is None
    mixed = replay_of(None, both)[0].stream  # type: ignore[arg-type]
    assert open_replay(both, mixed) is not None
    assert open_replay(viewer, mixed) is None
    nothing = replay_of(theirs, viewer)[0].stream
    assert (open_replay(viewer, nothing) is None, open_replay(both, nothing) is None) == (False, True)
    Membership.objects.filter(user=both, workspace__slug="elsewhere").delete()
    assert open_replay(both, mixed) is None


def test_only_its_maker_and_editors_change_a_replay(viewer: User) -> None:
    execution, _ = record(TIMES)
    replay, _ = replay_of(execution, viewer)
    frame = {"type": "pause", "stream": replay.stream}
    said = [
        control.control(user, replay.stream, frame)
        for user in (person("stranger", Role.ADMIN, "elsewhere"), person("colleague"), person("editor", Role.EDITOR))
    ]
    assert [error.code if error else None for error in said] == ["not_found", "forbidden", None]
    assert control.control(viewer, replay.stream, {"type": "resume"}) is None
    refused = control.control(viewer, replay.stream, {"type": "seek", "sequence": "2"})
    assert refused is not None
    assert (refused.code, "sequence" in refused.detail) == ("bad_frame", True)


def test_a_watcher_that_comes_back_begins_where_the_replay_stands(viewer: User) -> None:
    execution, _ = record(TIMES)
    replay, began = replay_of(execution, viewer)
    _set_now(replay, began, 5_000)
    access = open_replay(viewer, replay.stream)
    assert access is not None
    assert access.head == 4


def _set_now(replay: Replay, began: datetime, milliseconds: float) -> None:
    """Have the replay begun so long ago."""
    moved = reading.database_now() - timedelta(milliseconds=milliseconds)
    Replay.objects.filter(pk=replay.pk).update(anchor_at=moved)
