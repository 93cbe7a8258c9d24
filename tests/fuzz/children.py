"""The parent's side of child.py: hands out seeds, notices a crash or a hang, and goes on with a new process."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

_CHILD = Path(__file__).with_name("child.py")


class Child:
    """A process that lives for many inputs. `counts`: how inputs ended, by target and kind."""

    def __init__(self, folder: Path, *, targets: str = "fuzz.targets", most_seconds: float = 20.0) -> None:
        """targets: module with TARGETS; most_seconds: for one input."""
        self.folder, self.targets, self.most_seconds = folder, targets, most_seconds
        self.counts: dict[str, Counter[str]] = {}
        self.slowest = 0.0
        self._process: subprocess.Popen[str] | None = None
        self._errors = folder / "stderr.txt"

    def failures(self, target: str, seeds: Iterable[int]) -> list[str]:
        """Target, seed and what happened, of each input that neither gave a result nor was refused with a typed error."""
        counts = self.counts.setdefault(target, Counter())
        failures = []
        for seed in seeds:
            answer = self._ask(target, seed)
            counts[answer["kind"]] += 1
            self.slowest = max(self.slowest, float(answer.get("seconds", 0)))
            if answer["kind"] == "failure":
                failures.append(f"{target}, seed {seed}: {answer['text']}")
        return failures

    def _ask(self, target: str, seed: int) -> dict[str, str]:
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{target} {seed}\n")
        process.stdin.flush()
        line = process.stdout.readline()  # comes, or the process ends: it watches its own time
        if line:
            return json.loads(line)
        code = process.wait()
        self._process = None
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code} (a hang, if stderr says Timeout)"
        return {"kind": "failure", "text": f"the process was {how}: {self._errors.read_text(errors='replace')[-3000:]}"}

    def _running(self) -> "subprocess.Popen[str]":
        if self._process is None:
            settings = {
                "OMP_NUM_THREADS": "1",
                "OPENCV_LOG_LEVEL": "SILENT",
                "FUZZ_MOST_SECONDS": str(self.most_seconds),
            }
            with self._errors.open("w") as errors:
                self._process = subprocess.Popen(
                    [sys.executable, str(_CHILD), str(self.folder), self.targets],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                    env=os.environ | settings,
                )
        return self._process

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
