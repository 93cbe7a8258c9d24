"""Streams of numbered pictures over HTTP on this machine, that tests stall, kill and start again; RTSP where there is a server.

Pictures carry their number, so that a test knows which came, and when it was sent.
"""

import contextlib
import http.server
import itertools
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from types import TracebackType
from typing import Self

import av
import cv2
import numpy as np

_BITS, _CELL = 12, 8  # a picture's number in white and black cells, from the lowest bit on, in the first rows


def numbered(number: int, hw: tuple[int, int] = (96, 128)) -> np.ndarray:
    """uint8 [H, W, 3]: a picture that says its number."""
    image = np.full((*hw, 3), 60, dtype=np.uint8)
    for bit in range(_BITS):
        image[: 2 * _CELL, bit * _CELL : (bit + 1) * _CELL] = 255 * (number >> bit & 1)
    return image


def number_of(image: np.ndarray) -> int:
    """What `numbered` wrote."""
    cells = image[2 : 2 * _CELL - 2, : _BITS * _CELL].mean((0, 2)).reshape(_BITS, _CELL)[:, 2:-2].mean(1)
    return sum(int(cell > 128) << bit for bit, cell in enumerate(cells))


class StreamServer:
    """One stream for any number of clients, each from the picture that is due when it comes. `sent`: number -> monotonic time."""

    def __init__(
        self,
        kind: str = "mpegts",
        *,
        port: int = 0,
        hw: tuple[int, int] = (96, 128),
        fps: float = 25,
        first: int = 0,
        stall_after: int | None = None,
        end_after: int | None = None,
        jump: tuple[int, float] | None = None,
        is_mute: bool = False,
        dribbles: bool = False,
        picture: Callable[[int, tuple[int, int]], np.ndarray] = numbered,
    ) -> None:
        """kind: mpegts or mjpeg. port: 0 for a free one. first: number of the first picture. stall_after, end_after: pictures
        sent to a client before silence or the end. jump: after so many pictures the clock is set by so many seconds. is_mute:
        accepts and never answers. dribbles: stalled, it still sends bytes that mean nothing. picture: by number and
        (height, width)."""
        self.kind, self.hw, self.fps, self.picture = kind, hw, fps, picture
        self.stall_after, self.end_after, self.jump, self.is_mute = stall_after, end_after, jump, is_mute
        self.dribbles = dribbles
        self.sent: dict[int, float] = {}
        self.num_clients = 0
        self._first, self._began = first, time.monotonic()
        self._stop = threading.Event()
        self._clients: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/stream"
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def number(self) -> int:
        """Of the picture that is due."""
        return self._first + int((time.monotonic() - self._began) * self.fps)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while not self._stop.is_set():
                client, _ = self._listener.accept()
                self._clients.append(client)
                self.num_clients += 1
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError, av.FFmpegError), client:
            client.recv(65536)
            if self.is_mute:
                self._stop.wait(60)
            mime = "video/mp2t" if self.kind == "mpegts" else "multipart/x-mixed-replace;boundary=next"
            client.sendall(f"HTTP/1.0 200 OK\r\nContent-Type: {mime}\r\n\r\n".encode())
            (self._send_mpegts if self.kind == "mpegts" else self._send_mjpeg)(client)
            while self.dribbles and not self._stop.wait(0.02):
                client.sendall(b"\r\n")

    def _numbers(self) -> Iterator[int]:
        """Of pictures, each at its time."""
        start = self.number
        for count in range(10_000):
            if count == self.end_after:
                return
            if count == self.stall_after and self.dribbles:
                return
            if count == self.stall_after:
                self._stop.wait(60)
            due = self._began + (start + count - self._first) / self.fps
            if self._stop.wait(max(due - time.monotonic(), 0)):
                return
            self.sent.setdefault(start + count, time.monotonic())
            yield start + count

    def _send_mjpeg(self, client: socket.socket) -> None:
        for number in self._numbers():
            jpeg = cv2.imencode(".jpg", self.picture(number, self.hw)[..., ::-1])[1].tobytes()
            client.sendall(b"--next\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%b\r\n" % (len(jpeg), jpeg))

    def _send_mpegts(self, client: socket.socket) -> None:
        numbers = self._numbers()
        after, seconds = self.jump or (None, 0.0)
        self._send_run(client, itertools.islice(numbers, after), 0.0)
        self._send_run(client, numbers, seconds)  # in the same connection, as when a camera's clock is set

    def _send_run(self, client: socket.socket, numbers: Iterator[int], ahead: float) -> None:
        """Pictures whose clock is so many seconds ahead of their numbers."""
        with av.open(_Pipe(client), "w", format="mpegts", options={"flush_packets": "1"}) as output:
            stream = output.add_stream("libx264", rate=25, options={"preset": "ultrafast", "tune": "zerolatency", "g": "10"})
            stream.height, stream.width = self.hw
            stream.pix_fmt = "yuv420p"
            stream.codec_context.time_base = Fraction(1, 1000)
            for number in numbers:
                frame = av.VideoFrame.from_ndarray(self.picture(number, self.hw), format="rgb24")
                frame.pts, frame.time_base = round((1000 + ahead + number / self.fps) * 1000), Fraction(1, 1000)
                output.mux(stream.encode(frame))

    def kill(self) -> None:
        """Break every connection and refuse new ones."""
        self._stop.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for client in self._clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()


