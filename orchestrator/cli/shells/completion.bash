# Completion of `headgate` for bash. In ~/.bashrc:  source <(headgate completion bash)
_headgate_completion() {
    local command=${1/#\~\//$HOME/} current=${COMP_WORDS[COMP_CWORD]} kind= value help
    COMPREPLY=()
    while IFS=$'\t' read -r value help; do
        if [[ -z $kind ]]; then
            kind=$value
        elif [[ $current == [\"\']* ]]; then
            COMPREPLY+=("$value")
        else
            COMPREPLY+=("$(printf '%q' "$value")")
        fi
    done < <("$command" completion bash --line "${COMP_LINE:0:COMP_POINT}" </dev/null 2>/dev/null)
    if [[ $kind == file ]]; then
        compopt -o default 2>/dev/null
    fi
}
complete -o nosort -F _headgate_completion headgate 2>/dev/null || complete -F _headgate_completion headgate
