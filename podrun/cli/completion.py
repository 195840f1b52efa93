"""`podrun completion bash|zsh|fish`: a script for the shell; what it offers is asked of `podrun __complete`."""

from __future__ import annotations

import sys

import click

from podrun.cli import command as shared
from podrun.errors import PodrunError

EXAMPLES = """
# In this bash, and in all to come
source <(podrun completion bash)
podrun completion bash > /etc/bash_completion.d/podrun

# In zsh: a file of a directory in $fpath
podrun completion zsh > "${fpath[1]}/_podrun"

# In fish
podrun completion fish > ~/.config/fish/completions/podrun.fish
"""

BASH = r"""# bash completion for podrun
_podrun() {
    local IFS=$'\n' word="${COMP_WORDS[COMP_CWORD]}"
    COMPREPLY=($("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
    if [[ ${COMPREPLY[0]} == :files ]]; then
        COMPREPLY=()
        compopt -o default
    elif [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == */ ]]; then
        compopt -o nospace
    fi
}
complete -F _podrun podrun
"""

ZSH = r"""#compdef podrun
_podrun() {
    local -a found
    found=("${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ ${found[1]} == :files ]]; then
        _files
    elif [[ -n ${found[1]} ]]; then
        compadd -S ' ' -- ${(@)found:#*/}
        compadd -S '' -- ${(@M)found:#*/}
    fi
}
if [[ ${funcstack[1]} == _podrun ]]; then
    _podrun "$@"
else
    compdef _podrun podrun
fi
"""

FISH = r"""# fish completion for podrun
function __podrun_complete
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    set -l found ($before[1] __complete $before[2..-1] "$current" 2>/dev/null)
    if test "$found[1]" = :files
        __fish_complete_path "$current"
    else
        printf '%s\n' $found
    end
end
complete -c podrun -e
complete -c podrun -f -a '(__podrun_complete)'
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


@click.command(
    "completion",
    cls=shared.Verb,
    synopsis="SHELL",
    examples=EXAMPLES,
    help="Output shell completion code for the specified shell (bash, zsh, or fish).\n\n"
    " Verbs, options, kinds and the names of what is there now are completed.",
)
@click.argument("shells", nargs=-1)
def command(shells: tuple[str, ...]) -> None:
    if not shells:
        raise PodrunError("Shell not specified.\nSee 'podrun completion -h' for help and examples")
    if len(shells) > 1:
        raise PodrunError("Too many arguments. Expected only the shell type.")
    if shells[0] not in SCRIPTS:
        raise PodrunError(f'Unsupported shell type "{shells[0]}".')
    sys.stdout.write(SCRIPTS[shells[0]])
