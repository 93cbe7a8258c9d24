"""A webcam, played by an object that does what OpenCV's does: opens or not, gives pictures, and stops giving them."""

import itertools
import threading
import time
from fractions import Fraction

import cv2
import numpy as np
import pytest

from queryinst_vis.video.backoff import Backoff
from queryinst_vis.video.base import VideoError
from queryinst_vis.video.camera import CameraSource

QUICK = Backoff(first=0.02, most=0.05)


class Webcam:
    """Stands for cv2.VideoCapture. Plugged in or not; a blue picture (BGR) every 10 ms."""

    is_plugged_in = True
    hw = (48, 64)
    num_open = 0

    def __init__(self, index: int) -> None:
        self._is_open = self.is_plugged_in and index == 0
        type(self).num_open += self._is_open

    def isOpened(self) -> bool:
        return self._is_open

    def set(self, prop: int, value: float) -> bool:
        return False

    def get(self, prop: int) -> float:
        return 30.0 if prop == cv2.CAP_PROP_FPS else 0.0

    def read(self) -> tuple[bool, np.ndarray | None]:
        time.sleep(0.01)
        if not self.is_plugged_in:
            return False, None
        return True, np.full((*self.hw, 3), (250, 20, 10), dtype=np.uint8)

    def release(self) -> None:
        type(self).num_open -= self._is_open
        self._is_open = False


@pytest.fixture
def webcam(monkeypatch: pytest.MonkeyPatch) -> type[Webcam]:
    class Mine(Webcam):
        pass

    monkeypatch.setattr(cv2, "VideoCapture", Mine)
    return Mine


def test_frames_are_rgb_and_timed_by_arrival(webcam: type[Webcam]):
    with CameraSource(0, policy="every") as source:
        frames = list(itertools.islice(source, 20))
        assert source.is_live
        assert (source.info.width, source.info.height, source.info.fps) == (64, 48, Fraction(30))
    assert frames[0].image[0, 0].tolist() == [10, 20, 250]
    assert frames[0].pts == 0
    assert (np.diff([frame.pts for frame in frames]) > 0).all()
    assert 0.15 < frames[-1].time < 2
    assert source.problems == []
    assert webcam.num_open == 0


def test_unplugged_and_plugged_in_again_with_another_size(webcam: type[Webcam]):
    with CameraSource(0, reconnect=QUICK) as source:
        frames = iter(source)
        last = next(frames)
        webcam.is_plugged_in, webcam.hw = False, (96, 64)
        threading.Timer(0.4, setattr, [webcam, "is_plugged_in", True]).start()
        after = [next(frames) for _ in range(8)]
    assert max(np.diff([frame.time for frame in [last, *after]])) > 0.3
    assert after[-1].image_hw == (48, 64)
    assert after[-1].image[24, 2].max() == 0
    assert source.statistics["reconnects"] == 1
    assert any("gives no picture" in line for line in source.problems)
    assert webcam.num_open == 0


def test_gives_up_when_it_stays_away(webcam: type[Webcam]):
    with CameraSource(0, reconnect=Backoff(0.02, give_up_after=0.3)) as source:
        frames = iter(source)
        next(frames)
        webcam.is_plugged_in = False
        assert len(list(frames)) <= 2
    assert "given up after 0.3 s without a picture (there is no such camera" in source.problems[-1]


def test_no_camera_is_one_line(webcam: type[Webcam], capfd: pytest.CaptureFixture[str]):
    webcam.is_plugged_in = False
    with pytest.raises(VideoError, match="camera 3 cannot be opened: there is no such camera"):
        CameraSource(3)
    with pytest.raises(VideoError, match="numbered from 0"):
        CameraSource(-1)
    assert capfd.readouterr().err == ""


def test_no_camera_with_the_real_opencv_prints_nothing(capfd: pytest.CaptureFixture[str]):
    with pytest.raises(VideoError, match="camera 99 cannot be opened"):
        CameraSource(99)
    assert capfd.readouterr().err == ""


def test_camera_that_hangs_is_an_error_in_time(webcam: type[Webcam], monkeypatch: pytest.MonkeyPatch):
    release = threading.Event()
    monkeypatch.setattr(webcam, "read", lambda self: (release.wait(10), None))
    started = time.monotonic()
    with pytest.raises(VideoError, match=r"camera 0: no picture within 0\.3 s"):
        CameraSource(0, first_within=0.3)
    assert time.monotonic() - started < 1.5
    release.set()
