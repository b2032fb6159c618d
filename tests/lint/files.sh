# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The files of the tree, with or without git, and one way to complain. Sourced by the checks, which run at the root.

# tree_files [FIND-EXPRESSION...]: paths below the root, without what git and builds leave there
tree_files() {
        find . \( -path './.git' -o -path './build*' -o -name __pycache__ \) -prune -o -type f "$@" -print |
                sed 's,^\./,,' | LC_ALL=C sort
}

n_complaints=0

complain() {
        echo "$*" >&2
        n_complaints=$((n_complaints + 1))
}

# the last line of each check
verdict() {
        echo "$n_complaints complaints"
        [ "$n_complaints" = 0 ]
}
