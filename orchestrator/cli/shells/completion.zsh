#compdef headgate
# Completion of `headgate` for zsh. In ~/.zshrc, behind compinit:  source <(headgate completion zsh)
_headgate_completion() {
    local -a answer plain described
    local kind line value help
    line="${(j: :)words[1,CURRENT-1]} $PREFIX"
    answer=("${(@f)$(${~words[1]} completion zsh --line "$line" </dev/null 2>/dev/null)}")
    kind=${answer[1]}
    if [[ $kind == file ]]; then
        _files
        return
    fi
    for value in ${answer[2,-1]}; do
        help=${value#*$'\t'}
        value=${value%%$'\t'*}
        if [[ -n $help ]]; then
            described+=("${value//:/\\:}:$help")
        else
            plain+=("$value")
        fi
    done
    (( $#described )) && _describe -V headgate described
    (( $#plain )) && compadd -V headgate -a plain
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _headgate_completion "$@"
else
    compdef _headgate_completion headgate
fi
