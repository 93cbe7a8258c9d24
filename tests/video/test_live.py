"""Streams that drop out: times grow, nothing hangs, what is lost is counted. The servers are started, stalled and killed here."""

import itertools
import logging
import socket
import threading
import time
from pathlib import Path

import av
import numpy as np
import pytest
from blobs import BlobModel, disc_image, two_discs, write_video
from live_servers import FileServer, StreamServer, number_of, numbered

from queryinst_vis.pipeline import track_video
from queryinst_vis.structures import Frame, Instances
from queryinst_vis.trackers.iou import IoUTracker
from queryinst_vis.video.backoff import Backoff
from queryinst_vis.video.base import VideoError
from queryinst_vis.video.live import LiveSource

QUICK = Backoff(first=0.05, most=0.1)


def source_of(url: str, **options) -> LiveSource:
    return LiveSource(url, **{"open_timeout": 5.0, "read_timeout": 5.0, "reconnect": QUICK, **options})


def take(source: LiveSource, count: int) -> list[Frame]:
    return list(itertools.islice(source, count))


def assert_times_grow(frames: list[Frame]) -> None:
    assert (np.diff([frame.pts for frame in frames]) > 0).all()


def ids_of(instances: Instances) -> list[int]:
    assert instances.track_ids is not None
    return sorted(instances.track_ids.tolist())


def receivers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("receive")]


@pytest.mark.parametrize("kind", ["mpegts", "mjpeg"])
def test_frames_in_order_at_their_times(kind: str):
    with StreamServer(kind) as server, source_of(server.url, policy="every") as source:
        frames = take(source, 20)
        assert source.is_live
    numbers = [number_of(frame.image) for frame in frames]
    assert numbers == list(range(numbers[0], numbers[0] + 20))
    assert [frame.index for frame in frames] == list(range(20))
    assert frames[0].pts == 0
    assert_times_grow(frames)
    assert frames[-1].time == pytest.approx(19 / 25, abs=0.001 if kind == "mpegts" else 0.3)  # mjpeg has no times but arrivals
    assert source.statistics == {"frames": 20, "dropped": 0, "late": 0, "reconnects": 0}
    assert source.problems == []
    assert not receivers()


@pytest.mark.parametrize("kind", ["mpegts", "mjpeg"])
def test_server_killed_and_started_again_with_another_size(kind: str):
    with StreamServer(kind) as server, source_of(server.url) as source:
        frames = iter(source)
        before = [next(frames) for _ in range(5)]
        server.kill()
        time.sleep(0.5)
        with StreamServer(kind, port=server.port, first=2000, hw=(160, 128)):
            after = list(itertools.takewhile(lambda frame: frame.index < 20, frames))
    times = [frame.time for frame in before + after]
    assert_times_grow(before + after)
    assert 0.4 < max(np.diff(times)) < 4  # the gap is kept
    assert {frame.image_hw for frame in after} == {(96, 128)}
    assert after[-1].image[50, 5].max() < 20  # fitted to the first size: black at the sides
    assert after[-1].image[50, 64].min() > 40
    assert source.statistics["reconnects"] == 1
    assert any("connected again" in line for line in source.problems)
    assert any("another size" in line for line in source.problems)


def test_tracks_keep_their_ids_over_a_gap():
    """The tracker sees nothing of it but a step in the times."""

    def picture(number: int, hw: tuple[int, int]) -> np.ndarray:
        return two_discs(3)  # at rest: where moving ones are expected after half a second depends on how they jumped last

    with StreamServer("mjpeg", picture=picture) as server, source_of(server.url) as source:
        tracked = track_video(source, BlobModel(), IoUTracker(patience=10.0))
        before = [ids_of(instances) for _, instances in itertools.islice(tracked, 5)]
        server.kill()
        time.sleep(0.3)
        with StreamServer("mjpeg", port=server.port, picture=picture):
            after = [ids_of(instances) for _, instances in itertools.islice(tracked, 10)]
    assert source.statistics["reconnects"] == 1
    assert before + after == [[1, 2]] * 15


def test_server_that_stalls_is_left_and_asked_again():
    with StreamServer("mjpeg", stall_after=8) as server, source_of(server.url, read_timeout=0.5) as source:
        frames = take(source, 14)
        assert server.num_clients >= 2
    assert source.statistics["reconnects"] >= 1
    assert_times_grow(frames)
    assert any("silent for 0.5 s" in line for line in source.problems)


def test_server_that_sends_bytes_but_no_pictures_is_left_and_asked_again():
    with StreamServer("mjpeg", stall_after=8, dribbles=True) as server, source_of(server.url, read_timeout=0.3) as source:
        take(source, 14)
    assert source.statistics["reconnects"] >= 1
    assert any("0.3 s" in line for line in source.problems)


def test_server_that_ends_the_stream_is_asked_again():
    with StreamServer("mjpeg", end_after=8) as server, source_of(server.url, policy="every") as source:
        frames = take(source, 20)
    assert source.statistics["reconnects"] >= 2
    assert_times_grow(frames)


