# Completion of `headgate` for fish:  headgate completion fish > ~/.config/fish/completions/headgate.fish
function __headgate_completion
    set -l words (commandline -opc)
    set -l answer ($words[1] completion fish --line "$(commandline -cp)" </dev/null 2>/dev/null)
    if test "$answer[1]" = file
        __fish_complete_path (commandline -ct)
    else if set -q answer[2]
        printf '%s\n' $answer[2..-1]
    end
end
complete --command headgate --no-files --keep-order --arguments '(__headgate_completion)'