class FileServer(http.server.ThreadingHTTPServer):
    """One file or text over HTTP, from any place in it. breaks: bytes after which each of the first connections breaks off."""

    daemon_threads = True

    def __init__(
        self, body: bytes, *, mime: str = "application/octet-stream", breaks: Sequence[int] = (), status: int = 200
    ) -> None:
        self.body, self.mime, self.breaks, self.status = body, mime, list(breaks), status
        super().__init__(("127.0.0.1", 0), _FileHandler)
        self.url = f"http://127.0.0.1:{self.server_port}/file"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def __exit__(self, *exc_info: object) -> None:
        self.shutdown()
        self.server_close()


class _FileHandler(http.server.BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        whole = self.server.body
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        self.send_response(206 if self.server.status == 200 else self.server.status)
        self.send_header("Content-Type", self.server.mime)
        self.send_header("Content-Range", f"bytes {start}-{len(whole) - 1}/{len(whole)}")
        self.send_header("Content-Length", str(len(whole) - start))
        self.end_headers()
        size = self.server.breaks.pop(0) if self.server.breaks else len(whole)
        with contextlib.suppress(OSError):
            self.wfile.write(whole[start : start + size])

    def log_message(self, format: str, *args: object) -> None:
        """Tests are quiet."""


class _Pipe:
    """A socket as a file that can only be written."""

    def __init__(self, client: socket.socket) -> None:
        self._client = client

    def write(self, data: bytes) -> int:
        self._client.sendall(data)
        return len(data)


class RTSPServer:
    """A camera on the network by GStreamer, in a process of its own, run by the system's Python."""

    python = "/usr/bin/python3"

    def __init__(self, *, port: int = 0, hw: tuple[int, int] = (96, 128)) -> None:
        self.port = port or _free_port()
        self.url = f"rtsp://127.0.0.1:{self.port}/live"
        command = [self.python, "-c", _RTSP, str(self.port), str(hw[1]), str(hw[0])]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self._process.stdout is not None
        self._process.stdout.readline()  # when it listens

    @classmethod
    def is_here(cls) -> bool:
        """Whether this machine has what it takes: python3-gi, gir1.2-gst-rtsp-server-1.0 and an encoder for H.264 or JPEG."""
        try:
            return (
                subprocess.run([cls.python, "-c", _RTSP, "check"], capture_output=True, timeout=30, check=False).returncode == 0
            )
        except OSError:
            return False

    def send(self, number: int) -> None:
        """A signal: SIGSTOP makes it silent with its connections open, SIGCONT lets it go on."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """At once."""
        self._process.kill()
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.kill()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


_RTSP = """
import signal, sys
import gi
gi.require_version("Gst", "1.0"); gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer
Gst.init(None)
encoders = ["x264enc tune=zerolatency key-int-max=10 ! rtph264pay name=pay0", "jpegenc ! rtpjpegpay name=pay0"]
encoder = next(text for text in encoders if Gst.ElementFactory.find(text.split()[0]))
if sys.argv[1] == "check":
    sys.exit()
signal.alarm(120)  # it never outlives a test by much
port, width, height = sys.argv[1:]
source = f"videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width={width},height={height},framerate=25/1"
server = GstRtspServer.RTSPServer(address="127.0.0.1", service=port)
factory = GstRtspServer.RTSPMediaFactory(launch=f"( {source} ! {encoder} )", shared=True)
server.get_mount_points().add_factory("/live", factory)
server.attach(None)
print("ready", flush=True)
GLib.MainLoop().run()
"""
