#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The interface descriptions and the bus policy are well-formed.
set -euo pipefail
. tests/lint/files.sh

if ! command -v xmllint >/dev/null; then
        echo "skipped: xmllint is not installed"
        exit 77
fi

while read -r file; do
        if ! xmllint --noout --nonet "$file"; then
                complain "$file: is not well-formed"
        fi
done < <(tree_files -path './dbus/*' '(' -name '*.xml' -o -name '*.conf' -o -name '*.policy' ')')

verdict
