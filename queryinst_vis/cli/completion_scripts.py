"""The scripts by which shells complete, written out of a description of the commands."""

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Option:
    """values: those it takes, as far as they are known; a value that ends in = wants a path behind it."""

    name: str
    text: str
    values: tuple[str, ...] = ()
    takes_value: bool = False
    takes_many: bool = False
    takes_file: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """values: known ones of its arguments, which may always be files too."""

    name: str
    text: str
    options: tuple[Option, ...]
    values: tuple[str, ...] = ()


def bash(program: str, commands: Sequence[Command]) -> str:
    """For bash from 3.2 on. Where nothing is offered, bash completes names of files (-o default)."""
    cases = "".join(_bash_case(command) for command in commands)
    return f"""\
# {program} completion bash
_queryinst_vis() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} option="" values="" options="" index
    COMPREPLY=()
    if [[ $COMP_CWORD -eq 1 ]]; then
        COMPREPLY=($(compgen -W "{" ".join(command.name for command in commands)} --help --version" -- "$cur"))
        return
    fi
    [[ $cur == "=" ]] && cur=""
    [[ $prev == "=" ]] && prev=${{COMP_WORDS[COMP_CWORD-2]}}
    for ((index = COMP_CWORD - 1; index > 1; index--)); do
        if [[ ${{COMP_WORDS[index]}} == -* ]]; then option=${{COMP_WORDS[index]}}; break; fi
    done
    case ${{COMP_WORDS[1]}} in
{cases}    esac
    if [[ $cur == -* ]]; then values=$options; fi
    COMPREPLY=($(compgen -W "$values" -- "$cur"))
    [[ ${{#COMPREPLY[@]}} -eq 1 && ${{COMPREPLY[0]}} == *= ]] && compopt -o nospace 2>/dev/null
    [[ $values == - ]] && COMPREPLY=() && compopt +o default 2>/dev/null
    return 0
}}
complete -o default -F _queryinst_vis {program}
"""


def _bash_case(command: Command) -> str:
    lines = [f"        {command.name})", f'            options="{" ".join(option.name for option in command.options)}"']
    single = [option for option in command.options if option.takes_value]
    lines += [f'            values="{_words(command.values)}"', "            case $option in"]
    lines += [f'                {option.name}) values="{_words(option.values)}" ;;' for option in single if option.takes_many]
    lines += ["            esac", "            case $prev in"]
    for option in single:
        nothing = "" if option.takes_file or option.takes_many else "-"  # a lone dash: no names of files either
        lines.append(f'                {option.name}) values="{_words(option.values) or nothing}" ;;')
    return "\n".join([*lines, "            esac", "            ;;", ""])


def zsh(program: str, commands: Sequence[Command]) -> str:
    """For zsh's completion system: a file `_queryinst-vis` in a folder of fpath, or sourced after compinit."""
    names = "\n".join(f"            {_quoted(f'{command.name}:{command.text}')}" for command in commands)
    cases = "".join(_zsh_case(command) for command in commands)
    return f"""\
#compdef {program}
# {program} completion zsh
_queryinst_vis() {{
    local -a commands
    if (( CURRENT == 2 )); then
        commands=(
{names}
        )
        _describe command commands
        return
    fi
    shift words
    (( CURRENT-- ))
    case $words[1] in
{cases}    esac
}}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _queryinst_vis "$@"
else
    compdef _queryinst_vis {program}
fi
"""


def _zsh_case(command: Command) -> str:
    specs = []
    for option in command.options:
        spec = f"*{option.name}[{_escaped(option.text)}]"
        if option.takes_value:
            spec += f":value:{_zsh_action(option.values, takes_file=option.takes_file)}"
        specs.append(spec)
    specs.append(f"*:argument:{_zsh_action(command.values, takes_file=True)}")
    lines = " \\\n".join(f"                {_quoted(spec)}" for spec in specs)
    return f"        {command.name})\n            _arguments -S \\\n{lines}\n            ;;\n"


def _zsh_action(values: Sequence[str], *, takes_file: bool) -> str:
    words = f"({_words(values)})"
    if values and takes_file:
        return f'{{_alternative "words:value:{words}" "files:file:_files"}}'
    return words if values else "_files" if takes_file else " "


def fish(program: str, commands: Sequence[Command]) -> str:
    """For fish from 3.0 on."""
    lines = [f"# {program} completion fish", f"complete -c {program} -n __fish_use_subcommand -f -l help -l version"]
    for command in commands:
        lines.append(f"complete -c {program} -n __fish_use_subcommand -f -a {command.name} -d {_quoted(command.text)}")
        here = f"complete -c {program} -n '__fish_seen_subcommand_from {command.name}'"
        if command.values:
            lines.append(f"{here} -a {_quoted(_words(command.values))}")
        for option in command.options:
            parts = [here, f"-l {option.name.removeprefix('--')}", f"-d {_quoted(option.text)}"]
            if option.takes_value:
                parts.append("-r -F" if option.takes_file else "-x")
            if option.values:
                parts.append(f"-a {_quoted(_words(option.values))}")
            lines.append(" ".join(parts))
    return "\n".join([*lines, ""])


def _words(values: Sequence[str]) -> str:
    """Separated by blanks. All are plain: nothing a shell would take for more than it is."""
    assert all(re.fullmatch(r"[\w.=-]+", value) for value in values), values
    return " ".join(values)


def _quoted(text: str) -> str:
    """In single quotes, for a shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def _escaped(text: str) -> str:
    """In a specification of zsh's _arguments."""
    return re.sub(r"([\[\]:\\])", r"\\\1", text)