@pytest.mark.parametrize("jump", [-100.0, -0.2, 5e4])
def test_clock_of_the_server_jumps(jump: float):
    with StreamServer(jump=(12, jump)) as server, source_of(server.url, policy="every") as source:
        frames = take(source, 20)
    assert_times_grow(frames)
    assert frames[-1].time == pytest.approx(19 / 25, abs=0.4)
    assert any("did not follow" in line for line in source.problems)


def test_newest_gives_a_slow_consumer_fresh_frames():
    with StreamServer("mjpeg", fps=50) as server, source_of(server.url) as source:
        ages, numbers = [], []
        for frame in source:
            numbers.append(number_of(frame.image))
            ages.append(time.monotonic() - server.sent[numbers[-1]])
            if len(ages) == 6:
                break
            time.sleep(0.2)
    assert np.median(ages) < 0.1  # not what has come up over the second
    assert source.statistics["dropped"] == pytest.approx(numbers[-1] - numbers[0] - 5, abs=2)
    assert source.statistics["dropped"] >= 30
    assert source.statistics["late"] == 0
    assert source.problems == []  # as asked for


def test_every_keeps_what_comes_while_the_consumer_is_busy():
    with StreamServer("mjpeg") as server, source_of(server.url, policy="every") as source:
        frames = iter(source)
        first = next(frames)
        time.sleep(0.8)
        numbers = [number_of(frame.image) for frame in itertools.islice(frames, 25)]
    assert numbers == list(range(number_of(first.image) + 1, number_of(first.image) + 26))
    assert source.statistics["dropped"] == 0
    assert source.statistics["late"] > 0


def test_every_drops_the_oldest_of_a_full_queue_and_tells():
    with StreamServer("mjpeg", fps=50) as server, source_of(server.url, policy="every", queue_frames=4) as source:
        frames = iter(source)
        first = number_of(next(frames).image)
        time.sleep(0.6)
        numbers = [number_of(next(frames).image) for _ in range(4)]
        dropped = source.statistics["dropped"]
    assert numbers[0] - first - 1 == pytest.approx(dropped, abs=2)
    assert dropped > 10
    assert any("dropped" in line for line in source.problems)


def closed_from_another_thread(source: LiveSource, after: float) -> float:
    """Seconds that a consumer went on after the close."""
    closed: list[float] = []

    def close() -> None:
        time.sleep(after)
        closed.append(time.monotonic())
        source.close()

    closer = threading.Thread(target=close)
    closer.start()
    for _ in source:
        pass
    ended = time.monotonic()
    closer.join()
    return ended - closed[0]


@pytest.mark.parametrize("state", ["flowing", "stalled", "killed"])
def test_close_from_another_thread_ends_at_once(state: str):
    with StreamServer("mjpeg", stall_after=10 if state == "stalled" else None) as server:
        source = source_of(server.url, read_timeout=1.0, reconnect=Backoff(first=30))
        if state == "killed":
            server.kill()
        assert closed_from_another_thread(source, after=0.3) < 0.3
    for thread in receivers():
        thread.join(3)
    assert not receivers()
    assert [line.split(" (")[0] for line in source.problems] == ["broke off and did not come back"] * (state == "killed")


def test_gives_up_after_the_time_allowed():
    with StreamServer("mjpeg") as server, source_of(server.url, reconnect=Backoff(0.05, give_up_after=0.6)) as source:
        frames = iter(source)
        next(frames)
        server.kill()
        started = time.monotonic()
        rest = list(frames)
    assert 0.5 < time.monotonic() - started < 2
    assert len(rest) < 5
    assert any("given up after 0.6 s" in line for line in source.problems)


def test_many_reconnections_leave_nothing_open():
    def count_open() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    with StreamServer("mjpeg", end_after=8, fps=200) as server, source_of(server.url, reconnect=Backoff(0.001)) as source:
        threads = 0
        for _ in source:
            if source.statistics["reconnects"] == 5 and not threads:
                before, threads = count_open(), len(receivers())
            if source.statistics["reconnects"] >= 30:
                break
        assert count_open() <= before + 6  # what the server has not let go of yet
        assert len(receivers()) == threads == 1


def test_server_that_never_answers_is_an_error_in_time():
    with StreamServer(is_mute=True) as server:
        started = time.monotonic()
        with pytest.raises(VideoError, match=r"no answer within 0\.5 s"):
            source_of(server.url, open_timeout=0.5)
    assert time.monotonic() - started < 2


def test_server_that_comes_back_mute_is_left_again():
    with StreamServer("mjpeg") as server, source_of(server.url, open_timeout=0.4) as source:
        frames = iter(source)
        next(frames)
        server.kill()
        with StreamServer(port=server.port, is_mute=True) as mute:
            while not mute.num_clients:
                time.sleep(0.02)
        with StreamServer("mjpeg", port=server.port):
            assert len(list(itertools.islice(frames, 5))) == 5
    assert source.statistics["reconnects"] == 1


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [(b"no", 404, "404"), (b"no", 401, "401"), (b"<html>a page</html>" * 100, 200, "Invalid data"), (b"", 200, "")],
    ids=["not found", "not allowed", "a page", "nothing"],
)
def test_what_is_no_stream_is_one_line(body: bytes, status: int, says: str):
    with FileServer(body, status=status) as server, pytest.raises(VideoError, match=f"cannot be opened.*{says}") as caught:
        source_of(server.url)
    assert "\n" not in str(caught.value)


