#!/bin/sh
# A study in which an edit drives images to infinity: the images are stored as failed, the rest of the study is as it
# would be without them, and every table counts them. In the model of this test one weight is so large that noise on
# values overflows, and nothing else does.
. "$(dirname "$0")/common.sh"

weights=tiny/transformer/diffusion_pytorch_model.safetensors
check 'a weight is scaled' "$SPOIL_TENSOR" $weights transformer_blocks.1.attn.to_out.0.weight x1e34
study() { # NAME SD
    cat >"$1.yaml" <<YAML
study: loud
model: tiny
prompts: {file: prompts.jsonl}
seeds: [1, 2]
sampler: {steps: 3}
probes: [mass, trajectory, census]
measure: {sinks: 1}
conditions:
  sink:  {select: top, k: 1, edit: mask, blocks: [1]}
  loud:  {select: random, k: 5, edit: noise, sd: $2, blocks: [1], phase: [0.3, 1]}
  other: {prompt: swap-attribute}
metrics: [judge, rmse]
primary: rmse
contrasts:
  - {what: loud - baseline}
  - {what: sink - loud}
YAML
}
study loud 1e6
study quiet 1
try 'run' 0 "failed: 'loud': 12 of 12 images are not finite and have no picture" sinkscope run loud.yaml -o loud
check 'a contrast without a mean has a bound' grep -qE '^loud - baseline +- +rmse +6 +at least \+.* 0\.0[0-9]+ .*; by ranks, 12 failed' said.out
check 'the judge calls them wrong' grep -qE '^loud +judge +all +0 +12 ' said.out
export_all loud failed
sinkscope export loud --table failures >failed/failures.csv
check 'one row an image that failed' test "$(wc -l <failed/failures.csv)" -eq 13
check 'the step, the block and the edit are named' grep -qE ',1,"?transformer: .* step 2 of 3 .*transformer_blocks\.1\.attn' failed/failures.csv
check 'their scores are written' test "$(grep -c ',loud,rmse,failed,' failed/scores.csv)" -eq 12
check 'their pictures are not' test ! -e loud/images/loud

# A distance between sets has nothing to hold: it says so.
try 'a set without images' 0 '' \
    sinkscope score loud --metric "{cmmd: {model: $SOURCE/models/shapes-clip, merges: $SOURCE/models/clip-bpe/merges.txt}}"
check 'a set of images that all failed' grep -qE '^cmmd +loud +0 +none: 12 images failed$' said.out
check 'the other sets are whole' grep -qE '^cmmd +other +12 ' said.out

# The same study with an edit that is not too large: nothing else has moved by a bit.
check 'run, quietly' sinkscope run quiet.yaml -o quiet --quiet
export_all quiet quietly
for table in scores units sites sinks; do
    grep -v ',loud,' failed/$table.csv >one.csv
    grep -v ',loud,' quietly/$table.csv >other.csv
    same "$table of the others" one.csv other.csv
done
rm -rf quiet

# Killed on the way and resumed: a failed image is done.
timeout -s KILL 1 "$SINKSCOPE" run loud.yaml -o killed --quiet >/dev/null 2>&1
if [ -f killed/manifest.json ] && [ -f killed/study.yaml ]; then check 'resume' sinkscope resume killed --quiet
else check 'run anew' sinkscope run loud.yaml -o killed --quiet; fi
export_all killed resumed
sinkscope export killed --table failures >resumed/failures.csv
same 'exports after a resume' failed resumed

try 'verify' 0 'failed   12, not finite' sinkscope verify loud --remake 100
check 'verify made all again' grep -qE '^remade +54, differing: 0' said.out
try 'report' 0 'report  loud/report/index.html' sinkscope report loud
check 'the page counts them' grep -q '<section id="failed">' loud/report/index.html
check 'the page shows where a picture is missing' grep -q '<span class="blank">failed</span>' loud/report/index.html
check 'LaTeX counts them' grep -qF 'loud & picture & 12 & 12' loud/report/tables.tex
check 'a table counts them' grep -qx 'loud,,12,12' loud/report/failed.csv
check 'effects have their columns' grep -q ',failed_a,failed_b,' loud/report/effects.csv
try 'compare' 0 'page' sinkscope compare loud sink loud -o pair.html
check 'the comparison shows where a picture is missing' grep -q '<span class="blank">failed</span>' pair.html
try 'findings' 0 'findings' sinkscope findings loud -o found.md
check 'findings say it' grep -q 'by ranks, 12 failed' found.md
try 'stats' 0 'signed rank' sinkscope stats failed/scores.csv --metric rmse --contrast 'sink-loud' --worst highest
check 'stats count them' grep -qE '^  failed_b +12 ' said.out
try 'stats, side unknown' 2 '--worst' sinkscope stats failed/scores.csv --metric rmse --contrast 'sink-loud'

# A weight so large that the baseline is not finite ends the run.
check 'a weight is scaled further' "$SPOIL_TENSOR" $weights transformer_blocks.1.attn.to_out.0.weight x1e4
rm -rf broken
try 'a baseline that is not finite' 3 'not finite' sinkscope run loud.yaml -o broken --quiet
finish
