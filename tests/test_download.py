"""Downloads from a local server that behaves well, badly, or not at all."""

import hashlib
import multiprocessing
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from queryinst_vis.download import DownloadError, cache_folder, download

CONTENT = bytes(range(256)) * 4000  # about 1 MB
NAME = f"weights-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth"


class _Handler(BaseHTTPRequestHandler):
    server: "Server"

    def do_GET(self) -> None:
        server = self.server
        server.ranges.append(self.headers.get("Range"))
        if self.path != f"/{NAME}":
            return self.send_error(404)
        start = int(re.findall(r"\d+", self.headers.get("Range", "0"))[0]) if server.knows_ranges else 0
        if start >= len(server.content):
            return self.send_error(416)
        body = server.content[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        if server.tells_length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: server.cut_after.pop(0) if server.cut_after else None])

    def log_message(self, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """cut_after: for each coming request, the bytes after which the connection ends. ranges: what was asked for so far."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content, self.knows_ranges, self.tells_length = CONTENT, True, True
        self.cut_after: list[int] = []
        self.ranges: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/{NAME}"


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


def _error(url: str, folder: Path) -> str:
    with pytest.raises(DownloadError) as caught:
        download(url, folder)
    assert "\n" not in str(caught.value)
    assert not (folder / NAME).exists()
    return str(caught.value)


def test_fetches_once(server, tmp_path):
    path = download(server.url, tmp_path / "new" / "folder")
    assert path.name == NAME
    assert path.read_bytes() == CONTENT
    assert download(server.url, path.parent) == path
    assert server.ranges == [None]
    assert not list(path.parent.glob("*.part"))


def test_length_need_not_be_told(server, tmp_path):
    server.tells_length = False
    assert download(server.url, tmp_path).read_bytes() == CONTENT


def test_wrong_hash_is_removed(server, tmp_path):
    server.content = b"something else" * 100
    assert "SHA-256" in _error(server.url, tmp_path)
    assert not list(tmp_path.glob("*.part"))
    server.content = CONTENT
    assert download(server.url, tmp_path).read_bytes() == CONTENT


def test_broken_transfer_goes_on_where_it_stopped(server, tmp_path):
    server.cut_after = [300_000, 200_000]
    assert download(server.url, tmp_path).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=300000-", "bytes=500000-"]


def test_transfer_that_keeps_breaking_is_resumed_next_time(server, tmp_path):
    server.cut_after = [100_000] * 3
    assert "300000 of 1024000 bytes" in _error(server.url, tmp_path)
    assert download(server.url, tmp_path).read_bytes() == CONTENT
    assert server.ranges[-1] == "bytes=300000-"


def test_server_without_ranges_starts_again(server, tmp_path):
    server.knows_ranges, server.cut_after = False, [300_000]
    assert download(server.url, tmp_path).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=300000-"]


@pytest.mark.parametrize("beginning", [b"the file was another one then", bytes(2 * len(CONTENT)), CONTENT])
def test_old_beginning(server, tmp_path, beginning):
    """Of a file that changed since, of a larger one, and all of it (stopped just before it got its name)."""
    (tmp_path / f"{NAME}.part").write_bytes(beginning)
    assert download(server.url, tmp_path).read_bytes() == CONTENT


def test_server_has_no_such_file(server, tmp_path):
    assert "404" in _error(server.url.replace(NAME, "gone-12345678.pth"), tmp_path)


def test_offline(tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    assert "no connection" in _error(f"http://127.0.0.1:{port}/{NAME}", tmp_path)


def test_unknown_host(tmp_path):
    assert "no connection" in _error(f"http://host.invalid/{NAME}", tmp_path)


def test_folder_cannot_be_written(server, tmp_path):
    (tmp_path / "file").touch()
    assert "cannot write" in _error(server.url, tmp_path / "file")


def test_processes_share_one_transfer(server, tmp_path):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=download, args=(server.url, tmp_path)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert server.ranges == [None]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"QUERYINST_VIS_HOME": "/a"}, Path("/a")),
        ({"XDG_CACHE_HOME": "/b"}, Path("/b/queryinst_vis")),
        ({"QUERYINST_VIS_HOME": "", "XDG_CACHE_HOME": "", "HOME": "/c"}, Path("/c/.cache/queryinst_vis")),
    ],
)
def test_cache_folder(monkeypatch, variables, expected):
    monkeypatch.delenv("QUERYINST_VIS_HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == expected
