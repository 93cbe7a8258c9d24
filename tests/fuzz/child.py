"""A process that reads damaged files one after the other, as told on its standard input, and says how each ended.

Run as `python child.py FOLDER MODULE`, whose TARGETS it serves. A line in: `target seed`; a line out: JSON of an outcome. That it
crashes or hangs is seen by its parent (children.py).
"""

import faulthandler
import json
import os
import resource
import sys
import time
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from queryinst_vis.errors import UserError

_MOST_SECONDS = float(os.environ.get("FUZZ_MOST_SECONDS", "20"))  # of a busy core; an input takes a few hundredths
_MEMORY = 2 << 30  # bytes above what the libraries take


def _outcome(targets: dict[str, Any], target: str, folder: Path, seed: int) -> dict[str, str]:
    """kind: result, refused (a typed error), or failure; text: what the error says, or the traceback."""
    try:
        targets[target].run(folder, seed)
    except UserError as error:
        if "\n" in str(error).strip():
            return {"kind": "failure", "text": f"more than a line: {error}"}
        return {"kind": "refused", "text": str(error)}
    except BaseException:
        return {"kind": "failure", "text": traceback.format_exc()}
    return {"kind": "result", "text": ""}


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + _MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main() -> None:
    folder, targets = Path(sys.argv[1]), import_module(sys.argv[2]).TARGETS
    answers = os.fdopen(os.dup(1), "w")
    with open(os.devnull, "w") as nothing:  # what commands print
        os.dup2(nothing.fileno(), 1)
    if Path("/proc/self/statm").exists():
        _limit_memory()
    for line in sys.stdin:
        target, seed = line.split()
        faulthandler.dump_traceback_later(_MOST_SECONDS, exit=True)
        begin = time.perf_counter()
        answer = _outcome(targets, target, folder, int(seed))
        faulthandler.cancel_dump_traceback_later()
        print(json.dumps(answer | {"seconds": round(time.perf_counter() - begin, 3)}), file=answers, flush=True)


if __name__ == "__main__":
    main()
