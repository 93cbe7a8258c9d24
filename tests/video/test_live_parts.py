"""What live sources are made of: waits, times, and addresses without their secrets."""

import itertools
from fractions import Fraction

import pytest

from queryinst_vis.video.backoff import Backoff
from queryinst_vis.video.base import VideoError
from queryinst_vis.video.live_clock import LiveClock
from queryinst_vis.video.url import is_live_url, mask_url


def test_waits_grow_to_the_most():
    waits = list(itertools.islice(Backoff(first=0.5, factor=2, most=30, jitter=0).waits(), 9))
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_waits_vary_within_the_jitter():
    firsts = [next(Backoff(first=1, jitter=0.2).waits(seed)) for seed in range(300)]
    assert 0.8 <= min(firsts) < 0.82
    assert 1.18 < max(firsts) <= 1.2


def test_waits_never_end():
    assert next(itertools.islice(Backoff(factor=10, jitter=0).waits(), 100_000, None)) == 30


@pytest.mark.parametrize(
    "wrong", [{"first": 0}, {"first": 60}, {"factor": 0.5}, {"jitter": 1}, {"jitter": -0.1}, {"give_up_after": 0}, {"most": 0.1}]
)
def test_waits_that_make_no_sense_are_refused(wrong: dict):
    with pytest.raises(VideoError, match="reconnecting: "):
        Backoff(**wrong)


TICKS = Fraction(1, 1000)


def test_times_of_the_stream_are_kept_exactly():
    clock = LiveClock(TICKS)
    times = [clock(ticks, arrival) for ticks, arrival in [(5000, 100.0), (5040, 100.3), (5080, 100.3), (9000, 104.5)]]
    assert times == [0, 40, 80, 4000]
    assert clock.num_jumps == 0


def test_a_gap_is_as_long_as_it_was_here():
    clock = LiveClock(TICKS)
    clock(5000, 100.0)
    clock(5040, 100.04)
    clock.connected()
    assert [clock(7, 160.04), clock(47, 160.08)] == [60_040, 60_080]
    assert clock.num_jumps == 0


@pytest.mark.parametrize("there", [-(10**9), 0, 2_000, 10**9])
def test_a_clock_set_anew_is_followed_from_then_on(there: int):
    clock = LiveClock(TICKS)
    clock(5000, 100.0)
    assert [clock(there, 100.04), clock(there + 40, 100.08)] == [40, 80]
    assert clock.num_jumps == 1


def test_a_small_step_back_costs_one_tick():
    clock = LiveClock(TICKS)
    assert [clock(ticks, 100 + ticks / 1000) for ticks in (5000, 5040, 5030, 5080)] == [0, 40, 41, 80]
    assert clock.num_jumps == 1


def test_without_times_arrivals_count_and_always_grow():
    clock = LiveClock(TICKS)
    assert [clock(None, arrival) for arrival in (100.0, 100.5, 100.5, 101.0)] == [0, 500, 501, 1001]


def test_times_that_begin_late_follow_on():
    clock = LiveClock(TICKS)
    assert [clock(None, 100.0), clock(7000, 100.04), clock(7040, 100.2)] == [0, 40, 80]


def test_recording_keeps_its_times_at_any_pace():
    clock = LiveClock(TICKS)
    clock.begin_recording(1000)
    assert [clock(ticks, 100.0) for ticks in (1000, 1040, 61_000)] == [0, 40, 60_000]
    late = LiveClock(TICKS)
    late.begin_recording(1000)
    assert late(1080, 100.0) == 80  # sound begins before the pictures
    assert late.num_jumps == 0


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://joe:secret@cam/live", "rtsp://***@cam/live"),
        ("rtsp://joe:p@ss/w@rd@cam:554/live?x=1", "rtsp://***@cam:554/live?x=1"),
        ("http://cam/video.cgi?user=joe&pwd=secret&n=1", "http://cam/video.cgi?user=joe&pwd=***&n=1"),
        ("rtsp://cam/user=joe&password=secret", "rtsp://cam/user=joe&password=***"),
        ("https://cdn/a.m3u8?Signature=abc&TOKEN=def", "https://cdn/a.m3u8?Signature=***&TOKEN=***"),
        ("http://cam:80/a", "http://cam:80/a"),
        ("no answer from http://joe:secret@cam/ and so on", "no answer from http://***@cam/ and so on"),
    ],
)
def test_secrets_are_masked(url: str, shown: str):
    assert mask_url(url) == shown


@pytest.mark.parametrize(
    ("text", "is_live"),
    [("RTSP://x/y", True), ("https://x/a.mp4", True), ("http:/a", False), ("a.mp4", False), ("srt://h:1", True)],
)
def test_what_is_an_address(text: str, is_live: bool):
    assert is_live_url(text) == is_live
