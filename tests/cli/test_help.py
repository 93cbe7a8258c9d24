"""What `--help` says: short usages, options in groups, examples that are right."""

import shlex
from importlib import import_module

import pytest

from queryinst_vis.cli.commands import COMMANDS, EXAMPLES
from queryinst_vis.cli.help import CommandParser, parser_of
from queryinst_vis.cli.main import main

MOST_LINES = 70


def full_parser(command: str) -> CommandParser:
    parser = parser_of("queryinst-vis", command, COMMANDS[command])
    import_module(f"queryinst_vis.cli.{command.replace('-', '_')}").add_arguments(parser)
    return parser


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_short_and_every_option_says_something(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "120")
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"usage: queryinst-vis {command} ")
    assert lines[0].endswith("[options]")
    assert lines[1] == ""  # the usage is one line
    assert len(lines) <= MOST_LINES
    silent = [action.dest for action in full_parser(command)._actions if not action.help and not action.choices]
    assert silent in ([], ["output"])  # OUT.safetensors of export says it by its name


@pytest.mark.parametrize(("command", "words"), [(command, words) for command, rows in EXAMPLES.items() for words in rows])
def test_examples_are_right(command: str, words: str):
    full_parser(command).parse_intermixed_args(shlex.split(words.partition(" > ")[0]))


def test_options_of_track_stand_in_groups():
    parser = full_parser("track")
    alone = [action.dest for group in parser._action_groups[:2] for action in group._group_actions]
    assert alone == ["input", "help"]


def test_usage_names_what_is_needed():
    assert "usage: queryinst-vis check-submission (--videos VALID.json | --images TEST.json) SUBMISSION [options]\n" in (
        full_parser("check-submission").format_help()
    )
    assert full_parser("convert").format_usage() == "usage: queryinst-vis convert --to {ours,mmdet,hustvl} SRC DST [options]\n"
