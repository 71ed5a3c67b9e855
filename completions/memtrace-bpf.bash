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
        case $word in
            stats | diff | top | leaks | export | import | probes | doctor | start | checkpoint | checkpoints | snapshot | clear | reset-peak | status | where | stop) command=$word ;;
        esac
    done
    case $previous in
        -p | --pid)
            words=$(cd /proc && printf '%s\n' [0-9]*)
            mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
            return ;;
        -o | --output | --summary | --socket | --checkpoint-dir)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            return ;;
        --domain)
            mapfile -t COMPREPLY < <(compgen -W "$(printf '%s ' {,+,-}{malloc,mmap,raw,mem,obj})" -- "$current")
            return ;;
        --compare)
            mapfile -t COMPREPLY < <(compgen -W "previous first" -- "$current")
            return ;;
        --to)
            mapfile -t COMPREPLY < <(compgen -W "tracemalloc pprof folded speedscope json csv" -- "$current")
            return ;;
        --python)
            mapfile -t COMPREPLY < <(compgen -W "$(printf '%s ' 3.{6..15})" -- "$current")
            return ;;
        --by)
            mapfile -t COMPREPLY < <(compgen -W "line file traceback function domain process thread" -- "$current")
            return ;;
        --sort)
            mapfile -t COMPREPLY < <(compgen -W "size count diff alloc freed age temporary alloc-rate free-rate" -- "$current")
            return ;;
        --show)
            mapfile -t COMPREPLY < <(compgen -W "size count average allocated freed rate alloc-rate free-rate byte-rate temporary age domain function" -- "$current")
            return ;;
        --color)
            mapfile -t COMPREPLY < <(compgen -W "auto always never" -- "$current")
            return ;;
        --filter | --min-size | --max-size | --older | --filename-parts | --preset | --save-preset) return ;;
        --histogram)
            # A flag of leaks.
            if [[ $command != leaks ]]; then
                mapfile -t COMPREPLY < <(compgen -W "total rows" -- "$current")
                return
            fi ;;
        --top) return ;;
        --lines)
            mapfile -t COMPREPLY < <(compgen -W "python native mixed" -- "$current")
            return ;;
        -i | --interval | -n | --rows | --duration | --snapshot-every | --snapshot-template | --snapshot-keep | --top-every | --frames | --checkpoint | --checkpoint-memory | --fail-over | --fail-growth | --live-blocks | --sites | --seconds | --mark | --allocator-prefix) return ;;
    esac
    local rows="--domain --filter --filter-all-frames --lines --by --cumulative --live --allocated --freed --min-size --max-size --older --sort
                --show --filename-parts --color --preset --save-preset"
    local trace="--pid --interval --top-every --rows $rows --duration --output --snapshot-every --snapshot-template --snapshot-keep --compare
                 --frames --live-blocks --sites --follow --threads --debuginfod --mark --max-overhead --no-redirect --plain --allocator-prefix --fail-over --fail-growth --summary
                 --checkpoint-memory --checkpoint-dir --socket --help"
    case $command in
        stats) words="--rows $rows --pretty --json --csv --histogram --tracebacks --most-recent-first --help" ;;
        top) words="--replay --interval --rows --compare --plain $rows --help" ;;
        diff) words="--pid --socket --rows $rows --growth --pretty --json --csv --histogram --tracebacks --most-recent-first --help" ;;
        start) words=$trace ;;
        leaks) words="--pid --older --top --min-size --max-size --show-allocs --trace --histogram --output --duration --frames --live-blocks --sites
                      --follow --threads --max-overhead --no-redirect --domain --filter --filter-all-frames --lines --color --help --" ;;
        checkpoint) words="--pid --socket --no-stop --help" ;;
        snapshot) words="--pid --socket --no-stop --output --checkpoint --help" ;;
        checkpoints | status | where) words="--pid --socket --json --help" ;;
        clear | reset-peak | stop) words="--pid --socket --help" ;;
        probes) words="--pid --seconds --no-redirect --allocator-prefix --help" ;;
        export) words="--to --python --output --domain --filter --filter-all-frames --lines --help" ;;
        import) words="--output --help" ;;
        doctor) words="--help" ;;
        *) words="$trace --version stats diff top leaks export import probes doctor start checkpoint checkpoints snapshot clear reset-peak status where stop --" ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
    if [[ $command =~ ^(stats|diff|top|leaks|export|import)$ ]]; then
        compopt -o filenames
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$current")
    fi
}
complete -F _memtrace_bpf memtrace-bpf
