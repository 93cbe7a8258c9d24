"""Cameras of this machine, through OpenCV. Unplugged and plugged in again, they go on."""

from collections.abc import Iterator
from fractions import Fraction

import av
import cv2
import numpy as np

from queryinst_vis.structures import VideoInfo
from queryinst_vis.video.backoff import Backoff
from queryinst_vis.video.base import VideoError
from queryinst_vis.video.live import QUEUE_FRAMES, RECONNECT
from queryinst_vis.video.live_frames import LiveFrames, Policy
from queryinst_vis.video.live_link import PLAUSIBLE_FPS, TICKS
from queryinst_vis.video.upright import Orientation

_FIRST_SECONDS = 20.0  # some cameras take long to wake


class CameraSource(LiveFrames):
    """Frames of a webcam as a `VideoSource`, timed by their arrival, since OpenCV gives no other times."""

    def __init__(
        self,
        index: int = 0,
        *,
        policy: Policy = "newest",
        reconnect: Backoff = RECONNECT,
        queue_frames: int = QUEUE_FRAMES,
        first_within: float = _FIRST_SECONDS,
    ) -> None:
        """index: OpenCV's number of the camera, from 0. The rest: `LiveFrames`, and its VideoError."""
        if index < 0:
            raise VideoError(f"camera {index}: cameras are numbered from 0")
        super().__init__(
            f"camera {index}",
            lambda: CameraLink(index),
            policy=policy,
            queue_frames=queue_frames,
            reconnect=reconnect,
            first_within=first_within,
        )


class CameraLink:
    """A camera as long as it gives pictures. VideoError: it gives none, or no more."""

    orientation = Orientation()
    is_recording = is_timed = False
    start = num_undecodable = 0

    def __init__(self, index: int) -> None:
        before = cv2.utils.logging.getLogLevel()
        cv2.utils.logging.setLogLevel(
            cv2.utils.logging.LOG_LEVEL_SILENT
        )  # what it prints about a missing camera is said by the error
        try:
            self._capture = cv2.VideoCapture(index)
        finally:
            cv2.utils.logging.setLogLevel(before)
        if not self._capture.isOpened():
            self._capture.release()
            raise VideoError("there is no such camera, it is in use, or there is no permission to use it")
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        try:
            self._first: av.VideoFrame | None = self._read()
        except BaseException:
            self.close()
            raise
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.info = VideoInfo(
            width=self._first.width,
            height=self._first.height,
            fps=Fraction(fps).limit_denominator(1001) if 0 < fps <= PLAUSIBLE_FPS else None,
            time_base=TICKS,
        )

    def _read(self) -> av.VideoFrame:
        is_good, image = self._capture.read()
        if not is_good:
            raise VideoError("the camera gives no picture")
        return av.VideoFrame.from_ndarray(np.asarray(image, dtype=np.uint8), format="bgr24")

    def frames(self) -> Iterator[av.VideoFrame]:
        """Pictures without times. Never ends but by an error."""
        first, self._first = self._first, None
        if first is not None:
            yield first
        while True:
            yield self._read()

    def resume(self, after: Fraction) -> None:
        """A camera has no place to go on from."""

    def close(self) -> None:
        """Let go of the camera."""
        self._capture.release()
