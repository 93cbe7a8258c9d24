"""`completion bash|zsh|fish`: a script by which that shell completes commands, options and their values.

Everything is in the script: a shell that completes starts no Python.
"""

import argparse
from importlib import import_module

from queryinst_vis.cli import completion_scripts
from queryinst_vis.cli.commands import COMMANDS
from queryinst_vis.cli.completion_scripts import Command, Option
from queryinst_vis.cli.help import parser_of

PROGRAM = "queryinst-vis"
_SCRIPTS = {"bash": completion_scripts.bash, "zsh": completion_scripts.zsh, "fish": completion_scripts.fish}
_FILES = ("PATH", "DIR", "FILE", "CFG", "OUT", ".json", ".mp4", "CACHE", "OUTPUT", "WORK_DIR")  # in names of what options take


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=tuple(_SCRIPTS), help="whose script to print")


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    print(_SCRIPTS[args.shell](PROGRAM, describe()), end="")
    return 0


def describe() -> list[Command]:
    """All commands with their options, from their parsers."""
    known = _known_values()
    commands = []
    for name, text in COMMANDS.items():
        parser = parser_of(PROGRAM, name, text)
        import_module(f"queryinst_vis.cli.{name.replace('-', '_')}").add_arguments(parser)
        options = tuple(_option(action, known) for action in parser._actions if action.option_strings)
        values = [value for action in parser._actions if not action.option_strings for value in _values(action, known)]
        commands.append(Command(name, text, options, tuple(dict.fromkeys(values))))
    return commands


def _option(action: argparse.Action, known: dict[str, tuple[str, ...]]) -> Option:
    names = tuple(name for name in action.option_strings if name.startswith("--"))
    metavar = str(action.metavar or action.dest).upper() if action.nargs != 0 else ""
    return Option(
        name=names[0],
        text=(action.help or "").replace("%%", "%"),
        values=_values(action, known),
        takes_value=action.nargs != 0 and action.nargs != "?",
        takes_many=action.nargs in ("+", "*"),
        takes_file=any(word.upper() in metavar for word in _FILES),
    )


def _values(action: argparse.Action, known: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    if action.choices is not None:
        return tuple(map(str, action.choices))
    if action.metavar == "KIND=PATH":
        return tuple(f"{kind}=" for kind in known["KIND"])
    for name in (str(action.metavar), str(action.dest)):
        if name in known:
            return known[name]
    return ()


def _known_values() -> dict[str, tuple[str, ...]]:
    """What there is of things that options and arguments name, by their metavar or dest."""
    from queryinst_vis import trackers
    from queryinst_vis.config import shipped_configs
    from queryinst_vis.model_zoo import DEFAULT, PUBLISHED
    from queryinst_vis.registry import available
    from queryinst_vis.results import KINDS

    models, configs = (DEFAULT, *PUBLISHED), tuple(sorted(shipped_configs()))
    names = tuple(available(trackers.TRACKERS))
    return {"KIND": KINDS, "model": models, "weights": models, "config": configs, "tracker": names, "names": configs + models}
