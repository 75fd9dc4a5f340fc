# What the end-to-end scripts share; each sources it. It makes a work folder with the tiny model and goes there.
# Environment, set by meson.build: SINKSCOPE (the program), MAKE_TINY_MODEL, TESTS_DATA, BUILD, SOURCE.
# Prints what failed, and at the end cmocka's words, so that tests/run counts each check.
set -u
: "${SINKSCOPE:?}" "${MAKE_TINY_MODEL:?}" "${TESTS_DATA:?}"
here=$(cd "$(dirname "$0")" && pwd)
# In memory where there is room: stores sync often, and the disk is not what is tested.
free=$([ -w /dev/shm ] && df -kP /dev/shm | awk 'END { print $4 }')
[ "${free:-0}" -lt 2000000 ] && place=/tmp || place=/dev/shm
work=$(mktemp -d "${TMPDIR:-$place}/sinkscope-e2e.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
cd "$work" || exit 1
export SINKSCOPE_DATA="$work/nothing" # the installed data must not answer for the tests' own
passed=0 failed=0 skipped=0

# sinkscope ...: the program under test.
sinkscope() { "$SINKSCOPE" "$@"; }

pass() { passed=$((passed + 1)); }
skip() { skipped=$((skipped + 1)); echo "skipped: $*"; }
fail() {
    failed=$((failed + 1))
    echo "FAILED: $1"
    shift
    for line; do printf '    %s\n' "$line"; done
}

# check WHAT COMMAND...: the command must succeed.
check() {
    what=$1
    shift
    if "$@" >"$work/.out" 2>&1; then pass; else fail "$what" "exit $? of: $*" "$(head -n 20 "$work/.out")"; fi
}

# same WHAT A B: two files or folders must hold the same bytes.
same() { check "$1" diff -rq "$2" "$3"; }

# try WHAT CODE WORDS COMMAND...: it must end with CODE and say WORDS (a fixed string, '' = anything) on either stream;
# what it said stays in said.out and said.err.
try() {
    what=$1 code=$2 words=$3
    shift 3
    got=0
    "$@" >"$work/said.out" 2>"$work/said.err" </dev/null || got=$?
    if [ "$got" -ne "$code" ]; then
        fail "$what" "exit code $got, expected $code: $*" "$(tail -n 5 "$work/said.err")"
    elif ! cat "$work/said.out" "$work/said.err" | grep -qF -- "$words"; then
        fail "$what" "does not say: $words" "says: $(head -c 1500 "$work/said.err")"
    else pass; fi
}

# clean WHAT FOLDER: no half-written file lies in the folder.
clean() {
    left=$(find "$2" -name '*.tmp*' 2>/dev/null)
    if [ -z "$left" ]; then pass; else fail "$1" "left behind: $left"; fi
}

# Exports of every table of a store into a folder.
export_all() { # STORE FOLDER
    mkdir -p "$2"
    for table in scores units sites sinks trajectories; do sinkscope export "$1" --table $table >"$2/$table.csv" || return 1; done
}

finish() {
    [ "$skipped" -eq 0 ] || echo "[  SKIPPED ] $skipped test(s)."
    [ "$failed" -eq 0 ] || echo "[  FAILED  ] $failed test(s)."
    echo "[  PASSED  ] $passed test(s)."
    [ "$failed" -eq 0 ]
    exit
}

"$MAKE_TINY_MODEL" "$TESTS_DATA" "$work/tiny" || exit 1
cat >prompts.jsonl <<'END'
{"tag": "colors", "include": [{"class": "star", "count": 1, "color": "red"}], "prompt": "a red star"}
{"tag": "colors", "include": [{"class": "circle", "count": 1, "color": "blue"}], "prompt": "a blue circle"}
{"tag": "counting", "include": [{"class": "cross", "count": 2}], "prompt": "two crosses"}
{"tag": "counting", "include": [{"class": "heart", "count": 3}], "prompt": "three hearts"}
{"tag": "single_object", "include": [{"class": "diamond", "count": 1}], "prompt": "a diamond"}
{"tag": "single_object", "include": [{"class": "star", "count": 1}], "prompt": "a star"}
END

# The study of the tests: every kind of condition, measurement and file of a store, 78 images.
cat >study.yaml <<'END'
study: tiny
question: Does the model need its attention sinks?
model: tiny
prompts: {file: prompts.jsonl, sample: 4, stratify: tag}
seeds: [1, 2]
sampler: {steps: 4}
probes: [mass, entropy, concentration, value, persistence, activation, trajectory, reduction, census]
measure: {sinks: 2, masses: true}
conditions:
  sink:   {select: top,    k: [1, 5], edit: mask, phase: [0.5, 1]}
  random: {select: random, k: [1, 5], edit: mask, phase: [0.5, 1]}
  zero:   {select: index, at: clip 0, edit: zero, blocks: [1]}
  few:    {sampler: {steps: 3}}
  other:  {prompt: swap-attribute}
metrics: [judge, rmse, psnr]
primary: rmse
contrasts:
  - {what: sink - random}
  - {what: sink - baseline, margin: calibrated}
  - {what: zero - random k=1, margin: 0.01, why: two or three levels of 256 are not seen}
END
