#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The units are what systemd takes without a word, the sandbox is as tight as promised, the users and folders are right,
# and each line of the shipped configuration can be put in force. check-units.sh BUILD: a configured build folder.
set -euo pipefail
. tests/lint/files.sh

build=$1
doed_exposure_max=0.5
doed_pci_exposure_max=1.5

for program in systemd-analyze systemd-sysusers systemd-tmpfiles; do
        if ! command -v $program >/dev/null; then
                echo "skipped: $program is not installed"
                exit 77
        fi
done
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"

DESTDIR=$root cmake -DCMAKE_INSTALL_PREFIX=/usr -P "$build/systemd/cmake_install.cmake" >/dev/null
units=$root/usr/lib/systemd/system

# property UNIT KEY: the value, of which there is one
property() {
        sed -n "s/^$2=//p" "$units/$1"
}

check_syntax() {
        local unit program said

        # the programs stand where another folder installs them
        for unit in "$units"/*.service; do
                program=$(property "${unit##*/}" ExecStart)
                install -D /bin/true "$root${program%% *}"
                sed -i "s,^\(Exec[A-Za-z]*=\)/,\1$root/," "$unit"
        done
        said=$(SYSTEMD_UNIT_PATH=$units: systemd-analyze verify --man=no "$units"/doed* 2>&1) ||
                complain "systemd-analyze fails"
        [ -z "$said" ] || complain "$said"
}

# check_exposure SERVICE MAX
check_exposure() {
        local said

        said=$(systemd-analyze security --offline=yes --no-pager "$units/$1" 2>&1 |
                sed -n "s/.*Overall exposure level for $1: \([0-9.]*\).*/\1/p")
        echo "$1: exposure $said"
        if ! awk -v is="$said" -v max="$2" 'BEGIN { exit !(is != "" && is + 0 <= max + 0) }'; then
                complain "$1: exposure ${said:-unknown}, more than $2"
        fi
}

# has UNIT KEY VALUE
has() {
        [ "$(property "$1" "$2")" = "$3" ] || complain "$1: $2= is \"$(property "$1" "$2")\", not \"$3\""
}

# What the rest of the project counts on.
check_promises() {
        local unit

        for unit in doed.service doed-pci.service; do
                has $unit StartLimitIntervalSec 0
                has $unit Restart always
                has $unit Type notify
                if grep -E '^(Condition|Assert|BindsTo|RuntimeDirectory)' "$units/$unit"; then
                        complain "$unit: depends on what may not be there, or removes what is to stay"
                fi
        done
        has doed.service User doed
        has doed.service CapabilityBoundingSet ""
        has doed.service RestrictAddressFamilies AF_UNIX
        has doed-pci.service CapabilityBoundingSet CAP_SYS_ADMIN
        has doed-pci.socket ListenStream /run/doed-pci/wire
        has doed-pci.socket SocketMode 0600
        has doed-pci.socket SocketUser doed
}

# folder PATH MODE: of root, in the scratch root
folder() {
        local is

        is=$(stat -c '%F %a %U:%G' "$root$1" 2>&1) || true
        [ "$is" = "directory $2 root:root" ] || complain "$1 is \"$is\", not a folder of root with mode $2"
}

check_users_and_folders() {
        mkdir -p "$root/etc"
        systemd-sysusers --root="$root" 2>/dev/null || complain "systemd-sysusers fails"
        grep -qE '^doed:x:[0-9]+:[0-9]+:[^:]*:/:/usr/sbin/nologin$' "$root/etc/passwd" ||
                complain "there is no user doed"
        grep -q '^doed:' "$root/etc/group" || complain "there is no group doed"
        grep -qE '^doe:[^:]*:[0-9]+:$' "$root/etc/group" || complain "there is no group doe, without members"
        if [ "$(id -u)" != 0 ]; then
                echo "not root: the folders are not checked"
                return
        fi
        systemd-tmpfiles --root="$root" --create 2>/dev/null || complain "systemd-tmpfiles fails"
        folder /run/doed 755
        folder /run/doed-pci 755
        folder /run/doed-pci/lock 700
        folder /run/doed-pci/state 700
        folder /run/doed-pci/power 700
        folder /etc/doed 755
}

# Nothing of the shipped configuration is in force, and all of it could be.
check_configuration() {
        local doed=$build/daemon/bus/doed config

        config=$(find "$root" -path '*/etc/doed/doed.conf')

        if [ ! -x "$doed" ]; then
                echo "$doed is not built: the configuration is not checked"
                return
        fi
        if grep -vE '^(#|$)' "$config"; then
                complain "doed.conf: says something"
        fi
        sed -i -E 's/^#(\[|[A-Za-z]+=)/\1/; s/^Group=doe$/Group=root/' "$config"
        "$doed" --config "${config%/*}" --check-config || complain "doed.conf: what it shows is wrong"
        "$doed" --config "${config%/*}" --dump-config | grep -q '^\[Rule hands-off\]' ||
                complain "doed.conf: its rules are not read"
}

check_exposure doed.service $doed_exposure_max
check_exposure doed-pci.service $doed_pci_exposure_max
check_promises
check_syntax
check_users_and_folders
check_configuration

verdict
