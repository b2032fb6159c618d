#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every C file is as clang-format 14 leaves it; other versions break lines in other places.
set -euo pipefail
. tests/lint/files.sh

wanted=14
program=$(command -v "clang-format-$wanted" || command -v clang-format || true)
if [ -z "$program" ]; then
        echo "skipped: clang-format $wanted is not installed"
        exit 77
fi
version=$("$program" --version | sed -nE 's/.*version ([0-9]+)\..*/\1/p')
if [ "$version" != "$wanted" ]; then
        echo "skipped: clang-format $wanted is wanted, and this is $version"
        exit 77
fi

tree_files -name '*.[ch]' | xargs -P "$(nproc)" -n 16 "$program" --dry-run -Werror --style=file
