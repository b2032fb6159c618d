#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The manual pages: clean for man and groff, no page refers to one of ours that is not there, and org.doed(5) has every
# method, property, signal and error of dbus/.
set -euo pipefail
. tests/lint/files.sh

for program in man groff; do
        if ! command -v $program >/dev/null; then
                echo "skipped: $program is not installed"
                exit 77
        fi
done

mapfile -t pages < <(tree_files -regextype posix-extended -regex '\./(client|daemon|dbus)/.*\.[1-8](\.in)?')
ours='doed|doed-pci|doectl|doed\.conf|libdoe|org\.doed'

for page in "${pages[@]}"; do
        text=$(man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null) || text+="man fails"
        text+=$(groff -man -ww -z "$page" 2>&1) || text+="groff fails"
        [ -z "$text" ] || complain "$page: $text"
        grep -q 'SPDX-License-Identifier' "$page" || complain "$page: does not say its license"
        while read -r name section; do
                found=0
                for other in "${pages[@]}"; do
                        other=${other%.in}
                        [ "${other##*/}" != "$name.$section" ] || found=1
                done
                [ $found = 1 ] || complain "$page: refers to $name($section), which is not there"
        done < <(sed 's/\\-/-/g' "$page" | sed -nE "s/^\.BR ($ours) \(([1-8])\).*/\1 \2/p")
done
[ "${#pages[@]}" -ge 5 ] || complain "only ${#pages[@]} pages were found"

manual=$(sed 's/\\-/-/g' dbus/org.doed.5)
section=""
for file in dbus/*.xml; do
        interface=${file#dbus/}
        interface=${interface%.xml}
        # what stands between its heading and the next
        section=$(awk -v head=".SS $interface" '$0 == head { on = 1; next } /^\.S[HS]/ { on = 0 } on' <<<"$manual")
        while read -r kind name type; do
                case $kind in
                method | signal) pattern="(^|[^A-Za-z])$name\(" ;;
                property) pattern="(^|[^A-Za-z])$name ${type//[()\{\}]/.}([^a-z]|$)" ;;
                esac
                grep -qE -- "$pattern" <<<"$section" || complain "org.doed.5: $interface has no $kind $name $type"
        done < <(sed -nE 's/.*<(method|signal) name="([^"]+)".*/\1 \2 /p; s/.*<property name="([^"]+)" type="([^"]+)".*/property \1 \2/p' "$file")
done

# each error with its errno, its exit code and its meaning
declare -A codes
while read -r name number; do
        codes[$name]=$number
done < <(sed -nE 's/.*(DOE_EXIT_[A-Z_]+) = ([0-9]+).*/\1 \2/p' dbus/errors.h)
n_errors=0
while read -r kind name errno code; do
        [ "$kind" = OWN ] || name=org.freedesktop.DBus.Error.$name
        n_errors=$((n_errors + 1))
        grep -qxF -- ".BR $name \" $errno, exit ${codes[$code]-?}\"" <<<"$manual" ||
                complain "org.doed.5: has no $name with $errno, exit ${codes[$code]-?}"
done < <(sed -nE 's/.*\{ (OWN|STANDARD)\("([A-Za-z]+)"\), (E[A-Z]+), (DOE_EXIT_[A-Z_]+),.*/\1 \2 \3 \4/p' dbus/errors.c)
[ "$n_errors" -ge 20 ] || complain "only $n_errors errors were found in dbus/errors.c"

verdict
