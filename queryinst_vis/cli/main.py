"""The command `queryinst-vis`: picks a subcommand, imports only what that needs, and turns what a user can mend into one line.

Exit codes: 0 complete; 2 bad arguments or unusable input; 3 done in part, the input is damaged; 130 stopped by Ctrl-C; 141 nobody
reads the output any more.
"""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

from queryinst_vis import __version__
from queryinst_vis.cli.commands import COMMANDS, GROUPS
from queryinst_vis.cli.failure import tell_failure
from queryinst_vis.cli.help import CommandParser, parser_of
from queryinst_vis.errors import UserError
from queryinst_vis.ops.bounds import PIXELS

INTERRUPTED, BROKEN_PIPE = 130, 141  # 128 + signal, as shells have it
_PROGRAM = "queryinst-vis"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; returns the exit code."""
    _let_threads_wait_briefly()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file may hold names that no terminal can show
    arguments = list(sys.argv[1:] if argv is None else argv)
    known = argparse.Namespace()
    try:
        if not arguments or arguments[0] not in COMMANDS:
            return _without_command(arguments)
        os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(PIXELS.most()))  # read when OpenCV is imported
        module = import_module(f"queryinst_vis.cli.{arguments[0].replace('-', '_')}")
        known = _parsed(module, arguments)
        return module.run(known)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left; nobody is there to tell
        return BROKEN_PIPE
    except (Exception, KeyboardInterrupt) as error:
        inputs = known.input if "report" in known else ()
        return tell_failure(*_explained(error), arguments[1:], inputs)


def _let_threads_wait_briefly() -> None:
    """Before they sleep; read when torch is imported.

    On a busy machine of two cores, waiting by spinning was nine times slower than by sleeping; on an idle one, a small network
    takes 67 ms where threads sleep at once, 41 where they spin for some microseconds before.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def _parsed(module: ModuleType, arguments: list[str]) -> argparse.Namespace:
    command, *others = arguments
    parser = parser_of(_PROGRAM, command, COMMANDS[command])
    module.add_arguments(parser)
    return parser.parse_intermixed_args([_as_path(argument) for argument in others])


def _as_path(argument: str) -> str:
    """A file whose name begins with a dash is no option."""
    looks_like_option = argument.startswith("-") and argument not in ("-", "--")
    return os.path.join(os.curdir, argument) if looks_like_option and os.path.isfile(argument) else argument


def _without_command(arguments: list[str]) -> int:
    listing = "\n\n".join(
        "\n".join([f"{title}:", *(f"  {name:18} {text}" for name, text in group.items())]) for title, group in GROUPS.items()
    )
    parser = CommandParser(
        prog=_PROGRAM,
        usage=f"{_PROGRAM} [--help] [--version] COMMAND ...",
        epilog=f"{listing}\n\n{_PROGRAM} COMMAND --help tells the rest.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    if arguments and not arguments[0].startswith("-"):
        parser.error(f"no command is called '{arguments[0]}'; there are: {', '.join(COMMANDS)}")
    if not arguments:
        parser.error(f"a command is missing; there are: {', '.join(COMMANDS)}")
    parser.parse_args(arguments)
    return 0


def _explained(error: BaseException) -> tuple[str, int]:
    """What to tell a user, and the exit code. What is no user's to mend is raised again."""
    if isinstance(error, UserError):
        return str(error), error.exit_code
    if isinstance(error, ImportError):
        return _import_remedy(error), 2
    if isinstance(error, OSError):
        return f"{error.filename or 'input or output'}: {error.strerror or error}", 2
    if isinstance(error, KeyboardInterrupt):
        return "stopped", INTERRUPTED
    return _memory_remedy(error), 2


def _import_remedy(error: ImportError) -> str:
    """One line on how to get a missing library; faults of our own modules are not hidden."""
    name = (error.name or "").partition(".")[0]
    if name == "queryinst_vis":
        raise error
    if name == "cv2" or "libGL" in str(error) or "libgthread" in str(error):
        return (
            f"OpenCV cannot be loaded ({error}): pip uninstall opencv-python, then pip install opencv-python-headless; "
            "or install the system's libraries: apt-get install libgl1 libglib2.0-0"
        )
    if isinstance(error, ModuleNotFoundError):
        return f"the Python package {name} is missing: pip install {'mmcv-lite' if name == 'mmcv' else name}"
    raise error


def _memory_remedy(error: BaseException) -> str:
    """One line for what torch and OpenCV raise when memory ends: a type of its own on a GPU, only words on the CPU."""
    words = ("can't allocate memory", "not enough memory", "Insufficient memory")
    if (
        not isinstance(error, MemoryError)
        and type(error).__name__ != "OutOfMemoryError"
        and not any(w in str(error) for w in words)
    ):
        raise error
    return "out of memory; smaller pictures (a smaller --size), a smaller batch or another --device need less"


if __name__ == "__main__":
    sys.exit(main())
