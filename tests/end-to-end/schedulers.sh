#!/bin/sh
# Other schedulers than the model's, noise that they draw, noise as a card draws it: images, traces, studies that are
# run, cut short, resumed and verified.
. "$(dirname "$0")/common.sh"
"$MAKE_TINY_MODEL" "$TESTS_DATA" "$work/tiny-sdxl" tiny-sdxl || exit 1
draw() { # FOLDER FLAG...
    folder=$1
    shift
    check "generate $*" sinkscope generate tiny-sdxl --prompt 'a red star' --seed 3 "$@" -o "$folder"
}

check 'docs/FORMATS.md names every class' sh -c '"$SINKSCOPE" list schedulers | sed -n "s/^  \([A-Za-z0-9]*Scheduler\) .*/\1/p" >classes &&
    test "$(wc -l <classes)" -ge 18 && while read -r c; do grep -q "^| $c |" "$SOURCE/docs/FORMATS.md" || exit 1; done <classes'
check 'inspect tells the scheduler' sh -c '"$SINKSCOPE" inspect tiny-sdxl | grep -q ", scheduler EulerDiscreteScheduler$"'

# ---- images ----
draw own
draw ancestral --scheduler EulerAncestralDiscreteScheduler
draw again --scheduler EulerAncestralDiscreteScheduler
draw lcm --scheduler LCMScheduler --steps 2
draw karras --scheduler 'EulerDiscreteScheduler, use_karras_sigmas=true'
draw card --noise torch-cuda
for folder in ancestral lcm karras card; do
    check "$folder differs from the model's own" sh -c "! cmp -s own/00000-3.png $folder/00000-3.png"
done
same 'the same noise again' ancestral again
check 'the picture says so' grep -aqF ', scheduler: EulerAncestralDiscreteScheduler, sinkscope: ' ancestral/00000-3.png
check 'and how a card would hold it' grep -aqF ', noise: torch-cuda:84x1536, ' card/00000-3.png
try 'another picture in its place' 2 'is another picture (parameters: ' sinkscope generate tiny-sdxl --prompt 'a red star' --seed 3 --scheduler DDIMScheduler -o ancestral
try 'no such class' 3 "'Euler' is no scheduler for this model; expected EulerDiscreteScheduler, " sinkscope generate tiny-sdxl --prompt x --scheduler Euler -o no
try 'no such noise' 2 "--noise: noise is 'cuda'; expected torch, torch-cuda" sinkscope generate tiny-sdxl --prompt x --noise cuda -o no
try 'a flow over a diffusion' 3 "'FlowMatchEulerDiscreteScheduler' is no scheduler for this model; expected " sinkscope generate tiny-sdxl --prompt x --scheduler 'FlowMatchEulerDiscreteScheduler, force' -o no
try 'too many steps' 3 'expected at most 50, original_inference_steps' sinkscope generate tiny-sdxl --prompt x --scheduler LCMScheduler --steps 60 -o no

# ---- forced upon a flow, as the release did ----
try 'not without force' 3 "EulerDiscreteScheduler over this model's settings takes the output for epsilon; the model predicts flow_prediction" \
    sinkscope generate tiny --prompt 'a red star' --scheduler EulerDiscreteScheduler -o no
try 'force' 0 'note: EulerDiscreteScheduler is forced' sinkscope generate tiny --prompt 'a red star' --scheduler 'EulerDiscreteScheduler, force' -o forced
check 'labelled in the picture' grep -aqF 'scheduler: EulerDiscreteScheduler, force' forced/00000-0.png

# ---- traces: two calls a step ----
check 'trace' sinkscope trace tiny-sdxl --prompt 'a red star' --scheduler HeunDiscreteScheduler --noise torch-cuda:10x1024 -o traced
check 'the page tells it' grep -q 'scheduler HeunDiscreteScheduler, noise torch-cuda:10x1024' traced/trace.html
check 'and JSON' sh -c '"$SINKSCOPE" trace tiny-sdxl --prompt "a red star" --scheduler HeunDiscreteScheduler --json | grep -q "\"scheduler\": \"HeunDiscreteScheduler\""'

# ---- studies ----
cat >noisy.yaml <<'END'
study: noisy
model: tiny-sdxl
prompts: {file: prompts.jsonl, sample: 3}
seeds: [1]
noise: torch-cuda
sampler: {steps: 3, scheduler: EulerAncestralDiscreteScheduler}
conditions:
  sink: {select: top, k: 2, edit: mask, kinds: cross}
  heun: {sampler: {scheduler: HeunDiscreteScheduler}}
  sde: {sampler: {scheduler: 'DPMSolverMultistepScheduler, algorithm_type=sde-dpmsolver++'}}
metrics: [rmse]
primary: rmse
contrasts:
  - {what: sink - sde}
END
try 'plan' 0 'scheduler EulerAncestralDiscreteScheduler, noise torch-cuda:84x1536' sinkscope run noisy.yaml --plan
check 'run' sinkscope run noisy.yaml -o one --threads 1 --quiet
check 'run, 3 threads' sinkscope run noisy.yaml -o two --threads 3 --quiet
same 'the same pictures' one/images two/images
try 'verify: shams are drawn from the same noise' 0 'verified' sinkscope verify one
check 'what applied is in the manifest' sh -c 'tr -d " \n" <one/manifest.json | grep -qF "\"sampler\":{\"scheduler\":\"EulerAncestralDiscreteScheduler\",\"asked\":\"EulerAncestralDiscreteScheduler\",\"noise\":\"torch-cuda:84x1536\",\"conditions\":{\"heun\":{\"scheduler\":\"HeunDiscreteScheduler\""'
check 'report' sinkscope report one
check 'the report tells the scheduler' grep -q 'scheduler EulerAncestralDiscreteScheduler, noise torch-cuda:84x1536' one/report/index.html
check 'and the conditions' grep -q 'scheduler DPMSolverMultistepScheduler, algorithm_type=sde-dpmsolver++' one/report/index.html
sinkscope run noisy.yaml -o three --limit 1 --quiet >/dev/null 2>&1
check 'a part of it has the same pictures' sh -c 'cd three/images && find . -name "*.png" | while read -r f; do cmp "$f" "../../one/images/$f" || exit 1; done'
sed -e 's/^model: .*/model: tiny/' -e 's/, kinds: cross//' -e '/sde:/d' -e '/heun:/d' -e 's/sink - sde/sink - baseline/' \
    -e 's/scheduler: Euler.*/scheduler: "EulerDiscreteScheduler, force"}/' noisy.yaml >forced.yaml
try 'a forced study' 0 'note: EulerDiscreteScheduler is forced' sinkscope run forced.yaml -o forced-study
check 'labelled in the manifest' sh -c 'tr -d " \n" <forced-study/manifest.json | grep -qF "\"forced\":true"'
check 'labelled in the report' sh -c '"$SINKSCOPE" report forced-study >/dev/null && grep -q "EulerDiscreteScheduler, force (it takes the model" forced-study/report/index.html'
sed 's/^noise: .*/noise: card/' noisy.yaml >bad.yaml
try 'noise misspelt, with its line' 3 "bad.yaml:5:8: noise is 'card'; expected torch" sinkscope run bad.yaml --plan
sed 's/HeunDiscreteScheduler/HeunScheduler/' noisy.yaml >bad.yaml
try 'scheduler misspelt' 3 "'HeunScheduler' is no scheduler for this model; expected" sinkscope run bad.yaml --plan
finish
