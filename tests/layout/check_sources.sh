#!/bin/sh
# House rules that a machine can check. Usage: check_sources.sh ROOT
set -eu
cd "$1"
bad=0
say() { echo "$*"; bad=1; }
for file in */*.c */*.h */*.cc text/*/*.[ch]; do
    [ -f "$file" ] || continue
    case $file in build*) continue ;; esac
    lines=$(wc -l < "$file")
    [ "$lines" -le 720 ] || say "$file has $lines lines; a file over about 700 is two things"
    head -n 1 "$file" | grep -q '^/\*' || say "$file does not open with a paragraph that says what it is"
    case $file in
    cli/*|examples/*|bench/*) ;;
    *) if grep -nE '(^|[^a-z_])(exit|_exit|printf|puts|perror) *\(' "$file" | grep -vE '^\S+ *(/?\*|//)' ; then say "$file: only cli/ prints or exits"; fi ;;
    esac
    grep -nE '^[[:space:]]*//' "$file" && say "$file: comments are /* */"
done
find . -path ./.git -prune -o -path './build*' -prune -o '(' -name '*.cc' -o -name '*.cpp' ')' -print |
    grep -v '^./bench/sdcpp/' && say "C++ is for bench/sdcpp alone, whose peer has no C interface"
[ $bad -eq 0 ] && echo "sources keep the house rules"
exit $bad
