"""How the help of a command is laid out: a short usage, options in groups, examples at the end."""

import argparse
from typing import NoReturn

from queryinst_vis.cli.commands import EXAMPLES
from queryinst_vis.errors import UserError

_COLUMN = 30  # where descriptions begin
_EXAMPLE_COLUMN = 76  # where comments of examples begin


class CommandParser(argparse.ArgumentParser):
    """Says what is wrong in one line, and in its usage only what must be given."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message} (see {self.prog} --help)")

    def format_usage(self) -> str:
        return super().format_usage() if self.usage else f"usage: {self._short_usage()}\n"

    def format_help(self) -> str:
        self.usage = self.usage or self._short_usage()
        return super().format_help()

    def _short_usage(self) -> str:
        formatter = self.formatter_class(prog=self.prog)
        actions, groups = list(self._actions), list(self._mutually_exclusive_groups)
        needed = [action for action in actions if not action.option_strings or action.required]
        choices = [group for group in groups if group.required]
        needed += [action for group in choices for action in group._group_actions]
        formatter.add_usage(None, needed, choices, prefix="")
        words = formatter.format_help().strip().removeprefix(self.prog)
        return " ".join([self.prog, *words.split(), "[options]"])


def parser_of(prog: str, command: str, text: str) -> CommandParser:
    """Of a command, still without arguments. text: what it is for."""
    return CommandParser(
        prog=f"{prog} {command}",
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=_examples(f"{prog} {command}", EXAMPLES.get(command, {})),
        formatter_class=_formatter,
        allow_abbrev=False,
    )


def _formatter(prog: str) -> argparse.HelpFormatter:
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=_COLUMN)


def _examples(prog: str, examples: dict[str, str]) -> str | None:
    lines = [
        f"  {prog} {words}".ljust(_EXAMPLE_COLUMN) + f"  # {text}" if text else f"  {prog} {words}"
        for words, text in examples.items()
    ]
    return "\n".join(["examples:", *lines]) if lines else None
