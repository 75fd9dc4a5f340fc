#!/bin/sh
# A row of a table is whole in one file: what a line of a list (rows.def, metrics.def, ...) names is defined in one source, and no second file of
# the program names it. What users type of a selector, edit, probe or metric, where it has a hyphen and so is no common word, stands in that file
# alone too. Usage: check_rows.sh ROOT
set -eu
cd "$1"
lists='attn/rows.def score/metrics.def sampler/schedulers.def sampler/pipelines.def cli/commands.def model/networks.def'
program='base io text nn attn tensor model sampler score stats study store run analysis report api cli'

# SYMBOL FILE: what is allowed. `token` admits as many text keys as `text-top`, by its function. The name of a random stream is part of what is
# computed. published.c is data: what papers ran.
allowed() {
    case "$1 $2" in
    "attn_selector_text_top attn/select_token.c" | "norm-matched attn/change.c") return 0 ;;
    esac
    case $1 in *-*) [ "$2" = report/published.c ] ;; *) return 1 ;; esac
}

symbols() { # of the lists in a folder
    for list in $lists; do
        [ -s "$list" ] || { echo "no list $list" >&2; exit 1; }
        sed -n -e 's/^SELECTOR(\(.*\))$/attn_selector_\1/p' -e 's/^EDIT(\(.*\))$/attn_edit_\1/p' -e 's/^PROBE(\(.*\))$/attn_probe_\1/p' \
            -e 's/^METRIC(\(.*\))$/metric_row_\1/p' -e 's/^SCHEDULER(\(.*\))$/SCHEDULER_\1/p' -e 's/^PIPELINE(\(.*\))$/PIPELINE_\1/p' \
            -e 's/^COMMAND(\(.*\))$/CLI_\1/p' -e 's/^NETWORK(\(.*\))$/network_\1/p' "$list"
    done
}
sources() { # of the program that are there
    for folder in $program; do
        [ ! -d "$folder" ] || find "$folder" -name '*.[ch]'
    done
}
code() { # of a file, without its comments
    awk '{ while (1) {
               if (inside) { if (!(n = index($0, "*/"))) next; $0 = substr($0, n + 2); inside = 0 }
               if (!(n = index($0, "/*"))) break
               printf "%s ", substr($0, 1, n - 1); $0 = substr($0, n + 2); inside = 1
           }
           print }' "$1"
}
names() { code "$2" | grep -qF -- "$1"; }
check() { # in the folder where it runs: prints what is wrong
    files=$(sources)
    symbols | while read -r row; do
        home=$(grep -lE "^const [a-z_]+ $row = *\{" $files) || home=
        case $home in
        '') echo "$row: no row 'const ... $row = {'"; continue ;;
        *[[:space:]]*) echo "$row is defined in" $home; continue ;;
        esac
        for file in $(grep -lw -- "$row" $files); do
            [ "$file" = "$home" ] || allowed "$row" "$file" || echo "$file names $row, the row of $home"
        done
        case $row in attn_* | metric_*) ;; *) continue ;; esac
        name=$(sed -n "/^const [a-z_]* $row = *{/,/}/p" "$home" | grep -oE '"[^"]+"' | head -n 1)
        case $name in *-*) ;; *) continue ;; esac
        for file in $(grep -lF -- "$name" $files); do
            [ "$file" = "$home" ] || ! names "$name" "$file" || allowed "$(echo "$name" | tr -d '"')" "$file" || echo "$file has $name, the name of a row of $home"
        done
    done
}

# A check that cannot fail is none: a right tree, then each fault in turn.
root=$PWD
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
for list in $lists; do
    mkdir -p "$tree/${list%/*}"
    echo '/* a list */' >"$tree/$list"
done
cd "$tree"
echo 'SELECTOR(a_b)' >>attn/rows.def
printf 'const attn_selector attn_selector_a_b = {\n    .about = {"a-b", "x"}};\n' >attn/one.c
[ -z "$(check)" ] || { echo "would refuse a right tree: $(check)"; exit 1; }
finds() { [ -n "$(check)" ] || { echo "would not find: $1"; exit 1; }; }
mkdir -p cli
echo 'run(&attn_selector_a_b);' >cli/two.c && finds 'a row named in a second file'
echo 'strcmp(name, "a-b")' >cli/two.c && finds 'a name in a second file'
printf '/* as "a-b"\n * and "a-b" */ int y;\n' >cli/two.c && [ -z "$(check)" ] || { echo 'would refuse a comment'; exit 1; }
cp attn/one.c cli/two.c && finds 'a row twice'
rm cli/two.c attn/one.c && echo 'int x;' >attn/one.c && finds 'a line without a row'
cd "$root"

bad=$(check)
[ -z "$bad" ] || { echo "$bad"; exit 1; }
echo "$(symbols | wc -l) rows, each in one file"
