"""Measures live sources against the servers of the tests: `python tests/live_figures.py`, about five minutes.

How long after a server is back its pictures are, how old frames are that a slow consumer gets, and how many are dropped.
"""

import itertools
import statistics
import time

from live_servers import RTSPServer, StreamServer, number_of

from queryinst_vis.video.live import LiveSource


def seconds_to_reconnect(kind: str, outage: float, first: int) -> float:
    """From the server's return to the first picture, with the default back-off."""
    server: StreamServer | RTSPServer = RTSPServer() if kind == "rtsp" else StreamServer(kind)
    with server, LiveSource(server.url) as source:
        frames = iter(source)
        next(frames)
        server.kill()
        time.sleep(outage)
        again = RTSPServer(port=server.port) if kind == "rtsp" else StreamServer(kind, port=server.port, first=first)
        with again:
            back = time.monotonic()
            for _ in frames:
                if source.statistics["reconnects"]:
                    return time.monotonic() - back
    raise RuntimeError("the stream ended")


def ages(kind: str, policy: str, busy: float, seconds: float) -> tuple[list[float], dict]:
    """How old each frame was when it was delivered, to a consumer that takes `busy` seconds for one."""
    taken: list[float] = []
    with StreamServer(kind) as server, LiveSource(server.url, policy=policy) as source:  # type: ignore[arg-type]
        begun = time.monotonic()
        for frame in itertools.takewhile(lambda _: time.monotonic() - begun < seconds, source):
            taken.append(time.monotonic() - server.sent[number_of(frame.image)])
            time.sleep(busy)
        return taken, source.statistics


def main() -> None:
    """Print the tables."""
    kinds = ["mjpeg", "mpegts", *(["rtsp"] if RTSPServer.is_here() else [])]
    print("| stream | server away | pictures after its return, median | most |\n|---|---|---|---|")
    for kind, (outage, times) in itertools.product(kinds, [(0.2, 8), (2.0, 5), (10.0, 3)]):
        waits = [seconds_to_reconnect(kind, outage, 1000) for _ in range(times)]
        print(f"| {kind} | {outage:g} s | {statistics.median(waits):.2f} s | {max(waits):.2f} s |", flush=True)
    print(
        "\n| stream | policy | consumer takes | age of frames, median | most | delivered | dropped | late |\n|---"
        + "|---" * 7
        + "|"
    )
    for kind, policy, busy in itertools.product(["mjpeg", "mpegts"], ["newest", "every"], [0.0, 0.2, 1.0]):
        old, count = ages(kind, policy, busy, 8.0)
        delay = f"{statistics.median(old) * 1000:.0f} ms | {max(old) * 1000:.0f} ms"
        print(
            f"| {kind} | {policy} | {busy:g} s | {delay} | {count['frames']} | {count['dropped']} | {count['late']} |", flush=True
        )


if __name__ == "__main__":
    main()
