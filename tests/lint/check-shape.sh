#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Functions of at most 60 lines, files of at most 800, and no // comments: see CONTRIBUTING.md.
set -euo pipefail
. tests/lint/files.sh

function_lines_max=60
file_lines_max=800

while read -r line; do
        complain "$line"
done < <(tree_files -name '*.[ch]' | xargs awk -v function_max=$function_lines_max -v file_max=$file_lines_max '
        FNR == 1 { start = 0 }
        FNR == file_max + 1 { print FILENAME ": has more than " file_max " lines" }
        /^[A-Za-z_].*\) \{$/ { start = FNR }
        /^ .*\) \{$/ && !start && continued { start = FNR }
        /^[A-Za-z_].*[(,]$/ { continued = 1 }
        /^\}/ {
                if (start && FNR - start - 1 > function_max)
                        print FILENAME ":" start ": a function of " FNR - start - 1 " lines"
                start = continued = 0
        }
        /^[[:space:]]*\/\// { print FILENAME ":" FNR ": a // comment" }')

verdict
