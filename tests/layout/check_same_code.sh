#!/bin/sh
# tools/same-code on a program of three lines: comments and names change nothing, a number does. Usage: check_same_code.sh ROOT
set -eu
command -v git >/dev/null || { echo 'git is not there'; exit 77; }
tool=$1/tools/same-code
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/repository"
cd "$folder/repository"
git init -q .
commit() { git add -A && git -c user.name=t -c user.email=t@example.org commit -qm "$1"; }
mkdir cli
echo "project('toy', 'c', default_options: ['buildtype=release', 'b_ndebug=false'])
subdir('cli')" >meson.build
echo "executable('sinkscope', 'main.c')" >cli/meson.build
program() { # COMMENT FUNCTION NUMBER
    printf '%s\n' '#include <assert.h>' "$1" "static __attribute__((noinline)) int $2(int x) {" '    assert(x > 0 && "positive");' "    return x * $3;" '}' \
        "int main(int argc, char **argv) { (void)argv; return $2(argc); }" >cli/main.c
}
program '/* a */' run 7
commit base
program "$(printf '/* a comment\n * of three\n * lines */')" run 7
commit comment
program '/* a */' toy_run 7
commit name
program '/* a */' toy_run 9
commit number
export SAME_CODE_DIR="$folder/work"
expect() { # STATUS A B
    got=0
    answer=$("$tool" "$2" "$3") || got=$?
    [ "$got" -eq "$1" ] || { echo "$2 and $3: exit status $got, expected $1: $answer"; cat "$folder/work/log"; exit 1; }
}
expect 0 HEAD~3 HEAD~2
expect 0 HEAD~2 HEAD~1
expect 1 HEAD~1 HEAD
echo "$answer" | grep -q 'main.c' || { echo "does not name the object that differs: $answer"; exit 1; }
echo 'comments and names make the same code, a number does not'
