# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of doectl for fish. Commands, options and arguments come from doectl's own help; devices, mailboxes and
# features from doed, for which it waits one second at most.

# Is doed running? What is asked of it would start it, and to complete a word is no reason for that.
function __doectl_is_running
    test "$(timeout 1 busctl --system call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus \
        NameHasOwner s org.doed 2>/dev/null </dev/null)" = "b true"
end

# the values of the key $argv in what doed knows
function __doectl_live
    __doectl_is_running; or return 0
    timeout 1 doectl list --json --timeout=1 2>/dev/null </dev/null |
        string replace -rf '^ *"(?:'$argv')": "(.+)",?$' '$1' | sort -u
end

# of the mailbox or device $argv if it is known, otherwise all that have names
function __doectl_features
    set -l live
    if test -n "$argv"; and __doectl_is_running
        set live (timeout 1 doectl show --json --timeout=1 -- $argv 2>/dev/null </dev/null |
            sed -nE '/"feature":/,/\}/s/^ *"(feature|name)": "(.+)",?$/\2/p' | sort -u)
    end
    if set -q live[1]
        printf '%s\n' $live
    else
        printf '%s\n' discovery cma-spdm secured-cma-spdm spdm-connection-id secured-spdm-connection-id \
            async-message cxl-compliance cxl-table-access
    end
end

# the options in the help, whose lines are $argv, as "--name<TAB>text"; of those with a value "--name=<TAB>text"
function __doectl_options
    string replace -rf '^  (?:-.,|   ) (--[a-z-]+)(=?)[A-Z:]* +(.*)$' '$1$2'\t'$3' -- $argv
end

# what the help, whose lines are $argv[2..-1], calls the value of the option $argv[1], as it was typed; nothing if it has none
function __doectl_placeholder
    string match -qr '^(-[A-Za-z]|--[a-z-]+)$' -- $argv[1]; or return 0
    string replace -rf '^  (?:'$argv[1]', --[a-z-]+|(?:-.,|   ) '$argv[1]')=([A-Z]+) .*' '$1' -- $argv[2..-1]
end

function __doectl_values
    switch $argv[1]
        case PRIORITY
            printf '%s\n' urgent normal background
        case SCOPE
            printf '%s\n' feature mailbox
        case FILE
            __fish_complete_path $argv[2]
        case DIR
            __fish_complete_directories $argv[2]
        case MAILBOX
            __doectl_live mailbox
        case FEATURE
            __doectl_features
    end
end

# KIND as the usage line has it, such as MAILBOX|DEVICE; then the first argument, and the host. What another host has is
# not known.
function __doectl_positional
    for kind in (string split '|' (string replace -ra '[][]' '' -- $argv[1]))
        switch $kind
            case MAILBOX
                test -n "$argv[3]"; or __doectl_live mailbox
            case DEVICE
                test -n "$argv[3]"; or __doectl_live 'address|cxl-memory'
            case FEATURE
                test -n "$argv[3]"; and __doectl_features; or __doectl_features $argv[2]
            case '@FILE'
                set -l word (commandline -ct)
                if string match -q '@*' -- $word
                    __fish_complete_path (string sub -s 2 -- $word) | string replace -r '^' '@'
                end
        end
    end
end

function __doectl_complete
    set -l words (commandline -opc)
    set -l word (commandline -ct)
    set -l help (doectl --help 2>/dev/null </dev/null)
    or return
    set -l verb
    set -l placeholder
    set -l host
    set -l ends
    set -l arguments

    for given in $words[2..-1]
        if test -n "$placeholder"
            set placeholder
        else if test -z "$ends" -a "$given" = --
            set ends 1
        else if test -z "$ends"; and string match -qr '^-.' -- $given
            string match -qr '^(-H|--host)' -- $given; and set host 1
            set placeholder (__doectl_placeholder $given $help)
        else if test -z "$verb"
            set verb $given
            set help (doectl $verb --help 2>/dev/null </dev/null)
            or return
        else
            set -a arguments $given
        end
    end

    if test -n "$placeholder"
        __doectl_values $placeholder $word
    else if test -z "$ends"; and string match -qr '^--.*=' -- $word
        set -l option (string replace -r '=.*' '' -- $word)
        set placeholder (__doectl_placeholder $option $help)
        test -n "$placeholder"; or return 0
        __doectl_values $placeholder (string replace -r '^[^=]*=' '' -- $word) | string replace -r '^' -- "$option="
    else if test -z "$ends"; and string match -q -- '-*' $word
        __doectl_options $help
    else if test -z "$verb"
        string replace -rf '^  ([a-z]+) +(.*)$' '$1'\t'$2' -- $help
    else
        set -l kinds (string split -n ' ' -- (string replace -r '.*\[OPTION\.\.\.\]' '' -- $help[1]))
        set -l n (math (count $arguments) + 1)
        if set -q kinds[$n]
            __doectl_positional $kinds[$n] "$arguments[1]" "$host"
        end
    end
end

complete -c doectl -f -a '(__doectl_complete)'
