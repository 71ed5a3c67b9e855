# bash completion for memtrace-bpf
# shellcheck shell=bash

_memtrace_bpf() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command='' word words
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        # What stands behind "--" is another program's command line.
        if [[ $word == -- ]]; then
            compopt -o default
            mapfile -t COMPREPLY < <(compgen -c -- "$current")
            return
        fi
        case $word in stats | diff | probes | doctor) command=$word ;; esac
    done
    case $previous in
        -p | --pid)
            words=$(cd /proc && printf '%s\n' [0-9]*)
            mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
            return ;;
        -o | --output)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            return ;;
        --domain)
            mapfile -t COMPREPLY < <(compgen -W "$(printf '%s ' {,+,-}{malloc,mmap,raw,mem,obj})" -- "$current")
            return ;;
        --lines)
            mapfile -t COMPREPLY < <(compgen -W "python native" -- "$current")
            return ;;
        -i | --interval | -n | --rows | --duration | --snapshot-every | --snapshot-template | --frames | --live-blocks | --sites | --seconds | --mark) return ;;
    esac
    case $command in
        stats | diff) words="--rows --domain --lines --help" ;;
        probes) words="--pid --seconds --no-redirect --help" ;;
        doctor) words="--help" ;;
        *) words="--pid --interval --rows --domain --lines --duration --output --snapshot-every --snapshot-template --frames --live-blocks --sites
                  --follow --threads --mark --max-overhead --no-redirect --help --version stats diff probes doctor --" ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
    if [[ $command == stats || $command == diff ]]; then
        compopt -o filenames
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$current")
    fi
}
complete -F _memtrace_bpf memtrace-bpf
