"""The live view with windows and processes that only play their part, and with a real one where Xvfb is."""

import io
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest

from queryinst_vis.errors import UserError
from queryinst_vis.visualization import window_process
from queryinst_vis.visualization.window import LiveView

READ = (
    "import sys\n"
    "def say(word): print(word, flush=True)\n"
    "def read():\n"
    "    head = sys.stdin.buffer.read(8)\n"
    "    h, w = int.from_bytes(head[:4], 'little'), int.from_bytes(head[4:], 'little')\n"
    "    return (h, w, sys.stdin.buffer.read(h * w * 3)) if head else None\n"
)
PICTURE = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


def play(code: str) -> list[str]:
    """A process that plays the window."""
    return [sys.executable, "-c", READ + code]


def until(condition) -> bool:
    end = time.monotonic() + 20
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def test_pictures_arrive_and_a_key_asks_to_stop():
    code = "say('ready')\nassert read() == (2, 3, bytes(range(18)))\nassert read()[:2] == (1, 1)\nsay('stop')"
    with LiveView("clip", command=play(code)) as view:
        view.show(PICTURE)
        assert not view.wants_stop
        view.show(PICTURE[:1, ::-1][:, :1])  # not contiguous
        assert until(lambda: view.wants_stop)
        view.show(PICTURE)  # nobody is there any more: no error
        assert not view.is_lost


def test_space_holds_the_work_until_it_goes_on():
    code = "import time\nsay('ready')\nsay('pause')\nread()\ntime.sleep(1)\nsay('go')\nread()"
    with LiveView("clip", command=play(code)) as view:
        assert until(lambda: not view._is_running.is_set())
        begun = time.monotonic()
        view.show(PICTURE)
        assert time.monotonic() - begun > 0.5


def test_a_pause_ends_when_the_program_is_to_stop():
    with LiveView("clip", command=play("say('ready')\nsay('pause')\nread()\nread()")) as view:
        assert until(lambda: not view._is_running.is_set())
        view.show(PICTURE, should_stop=lambda: True)


def test_a_window_that_dies_is_lost_and_stops_nothing():
    with LiveView("clip", command=play("say('ready')\nread()")) as view:
        for _ in range(3):
            view.show(np.zeros((1000, 1000, 3), np.uint8))
        assert until(lambda: view.is_lost)
        assert not view.wants_stop


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("qt.qpa.xcb: could not connect to display \\nThis application failed to start\\n", "there is no display"),
        ("cv2.error: The function is not implemented. Rebuild", "opencv-python-headless"),
        ("", "it does not open"),
    ],
)
def test_no_window_is_one_line(said: str, expected: str):
    with pytest.raises(UserError, match=expected) as caught:
        LiveView("clip", command=play(f"import os\nsys.stderr.write('{said}')\nsys.stderr.flush()\nos.abort()"))
    assert "\n" not in str(caught.value)


def test_no_display_is_one_line(monkeypatch: pytest.MonkeyPatch):
    if sys.platform != "linux":
        pytest.skip("only here is a display chosen by the environment")
    monkeypatch.setenv("DISPLAY", ":4711")
    monkeypatch.setenv("QT_QPA_PLATFORM", "xcb")
    with pytest.raises(UserError, match=r"no window can be shown here: .*; go on without --show"):
        LiveView("clip")


class Gui:
    """OpenCV's windows, with a person before them."""

    WINDOW_NORMAL = WINDOW_KEEPRATIO = WINDOW_GUI_NORMAL = WND_PROP_VISIBLE = 0

    def __init__(self, keys: str = "", closed_after: int = 10**9) -> None:
        self.keys, self.polls, self.closed_after = list(keys), 0, closed_after
        self.shown: list[np.ndarray] = []
        self.titles: list[str] = []
        self.size: tuple[int, int] | None = None

    def namedWindow(self, title: str, flags: int) -> None:
        self.titles.append(title)

    def resizeWindow(self, title: str, width: int, height: int) -> None:
        self.size = (width, height)

    def setWindowTitle(self, title: str, text: str) -> None:
        self.titles.append(text)

    def imshow(self, title: str, picture: np.ndarray) -> None:
        self.shown.append(picture)

    def getWindowProperty(self, title: str, which: int) -> float:
        return 0.0 if self.polls > self.closed_after else 1.0

    def waitKey(self, milliseconds: int) -> int:
        self.polls += 1
        assert self.polls < 1000
        return ord(self.keys.pop(0)) if self.polls > 1 and self.keys else -1


@pytest.mark.parametrize(
    ("gui", "words"),
    [
        (Gui(keys="q"), ["stop"]),
        (Gui(keys="x\x1b"), ["stop"]),
        (Gui(keys=" xQ"), ["pause", "stop"]),
        (Gui(keys="  q"), ["pause", "go", "stop"]),
        (Gui(closed_after=3), ["stop"]),
    ],
)
def test_keys_of_the_window(gui: Gui, words: list[str]):
    said: list[str] = []
    window_process.run("clip", SimpleNamespace(is_over=False, take=lambda: None), said.append, gui)
    assert said == ["ready", *words]
    assert ("paused" in "".join(gui.titles)) == ("pause" in words)


def test_the_newest_picture_is_shown_in_a_window_that_fits_the_screen():
    picture = np.zeros((2160, 3840, 3), np.uint8)
    picture[..., 0] = 255
    stream = io.BytesIO(b"".join(window_process.HEADER.pack(2160, 3840) + p.tobytes() for p in (picture * 0, picture)) + b"rest")
    inbox = window_process.Inbox(stream)
    assert until(lambda: inbox.is_over)
    inbox.is_over = False
    gui = Gui(keys="xxq")
    window_process.run("clip", inbox, lambda word: None, gui)
    (shown,) = gui.shown
    assert shown[0, 0].tolist() == [0, 0, 255]  # OpenCV's order
    assert gui.size == (1280, 720)


def test_the_window_goes_when_the_pictures_end():
    said: list[str] = []
    gui = Gui()
    threading.Timer(0.2, lambda: setattr(inbox, "is_over", True)).start()
    inbox = SimpleNamespace(is_over=False, take=lambda: None)
    gui.waitKey = lambda milliseconds: time.sleep(0.01) or -1  # type: ignore[method-assign]
    window_process.run("clip", inbox, said.append, gui)
    assert said == ["ready"]


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A screen that nobody sees."""
    if not shutil.which("Xvfb"):
        pytest.skip("needs Xvfb")
    ours, theirs = os.pipe()
    with subprocess.Popen(
        ["Xvfb", "-displayfd", str(theirs), "-screen", "0", "800x600x24"], pass_fds=[theirs], stderr=None
    ) as server:
        os.close(theirs)
        with open(ours) as stream:
            number = stream.readline().strip()  # all of the line: the server ends when it cannot write it
        monkeypatch.setenv("DISPLAY", f":{number}")
        yield
        server.terminate()


def test_a_real_window_opens_takes_pictures_and_goes(screen: None):
    with LiveView("clip") as view:
        for level in range(0, 250, 25):
            view.show(np.full((120, 160, 3), level, np.uint8))
        assert not view.is_lost
        assert not view.wants_stop
    assert view._process.returncode == 0
