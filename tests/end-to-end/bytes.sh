#!/bin/sh
# What the program computes does not change unseen: images, traces, exports and reports of a fixed set of runs (both
# models that ship, every selector, edit and probe) have the checksums of tests/data/bytes.sha256, under SS_ISA=avx2.
# A commit that must change one says why, and takes the new sums: UPDATE=1 in the environment writes the file anew.
. "$(dirname "$0")/common.sh"

export SS_ISA=avx2
if ! sinkscope generate tiny --prompt x --steps 1 -o works >/dev/null 2>said.err && grep -q avx2 said.err; then
    skip 'this processor has no AVX2'
    finish
fi
rm -rf works
ln -s "$SOURCE/models" models
sums=$TESTS_DATA/bytes.sha256

study() { # MODEL
    cat >"$1.yaml" <<YAML
study: bytes
model: models/$1
prompts: {file: prompts.jsonl}
seeds: [7]
sampler: {steps: 2}
probes: [$probes]
measure: {sinks: 2}
conditions:
  top: {select: top, k: 1, edit: mask}
  random: {select: random, k: 2, exclude: top, edit: mask}
  index: {select: index, at: 'clip 3', k: 1, edit: scale, eta: 0.5, blocks: [1]}
  bottom: {select: bottom, k: 2, edit: identity}
  text: {select: text-top, k: 1, edit: shift, beta: 2, scope: layer, blocks: [1]}
  image: {select: image-top, k: 1, edit: zero, blocks: [0]}
  mass: {select: mass-matched, k: 2, edit: mean}
  type: {select: type-matched, k: 2, edit: lerp, alpha: 0.25}
  paired: {select: top-matched, k: 2, edit: mask}
  carrying: {select: top-carrying, k: 2, edit: noise, sd: 0.5}
  share: {select: top-mass, mass: 0.3, edit: norm-matched}
  drawn: {select: random-mass, mass: 0.3, edit: rescale}
  token: {select: token, class: start, k: 1, edit: mask, blocks: [1], phase: [0.3, 1]}
  null: {edit: 'null', score: 2}
  query: {select: query, k: 2, edit: query-mean}
  rows: {select: query-random, k: 2, edit: query-mean}
  other: {prompt: swap-attribute}
sham: 1
metrics: [judge, clip-t, rmse, ssim]
primary: rmse
contrasts:
  - {what: top - random}
  - {what: null - baseline}
YAML
}

# An edit that came after the set, in a study of its own, so that the set's tables stay.
cat >direct.yaml <<YAML
study: direct
model: models/shapes-sd3
prompts: {file: prompts.jsonl}
seeds: [7]
sampler: {steps: 2}
conditions:
  direct: {select: bottom, k: 2, edit: identity-direct}
metrics: [rmse]
primary: rmse
contrasts:
  - {what: direct - baseline}
YAML

# Every word that `list` prints stands in the study, or it would not be the whole set.
words_of() { sinkscope list "$1" | sed -n 's/^  \([a-z][a-z-]*\)  .*/\1/p'; }
probes=$(words_of probes | paste -sd, -)
study shapes-sd3
for kind in selectors edits; do
    for word in $(words_of $kind); do
        check "the set has $word" grep -qE "(select|edit): '?$word'?[,}]" shapes-sd3.yaml direct.yaml
    done
done

for model in shapes-sd3 shapes-sdxl; do
    study $model
    mkdir $model
    check "generate, $model" sinkscope generate models/$model --prompt 'a red circle and a blue star' --seed 7 --steps 3 -o $model/generated
    check "trace, $model" sinkscope trace models/$model --prompt 'a red circle' --seed 7 --steps 2 -o $model/traced
    check "run, $model" sinkscope run $model.yaml -o $model/store --limit 1 --quiet
    check "report, $model" sinkscope report $model/store
    for table in scores units sites trajectories sinks blocks failures cuts actions; do
        check "export $table, $model" sh -c "'$SINKSCOPE' export $model/store --table $table >$model/$table.csv"
    done
done
check 'run, every row direct' sinkscope run direct.yaml -o shapes-sd3/direct --limit 1 --quiet
# The model's place; the name of another backend, whose bytes are the same (tests/far/).
sed -i "s|$work/||g; s|>${SS_BACKEND:-cpu}; cpu |>cpu; cpu |" shapes-sd3/store/report/index.html shapes-sdxl/store/report/index.html
find shapes-sd3 shapes-sdxl -type f ! -name '*.sqlite' ! -name manifest.json ! -name lock ! -name study.yaml | LC_ALL=C sort | xargs sha256sum >found
if [ -n "${UPDATE:-}" ]; then cp found "$sums"; fi
diff "$sums" found >differ && pass || fail 'the checksums of tests/data/bytes.sha256' "$(cat differ)"
finish
