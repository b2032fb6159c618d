#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What shellcheck and pyflakes have to say of the scripts.
set -euo pipefail
. tests/lint/files.sh

for program in shellcheck pyflakes3; do
        if ! command -v $program >/dev/null; then
                echo "skipped: $program is not installed"
                exit 77
        fi
done

while read -r file; do
        case $(head -n 1 "$file" | tr -d '\0') in
        '#!'*/bash | '#!'*/sh) shellcheck -x --severity=warning "$file" || complain "$file: see above" ;;
        '#!'*python3) pyflakes3 "$file" || complain "$file: see above" ;;
        esac
done < <(tree_files)
pyflakes3 tests/integration/doed_client.py || complain "see above"
shellcheck -x --severity=warning tests/*.sh tests/*/*.sh || complain "see above"

verdict
