#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The layers: who may include whom, and who may know the bus, the event loop, libpci and threads.
set -euo pipefail
. tests/lint/files.sh

# Folder of the file, and then the folders that it may include from. The longest match counts.
layers="
protocols/       protocols/
dbus/            dbus/
daemon/util/     daemon/util/
daemon/wire/     daemon/wire/ daemon/util/ protocols/
daemon/config/   daemon/config/ daemon/util/ protocols/
daemon/core/     daemon/core/ daemon/config/ daemon/util/ protocols/ dbus/
daemon/bus/      daemon/bus/ daemon/core/ daemon/wire/ daemon/config/ daemon/util/ dbus/ protocols/
daemon/pci/      daemon/pci/ daemon/wire/ daemon/config/ daemon/util/ protocols/
client/          client/ dbus/ protocols/
tests/           tests/ daemon/ client/ dbus/ protocols/
"

# Folders that decide or parse: bytes and time in, structs and decisions out.
pure='^(protocols|dbus|daemon/core)/'
impure='<(systemd|event2|pci|dbus)/|<(event|pthread|threads|libudev|fuse[0-9]*)\.h>|<sys/(socket|epoll|mman)\.h>'
# libpci and udev stay behind the host of daemon/pci
device='<pci/|<libudev\.h>'

allowed_of() {
        local folder rest best="" best_rest=""

        while read -r folder rest; do
                if [ -n "$folder" ] && [[ $1 == "$folder"* ]] && [ ${#folder} -gt ${#best} ]; then
                        best=$folder best_rest=$rest
                fi
        done <<<"$layers"
        echo "$best_rest"
}

check_quoted() {
        local file=$1 line=$2 included=$3 folder

        if [ ! -f "$included" ]; then
                complain "$file:$line: \"$included\" is not a path from the root"
                return
        fi
        for folder in $(allowed_of "$file"); do
                if [[ $included == "$folder"* ]]; then
                        return
                fi
        done
        complain "$file:$line: must not include \"$included\""
}

while IFS=: read -r file line text; do
        if [[ $text =~ \"([^\"]+)\" ]]; then
                check_quoted "$file" "$line" "${BASH_REMATCH[1]}"
        elif [[ $file =~ $pure ]] && [[ $text =~ $impure ]]; then
                complain "$file:$line: $text has no place in a folder without I/O and threads"
        elif [[ $file != daemon/pci/* && $file != tests/* ]] && [[ $text =~ $device ]]; then
                complain "$file:$line: $text belongs to daemon/pci"
        fi
done < <(tree_files -name '*.[ch]' | xargs grep -nE '^[[:space:]]*#[[:space:]]*include' /dev/null)

verdict
