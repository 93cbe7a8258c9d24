"""Completion, by the shells themselves: what they offer after a beginning."""

import os
import pty
import re
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from queryinst_vis.cli.commands import COMMANDS
from queryinst_vis.cli.completion import PROGRAM, describe
from queryinst_vis.cli.completion_scripts import Command, bash, fish, zsh
from queryinst_vis.results import KINDS

SECONDS = 60


@pytest.fixture(scope="module")
def commands() -> list[Command]:
    return describe()


@pytest.fixture(scope="module")
def scripts(commands: list[Command], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the script of each shell."""
    folder = tmp_path_factory.mktemp("scripts")
    for make in (bash, zsh, fish):
        (folder / make.__name__).write_text(make(PROGRAM, commands))
    return folder


def need(shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"needs {shell}")


def bash_offers(scripts: Path, *words: str) -> list[str]:
    """For the last of these words, each as bash splits them (= is a word)."""
    need("bash")
    code = (
        f'source "{scripts / "bash"}"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _queryinst_vis 2>&1; '
        'for word in "${COMPREPLY[@]}"; do echo "$word"; done'
    )
    command = ["bash", "--norc", "-c", code, "bash", PROGRAM, *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=SECONDS).stdout.splitlines()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["tr"], ["track", "track-videos", "train"]),
        (["convert-t"], ["convert-tracks"]),
        (["track", "--json"], ["--json", "--jsonl"]),
        (["track", "in.mp4", "--sho"], ["--show"]),
        (["track", "--codec", ""], ["h264", "av1", "vp9", "prores"]),
        (["track", "--codec", "="], ["h264", "av1", "vp9", "prores"]),
        (["track", "--codec", "=", "p"], ["prores"]),
        (["track", "in.mp4", "--tracker", "m"], ["masktrack", "memory_bank"]),
        (["track", "--results", "js"], ["json=", "jsonl="]),
        (["track", "--results", "json", "="], []),  # names of files, by readline
        (["track", "--json", ""], []),
        (["track", "--stride", ""], []),
        (["track", ""], []),
        (["track", "--quiet", "--device", "c"], ["cpu", "cuda"]),
        (["track-videos", "--results", "csv", "json", "m"], ["mots", "mot"]),
        (["track", "--model", "queryinst_r50_1"], ["queryinst_r50_12e_coco"]),
        (["train", "queryinst_vis_nano_s"], ["queryinst_vis_nano_synthetic"]),
        (["convert", "--to", "h"], ["hustvl"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["nonsense", "x"], []),
    ],
)
def test_bash(scripts: Path, words: list[str], expected: list[str]):
    assert bash_offers(scripts, *words) == expected


def test_bash_offers_every_command_and_all_kinds_of_results(scripts: Path):
    assert set(bash_offers(scripts, "")) == {*COMMANDS, "--help", "--version"}
    assert bash_offers(scripts, "track", "--results", "") == [f"{kind}=" for kind in KINDS]


def test_a_real_bash_completes_what_is_typed(scripts: Path, tmp_path: Path):
    need("bash")
    (tmp_path / "my clip.mp4").touch()
    shown = typed(["bash", "--norc", "--noprofile", "-i"], f'source "{scripts / "bash"}"', "track my\t--cod\tpror\t", tmp_path)
    assert "track my\\ clip.mp4 --codec prores " in shown


def test_a_real_zsh_completes_what_is_typed(scripts: Path, tmp_path: Path):
    need("zsh")
    (tmp_path / "my clip.mp4").touch()
    setup = f'autoload -U compinit; compinit -u -D; source "{scripts / "zsh"}"'
    shown = typed(["zsh", "-f", "-i"], setup, "track my\t--cod\tpror\t", tmp_path)
    assert "track my\\ clip.mp4 --codec prores" in shown


def typed(shell: list[str], setup: str, keys: str, folder: Path) -> str:
    """What a terminal shows after a person's keys behind the name of the program; control codes taken out."""
    environment = {"PATH": os.environ["PATH"], "TERM": "dumb", "HOME": str(folder), "PS1": "$ ", "PS2": ""}
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        shell, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=environment, start_new_session=True
    ) as process:
        os.close(theirs)
        try:
            os.write(ours, f"{setup}; echo is''ready\n".encode())
            read_until(ours, "isready")
            os.write(ours, f"{PROGRAM} ".encode())
            shown = ""
            for part in re.findall(r"[^\t]*\t", keys):
                os.write(ours, part.encode())
                shown += read_until(ours, None)
            return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\x07|.\x08", "", shown)
        finally:
            process.kill()
            os.close(ours)


def read_until(terminal: int, word: str | None, *, pause: float = 1.0) -> str:
    """What comes until a word, or until nothing came for a while."""
    shown, end = "", time.monotonic() + SECONDS
    while time.monotonic() < end and (word is None or word not in shown):
        if not select.select([terminal], [], [], pause)[0]:
            if word is None and shown:
                break
            continue
        shown += os.read(terminal, 65536).decode(errors="replace")
    return shown


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("tra", {"track", "track-videos", "train"}),
        ("track --cod", {"--codec"}),
        ("track --codec ", {"h264", "av1", "vp9", "prores"}),
        ("track --results js", {"json=", "jsonl="}),
        ("completion ", {"bash", "zsh", "fish"}),
    ],
)
def test_fish(scripts: Path, tmp_path: Path, line: str, expected: set[str]):
    need("fish")
    code = f"source {scripts / 'fish'}; complete -C '{PROGRAM} {line}'"
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    printed = subprocess.run(
        ["fish", "--no-config", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=SECONDS,
        cwd=tmp_path,
        env=environment,
    ).stdout
    assert {row.partition("\t")[0] for row in printed.splitlines()} == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_have_no_faults(scripts: Path, shell: str):
    need(shell)
    checked = subprocess.run([shell, "-n", str(scripts / shell)], capture_output=True, text=True, timeout=SECONDS)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_every_option_is_described(commands: list[Command]):
    assert [command.name for command in commands] == list(COMMANDS)
    for command in commands:
        assert {"--help"} <= {option.name for option in command.options}