def test_playlist_cannot_open_local_files(tmp_path: Path):
    path = write_video(tmp_path / "a.ts", [two_discs(index) for index in range(5)])
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{path}\n#EXT-X-ENDLIST\n".encode()
    with FileServer(playlist, mime="application/vnd.apple.mpegurl") as server, pytest.raises(VideoError):
        source_of(server.url, open_timeout=1)


@pytest.mark.parametrize("url", ["concat:a|b", "file:///etc/passwd", "rtmp://x/y", ""])
def test_other_addresses_are_refused(url: str):
    with pytest.raises(VideoError, match="begins with rtsp://"):
        LiveSource(url)


@pytest.mark.parametrize(
    "options", [{"policy": "some"}, {"open_timeout": 0}, {"read_timeout": -1}, {"policy": "every", "queue_frames": 0}]
)
def test_wrong_settings_are_refused(options: dict):
    with pytest.raises(VideoError):
        LiveSource("http://127.0.0.1:9/", **options)


def test_passwords_are_never_shown(caplog: pytest.LogCaptureFixture):
    with StreamServer("mjpeg") as server:
        url = server.url.replace("//", "//joe:se/cr@et@") + "?token=se-cr-et"
        with pytest.raises(VideoError) as caught:
            LiveSource(url.replace("se/cr@et", "secret").replace(f":{server.port}/", ":9/"))
        url = url.replace("se/cr@et", "secret")
        with caplog.at_level(logging.DEBUG), source_of(url, read_timeout=0.5) as source:
            frames = iter(source)
            next(frames)
            server.kill()
            with StreamServer("mjpeg", port=server.port):
                list(itertools.islice(frames, 5))
            told = [str(caught.value), caplog.text, *source.problems, *[thread.name for thread in receivers()]]
    assert "connecting again" in caplog.text
    assert not [text for text in told if "secret" in text or "se-cr-et" in text or "joe" in text]


@pytest.mark.parametrize("breaks", [(), (60_000,), (60_000, 50_000)])
def test_recording_comes_whole_though_the_connection_breaks(tmp_path: Path, breaks: tuple[int, ...]):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (96, 128, 3), dtype=np.uint8) for _ in range(30)]
    path = write_video(tmp_path / "a.mp4", images, container_options={"movflags": "+faststart"})
    assert path.stat().st_size > 100_000
    with FileServer(path.read_bytes(), breaks=breaks) as server, source_of(server.url) as source:
        frames = list(source)
        assert not source.is_live
    assert [frame.time for frame in frames] == pytest.approx([index / 25 for index in range(30)])
    assert source.statistics["dropped"] == 0
    assert source.info.duration == pytest.approx(1.2)


def send_udp(url: str, stop: threading.Event) -> None:
    """A transport stream as datagrams, as encoders send it without asking whether anybody listens."""
    with av.open(url, "w", format="mpegts", options={"flush_packets": "1"}) as output:
        stream = output.add_stream("libx264", rate=25, options={"preset": "ultrafast", "tune": "zerolatency", "g": "5"})
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p"
        for number in itertools.count():
            output.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(number), format="rgb24")))
            if stop.wait(0.04):
                return


def test_datagrams_that_stop_and_come_again():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        url = f"udp://127.0.0.1:{free.getsockname()[1]}"
    stop, stop_again = threading.Event(), threading.Event()
    sender = threading.Thread(target=send_udp, args=(f"{url}?pkt_size=1316", stop))
    sender.start()
    try:
        with source_of(url, read_timeout=0.4) as source:
            frames = iter(source)
            before = [next(frames) for _ in range(5)]
            stop.set()
            sender.join()
            sender = threading.Thread(target=send_udp, args=(f"{url}?pkt_size=1316", stop_again))
            threading.Timer(0.6, sender.start).start()
            while source.statistics["reconnects"] == 0:
                before.append(next(frames))
            after = [next(frames) for _ in range(5)]
    finally:
        stop.set()
        stop_again.set()
        sender.join()
    assert_times_grow(before + after)
    assert source.statistics["reconnects"] == 1
    with pytest.raises(VideoError, match=r"no answer within 0\.3 s"):
        source_of(url, open_timeout=0.3)


def test_iterated_once():
    with StreamServer("mjpeg") as server, source_of(server.url) as source:
        take(source, 1)
        with pytest.raises(RuntimeError, match="once"):
            next(iter(source))


def test_disc_is_where_it_was_sent():
    """Colours and places survive the way: a check of the conversion rather than of the network."""
    with (
        StreamServer("mjpeg", picture=lambda number, hw: disc_image((40, 30, 10, (255, 60, 60)), hw=hw)) as server,
        source_of(server.url) as source,
    ):
        (frame,) = take(source, 1)
    assert frame.image[30, 40].tolist() == pytest.approx([255, 60, 60], abs=25)
    assert frame.image[80, 100].max() < 25
