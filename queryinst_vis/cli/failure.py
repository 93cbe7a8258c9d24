"""Why a command ended without what it was for: a line for people, a JSON document for programs that asked for one."""

import itertools
import json
import sys
from collections.abc import Sequence

from queryinst_vis.cli.printable import printable


def tell_failure(message: str, exit_code: int, arguments: Sequence[str], inputs: Sequence[str]) -> int:
    """Print it; the exit code. arguments: after the command, also where they could not be understood; inputs: if they were."""
    line = " ".join(message.split())
    print(printable(f"error: {line}"), file=sys.stderr)
    if _wants_report(arguments):
        print(_document(line, exit_code, inputs))
    return exit_code


def _wants_report(arguments: Sequence[str]) -> bool:
    return "--report=json" in arguments or ("--report", "json") in itertools.pairwise(arguments)


def _document(message: str, exit_code: int, inputs: Sequence[str]) -> str:
    from queryinst_vis.video.url import mask_url

    names = [mask_url(name) for name in inputs]
    return json.dumps({"status": "failed", "exit_code": exit_code, "inputs": names, "error": message}, indent=1)
