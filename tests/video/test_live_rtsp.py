"""The same promises with RTSP, the language of cameras. Skipped where no RTSP server is installed."""

import itertools
import signal
import threading
import time

import numpy as np
import pytest
from live_servers import RTSPServer

from queryinst_vis.video.backoff import Backoff
from queryinst_vis.video.base import VideoError
from queryinst_vis.video.live import LiveSource

QUICK = Backoff(first=0.1, most=0.2)


@pytest.fixture(scope="module", autouse=True)
def _server_is_installed() -> None:
    if not RTSPServer.is_here():
        pytest.skip("no RTSP server (Debian: python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-ugly)")


def source_of(server: RTSPServer, **options) -> LiveSource:
    return LiveSource(server.url, **{"open_timeout": 5.0, "read_timeout": 5.0, "reconnect": QUICK, **options})


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_frames_at_their_times(transport: str):
    with RTSPServer() as server, source_of(server, policy="every", options={"rtsp_transport": transport}) as source:
        frames = list(itertools.islice(source, 15))
        assert source.is_live
    assert {frame.image_hw for frame in frames} == {(96, 128)}
    assert np.diff([frame.time for frame in frames][1:]) == pytest.approx(0.04, abs=0.002)
    assert source.problems == []


def test_killed_and_started_again_with_another_size():
    with RTSPServer() as server, source_of(server) as source:
        frames = iter(source)
        before = [next(frames) for _ in range(5)]
        server.kill()
        time.sleep(0.5)
        with RTSPServer(port=server.port, hw=(128, 96)):
            after = [next(frames) for _ in range(10)]
    times = [frame.time for frame in before + after]
    assert (np.diff(times) > 0).all()
    assert 0.4 < max(np.diff(times)) < 6
    assert {frame.image_hw for frame in after} == {(96, 128)}
    assert source.statistics["reconnects"] == 1


@pytest.mark.slow
def test_asleep_with_its_connections_open_and_awake_again():
    """As a camera that hangs: the system behind it still accepts connections, nobody answers."""
    with RTSPServer() as server, source_of(server, open_timeout=1.0, read_timeout=0.5) as source:
        frames = iter(source)
        before = next(frames)
        server.send(signal.SIGSTOP)
        threading.Timer(2.0, server.send, [signal.SIGCONT]).start()
        after = list(itertools.islice(frames, 40))
    times = [frame.time for frame in [before, *after]]
    assert (np.diff(times) > 0).all()
    assert max(np.diff(times)) > 1.5
    assert source.statistics["reconnects"] >= 1
    assert any("silent for 0.5 s" in line for line in source.problems)


def test_never_answers():
    with RTSPServer() as server:
        server.send(signal.SIGSTOP)
        started = time.monotonic()
        with pytest.raises(VideoError, match=r"no answer within 0\.5 s"):
            source_of(server, open_timeout=0.5)
        assert time.monotonic() - started < 2


def test_wrong_path_is_one_line():
    with RTSPServer() as server, pytest.raises(VideoError, match=r"cannot be opened: Server returned 404"):
        LiveSource(server.url + "/other", open_timeout=3)
