#!/bin/sh
# House rules that a machine can check. Usage: check_sources.sh ROOT
set -eu
cd "$1"
bad=0
say() { echo "$*"; bad=1; }

# Whether the comment that opens the file says why the file is long.
long_for_a_reason() { sed '/\*\//q' "$1" | grep -q 'Long: [a-z]'; }

# Functions of more than 80 lines, from the line that names them to the brace that ends them.
long_functions() {
    awk '
        FNR == 1 { name = ""; inside = 0 }
        !inside && /^[a-zA-Z_].*\(/ { name = $0; start = FNR }
        !inside && name != "" && /\{$/ { inside = 1 }
        !inside && /;$/ { name = "" }
        /^\}/ {
            if (inside && FNR - start + 1 > 80) print FILENAME ": " FNR - start + 1 " lines: " name
            inside = 0
            name = ""
        }' "$@"
}

# Comparisons with a particular backend: what a file needs of one is a member of its table.
compares_backends() { grep -nE '[=!]= *&?backend_|backend_[a-z]+ *[=!]=|->be *[=!]=|[=!]= *[a-z]+->be\b' "$@"; }

# What base/ has once: growth of arrays, listings, syncs.
written_anew() { grep -nE '\<(realloc|reallocarray|opendir|fdopendir|scandir|fsync|fdatasync)\>[[:space:]]*\(' "$@"; }

# Static functions that several files define: a backtrace would not say which one it is. What attention computes and the
# kernels it calls are not named apart yet.
shared_names() {
    grep -HoE '^static [a-zA-Z_][a-zA-Z0-9_ *]*[ *][a-z_0-9]+\(' "$@" | grep -vE '^(attn/|tensor/(attention|cpu))|__attribute__|ss_status\($' |
        sed -E 's/^([^:]+):.*[ *]([a-z_0-9]+)\($/\2 \1/' | sort -u | awk '{ n[$1]++; files[$1] = files[$1] " " $2 }
            END { for (name in n) if (n[name] > 1) print name ":" files[name] }'
}

# A check that cannot fail is none.
example=$(mktemp)
trap 'rm -f "$example"' EXIT
body() { echo 'static int f(int a,'; echo '             int b) {'; yes '    a++;' | head -n "$1"; echo '}'; }
body 77 >"$example"
[ -z "$(long_functions "$example")" ] || say "80 lines are taken for too many"
body 78 >"$example"
[ -n "$(long_functions "$example")" ] || say "81 lines of a function are not found"
echo '/* Long: one thing. */' >"$example"
long_for_a_reason "$example" || say "a reason is not found"
printf '/* A file. */\n/* Long: one thing. */\n' >"$example"
! long_for_a_reason "$example" || say "a reason is found behind the opening comment"

other=$(mktemp)
trap 'rm -f "$example" "$other"' EXIT
echo 'static int *same_name(void) {' | tee "$example" >"$other"
[ -n "$(shared_names "$example" "$other")" ] || say "a name in two files is not found"

for line in 'if (c->be == &backend_dry) return;' 'x = &backend_cpu != c->be;'; do
    echo "$line" >"$example"
    compares_backends "$example" >/dev/null || say "not found: $line"
done

for line in 'p = realloc(p, n);' 'int n = scandir (path, &e, NULL, alphasort);' 'if (fsync(fd) != 0) return;'; do
    echo "$line" >"$example"
    written_anew "$example" >/dev/null || say "not found: $line"
done

for file in */*.c */*.h */*.cc text/*/*.[ch]; do
    [ -f "$file" ] || continue
    case $file in build*) continue ;; esac
    lines=$(wc -l < "$file")
    [ "$lines" -le 500 ] || long_for_a_reason "$file" ||
        say "$file has $lines lines; over 500, its opening comment says why (Long: ...)"
    head -n 1 "$file" | grep -q '^/\*' || say "$file does not open with a paragraph that says what it is"
    case $file in
    cli/*|examples/*|bench/*) ;;
    *) if grep -nE '(^|[^a-z_])(exit|_exit|printf|puts|perror) *\(' "$file" | grep -vE '^\S+ *(/?\*|//)' ; then say "$file: only cli/ prints or exits"; fi ;;
    esac
    grep -nE '^[[:space:]]*//' "$file" && say "$file: comments are /* */"
done
compares_backends */*.c */*.h && say "no comparison with a particular backend"
for folder in io text tensor attn nn model sampler stats score study store run analysis report api cli; do
    written_anew $(find "$folder" -name '*.[ch]') && say "$folder/: base/array.h, base/folder.h and base/file.h have these"
done
long=$(long_functions */*.c text/*/*.c)
[ -z "$long" ] || say "$long
a function of more than 80 lines is two things"
shared=$(shared_names $(ls */*.[ch] text/*/*.[ch] | grep -vE '^(bench|build[^/]*|examples|tools)/'))
[ -z "$shared" ] || say "$shared
a static function that may appear in a backtrace has a name of its own"
find . -path ./.git -prune -o -path './build*' -prune -o '(' -name '*.cc' -o -name '*.cpp' ')' -print |
    grep -v '^./bench/sdcpp/' && say "C++ is for bench/sdcpp alone, whose peer has no C interface"
[ $bad -eq 0 ] && echo "sources keep the house rules"
exit $bad
