#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The tree is as the README draws it: every folder stands in its map and every row of the map is a folder, links
# lead somewhere, the top level holds what it may hold, and nothing is left for later.
set -euo pipefail
. tests/lint/files.sh

top_level='protocols dbus daemon client systemd tests CMakeLists.txt README.md
        try check LICENSES CONTRIBUTING.md CHANGELOG.md'
# as one pattern that does not find itself
unfinished='\b(TO''DO|FIX''ME|XX''X|HA''CK)\b|not implemen''ted'

while read -r name; do
        if [[ $name != .* ]] && ! grep -qwF -- "$name" <<<"$top_level"; then
                complain "$name: does not belong to the top level"
        fi
done < <(tree_files | cut -d/ -f1 | sort -u)

# folders of the first level, and of the second where the first is only a roof
folders() {
        tree_files -path './*/*' | grep -vE '^(\.|LICENSES/)' | cut -d/ -f1 | sort -u | grep -vxE 'daemon|tests'
        tree_files '(' -path './daemon/*/*' -o -path './tests/*/*' ')' | cut -d/ -f1,2 | sort -u
}

map=$(sed -nE 's/^\| `([a-z/-]+)\/` \|.*/\1/p' README.md)
while read -r folder; do
        if ! grep -qxF "$folder" <<<"$map"; then
                complain "README.md: its map does not show $folder/"
        fi
done < <(folders)
while read -r folder; do
        if [ ! -d "$folder" ]; then
                complain "README.md: its map shows $folder/, which is not there"
        fi
done <<<"$map"

while IFS=: read -r file line link; do
        target=${link#*](}
        target=${target%%[)#]*}
        if [ -n "$target" ] && [[ $target != http* ]] && [ ! -e "$(dirname "$file")/$target" ]; then
                complain "$file:$line: $target is not there"
        fi
done < <(tree_files -name '*.md' | xargs grep -noE '\]\([^)]+' /dev/null)

while read -r hit; do
        complain "$hit"
done < <(tree_files '(' -name '*.[ch]' -o -name '*.sh' -o -name '*.py' -o -name '*.txt' -o -name '*.md' \
        -o -name '*.cmake' -o -name '*.xml' ')' ! -path './LICENSES/*' |
        xargs grep -nE "$unfinished" /dev/null || true)

verdict
