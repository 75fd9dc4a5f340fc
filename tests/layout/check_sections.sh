#!/bin/sh
# Every section of docs/METHOD.md that a source or a document cites exists. A citation reads 'METHOD.md, section N', 'METHOD.md, sections N and
# M' or 'METHOD.md (for the whole)', and may be broken over lines. Usage: check_sections.sh ROOT
set -eu
cd "$1"
headings() { sed -n 's/^## \([0-9][0-9]*\)\. .*/\1/p' "$1"; }
# The text of a file in one line, without the marks of comments at the beginning of its lines.
joined() { sed 's/^[[:space:]]*[*#][[:space:]]*//; s/[[:space:]]*$//' "$1" | tr '\n' ' '; }
check() { # METHOD FILE: prints what is wrong with the file's citations
    known=" $(headings "$1" | tr '\n' ' ')"
    joined "$2" | grep -oE 'method\.md.{0,30}' | sed "s|^|$2: write METHOD.md, section N: |" || true
    joined "$2" | grep -oE 'METHOD(\.md)?,? (§|sections?) ?[0-9][0-9.]*([ ,]+(and|to)? ?[0-9]+)*' | while read -r words; do
        case $words in
        "METHOD.md, section "* | "METHOD.md, sections "*) ;;
        *) echo "$2: write METHOD.md, section N: $words" ;;
        esac
        for n in $(echo "$words" | grep -oE '[0-9]+'); do
            case $known in *" $n "*) ;; *) echo "$2: $words: there is no section $n" ;; esac
        done
    done
}

# A check that cannot fail is none: the first lines are right, each of the others is wrong.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
printf '## 1. One\n\ntext\n\n## 2. Two\n' >"$folder/METHOD"
found() { printf '%b\n' "$1" >"$folder/line"; check "$folder/METHOD" "$folder/line"; }
while read -r line; do
    [ -z "$(found "$line")" ] || { echo "would refuse: $line"; exit 1; }
done <<'LINES'
/* Mass (METHOD.md, section 1). */
/* as docs/METHOD.md, sections 1 and 2, say */
/* the definitions (docs/METHOD.md,\n * section 2) */
tables of docs/METHOD.md
STATS_METHOD_EXACT 3
LINES
while read -r line; do
    [ -n "$(found "$line")" ] || { echo "would not find: $line"; exit 1; }
done <<'LINES'
/* Mass (METHOD.md, section 3). */
/* as METHOD.md, sections 1 and 3, say */
/* the definitions (docs/METHOD.md,\n * section 12) */
# the definitions (docs/METHOD.md, section\n# 12)
/* method.md section 2 */
/* method.md: random streams */
/* METHOD.md section 2 */
LINES

bad=$(
    for file in */*.c */*.h tests/*/*.c tests/*/*.h tests/*/*/*.c tests/*/*/*.h README.md CONTRIBUTING.md docs/*.md */meson.build tests/*/meson.build; do
        case $file in build*) continue ;; esac
        [ -f "$file" ] && grep -qi 'method' "$file" && check docs/METHOD.md "$file"
    done
    # Its own references: 'section 6' or 'sections 1 and 3'.
    for n in $(joined docs/METHOD.md | grep -oE '[Ss]ections? [0-9]+( (and|to) [0-9]+)?' | grep -oE '[0-9]+' | sort -un); do
        headings docs/METHOD.md | grep -qx "$n" || echo "docs/METHOD.md: there is no section $n"
    done
    # The numbers run from 1 without a gap.
    [ "$(headings docs/METHOD.md | tr '\n' ' ')" = "$(seq "$(headings docs/METHOD.md | wc -l)" | tr '\n' ' ')" ] || echo "docs/METHOD.md: sections are not numbered 1, 2, ..."
    true
)
[ -z "$bad" ] || { echo "$bad"; exit 1; }
echo 'every cited section of METHOD.md exists'
