#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Each source file says its license, and it is that of its folder.
set -euo pipefail
. tests/lint/files.sh

sources() {
        tree_files '(' -name '*.[ch]' -o -name '*.py' -o -name '*.sh' -o -name '*.cmake' -o -name 'CMakeLists.txt' \
                -o -name '*.xml' -o -name '*.conf' -o -name '*.policy' -o -name '*.scenario' -o -perm -u+x ')' ! -path './LICENSES/*'
}

# expect LICENSE: of the files whose names are read
expect() {
        local file

        if [ ! -s "LICENSES/$1.txt" ]; then
                complain "LICENSES/$1.txt is missing"
        fi
        while read -r file; do
                complain "$file: does not say SPDX-License-Identifier: $1"
        done < <(xargs grep -L "SPDX-License-Identifier: $1" || true)
}

lesser='^(protocols|dbus|client)/'
expect LGPL-2.1-or-later < <(sources | grep -E "$lesser")
expect GPL-2.0-or-later < <(sources | grep -vE "$lesser")

verdict
