#!/bin/sh
# Makes tests/data/stores: finished stores of earlier versions, and what is read out of them. Each store was made by a
# program of its time; a new version of the store adds a line below, made by the last program that wrote it.
#
#   v1  by the parent of commit 8b0b0be, which brought version 2
#   v2  by commit 94b335b, the last before version 3; it also wrote expected/
#
# Usage: stores.sh PROGRAM MAKE_TINY_MODEL TESTS_DATA VERSION        makes stores/vVERSION by PROGRAM
#        stores.sh PROGRAM MAKE_TINY_MODEL TESTS_DATA expected       reads all stores by PROGRAM into stores/expected
set -eu
program=$1 make_tiny_model=$2 data=$(cd "$3" && pwd) what=$4
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../support/store_outputs.sh"
sinkscope() { "$program" "$@"; }
work=/tmp/sinkscope-stores # the manifests name it
export SINKSCOPE_DATA=$work
rm -rf "$work"
mkdir "$work"
"$make_tiny_model" "$data" "$work/tiny"
cp "$data/stores/prompts.jsonl" "$work/"
cd "$work"

if [ "$what" = expected ]; then
    rm -rf "$data/stores/expected"
    for store in "$data"/stores/v*; do
        version=$(basename "$store")
        cp -r "$store" "$version"
        store_outputs "$version" "read/$version"
        mkdir -p "$data/stores/expected/$version"
        cp "read/$version/page.txt" "read/$version/answer.txt" "$data/stores/expected/$version/"
        store_sums "read/$version" >"$data/stores/expected/$version/sums"
    done
    exit
fi

cat >study.yaml <<'YAML'
study: stored
question: Can an older store be read?
model: tiny
prompts: {file: prompts.jsonl}
seeds: [1, 2]
sampler: {steps: 2}
probes: [mass, trajectory, census]
measure: {sinks: 1}
conditions:
  sink:   {select: top,    k: [1, 5], edit: mask, blocks: [1]}
  random: {select: random, k: 1, edit: mask, blocks: [1]}
  other:  {prompt: swap-attribute}
metrics: [judge, rmse]
primary: rmse
contrasts:
  - {what: sink k=1 - random}
  - {what: sink - baseline}
YAML
sinkscope run study.yaml -o "$what" --quiet >/dev/null
rm -rf "$data/stores/$what"
cp -r "$what" "$data/stores/"
