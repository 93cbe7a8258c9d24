"""The ways in which reading a file must not end, and two in which it may: what the harness itself is tested with."""

import os
import signal
import time
from pathlib import Path

from fuzz.target import Target

from queryinst_vis.errors import UserError


def _refuse(path: Path) -> None:
    raise UserError(f"{path}: is damaged")


def _refuse_in_lines(path: Path) -> None:
    raise UserError(f"{path}: is damaged\nin two lines")


TARGETS: dict[str, Target] = {
    "crash": Target("sample", lambda path: os.kill(os.getpid(), signal.SIGSEGV)),
    "hang": Target("sample", lambda path: time.sleep(60)),
    "memory": Target("sample", lambda path: bytearray(1 << 33)),
    "untyped": Target("sample", lambda path: {}["x"]),
    "exit": Target("sample", lambda path: os._exit(0)),
    "lines": Target("sample", _refuse_in_lines),
    "typed": Target("sample", _refuse),
    "result": Target("sample", lambda path: None),
}
