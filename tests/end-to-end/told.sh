#!/bin/sh
# Notices: long prompts, words that are not there, interventions that never act, files that are not used.
. "$(dirname "$0")/common.sh"

# notes N: how many notes the last command of `try` printed.
notes() {
    n=$(grep -c '^sinkscope: note: ' "$work/said.err")
    if [ "$n" -eq "$1" ]; then pass; else fail "number of notes" "expected $1, found $n" "$(cat "$work/said.err")"; fi
}

# said WHAT WORDS: the last command of `try` printed them on the standard error.
said() { if grep -qF -- "$2" "$work/said.err"; then pass; else fail "$1" "expected: $2" "$(head -c 1500 "$work/said.err")"; fi; }

# ---- prompts that are longer than an encoder takes ----
long='a red star and a blue circle'
for i in 1 2 3 4; do long="$long, $long"; done
long="$long behind the MOON"
try 'a short prompt' 0 '' sinkscope generate tiny --prompt 'a red star' --steps 1 -o short
notes 0
try 'a long prompt' 0 '' sinkscope generate tiny --prompt "$long" --steps 1 --quiet -o long
notes 2
said 'CLIP is named' 'is too long for text_encoder and text_encoder_2 ('
said 'T5 is named' 'is too long for text_encoder_3 ('
said 'the end is quoted as it was written' "behind the MOON'"
if grep -q 'note:' said.out; then fail 'notes on standard output' "$(cat said.out)"; else pass; fi
try 'a long negative prompt' 0 '' sinkscope trace tiny --prompt 'a red star' --negative "$long" --steps 1
notes 2
said 'the negative prompt is named' "the negative prompt 'a red star"
try 'no guidance, no negative prompt' 0 '' sinkscope generate tiny --prompt 'a red star' --negative "$long" --guidance 1 --steps 1 -o plain
notes 0
try 'a word beyond the limit' 2 "no word 'MOON' among the tokens that an encoder takes" \
    sinkscope trace tiny --prompt "$long" --map 'word MOON' --steps 1
try 'an upper-case word' 0 '' sinkscope trace tiny --prompt 'a red star' --map 'word STAR' --steps 1
printf 'a star\n\n   \n%s\n' "$long" >several.txt
try 'a file of prompts' 0 '' sinkscope generate tiny --prompts several.txt --steps 1 -o several
notes 2
try 'an empty prompt' 0 '' sinkscope generate tiny --prompt '' --steps 1 -o empty
notes 0

# ---- studies ----
study() { # NAME CONDITION
    cat >"$1.yaml" <<END
study: $1
question: Is it told?
model: tiny
prompts: told.jsonl
seeds: [1]
sampler: {steps: 2}
probes: [mass]
conditions:
  word: {$2}
sham: 1
metrics: [rmse]
primary: rmse
contrasts: [{what: word - baseline}]
END
}
cat >told.jsonl <<END
{"tag": "x", "include": [{"class": "star", "count": 1}], "prompt": "a red star"}
{"tag": "x", "include": [{"class": "circle", "count": 1}], "prompt": "a blue circle"}
{"tag": "x", "include": [{"class": "star", "count": 1}], "prompt": "$long"}
END
study refused 'select: token, word: star, k: 1, edit: mask'
try 'a word that one prompt lacks' 3 "(token, word: star) finds no key in 1 of 3 prompts, for example in 'a blue circle'" \
    sinkscope run refused.yaml -o refused
if [ -e refused ]; then fail 'a refused study leaves no folder'; else pass; fi
study never 'select: token, word: comet, missing: allow, k: 1, edit: mask'
try 'a word that no prompt has' 3 'finds no key in any prompt' sinkscope run never.yaml --plan
study cutoff 'select: token, word: moon, missing: allow, k: 1, edit: mask'
try 'a word that is cut off' 3 'where the word is cut off by text_encoder' sinkscope run cutoff.yaml --limit 0 --plan
study allowed 'select: token, word: star, missing: allow, k: 1, edit: mask'
try 'the plan counts long prompts' 0 '1 of 3 prompts is too long for text_encoder and text_encoder_2' \
    sinkscope run allowed.yaml --plan
try 'a study of words' 0 '; word acted on no key in 1 of 3 images' sinkscope run allowed.yaml -o allowed --quiet
said 'the missing word is told' 'finds no key in 1 of 3 prompts'
for words in '"notices": \[' 'finds no key in 1 of 3 prompts' 'too long for text_encoder_3'; do
    check "the manifest has '$words'" grep -q "$words" allowed/manifest.json
done
try 'cut words are exported' 0 'behind the MOON' sinkscope export allowed --table cuts
try 'idle interventions are exported' 0 'sites' sinkscope export allowed --table actions
check 'the report is written' sinkscope report allowed
check 'the report names cut texts' grep -q 'Cut texts' allowed/report/index.html
check 'the report shows what was noticed' grep -q 'Noticed' allowed/report/index.html
try 'a long prompt does not trouble verify' 0 'verified' sinkscope verify allowed

try 'a scorer of short texts' 0 '' \
    sinkscope score allowed --metric "{clip-t: {model: $SOURCE/models/shapes-clip, merges: $SOURCE/models/clip-bpe/merges.txt}}"
said 'a scorer that cuts prompts' 'tokens of a prompt, and some prompts are longer: scores do not see their ends'
check 'the manifest names that scorer' grep -q 'scores do not see their ends' allowed/manifest.json

# ---- files that are not used ----
cp -r tiny files
cp files/text_encoder/model.safetensors files/text_encoder/pytorch_model.bin
touch -d '2020-01-01' files/text_encoder/model.safetensors
cp files/vae/diffusion_pytorch_model.safetensors files/pytorch_lora_weights.safetensors
: >files/transformer/style.LoRA.pt
try 'inspect tells of files' 0 '' sinkscope inspect files
notes 3
said 'a newer file of another format' \
    'files/text_encoder/model.safetensors is used, not pytorch_model.bin beside it, which is newer'
said 'a LoRA beside the model' 'files: pytorch_lora_weights.safetensors is not applied'
said 'a LoRA beside a component' 'files/transformer: style.LoRA.pt is not applied'
try 'one component alone' 0 '' sinkscope inspect files/transformer
notes 1
sed 's/model: tiny/model: files/' allowed.yaml >files.yaml
try 'a study beside a LoRA' 0 '' sinkscope run files.yaml -o files-out --limit 1 --quiet
check 'the manifest names the LoRA' grep -q 'pytorch_lora_weights.safetensors is not applied' files-out/manifest.json

# ---- a scorer of random weights ----
echo '{"_class_name": "LPIPS", "net": "alex"}' >config.json
check 'random LPIPS' sinkscope inspect config.json --random alex.safetensors
try 'a scorer of random weights' 0 '' sinkscope score allowed --metric '{lpips-alex: {weights: alex.safetensors, linear: ""}}'
said 'its values mean nothing' "the metric 'lpips-alex' has random weights: its values mean nothing"
check 'the manifest names the scorer' grep -q "lpips-alex' has random weights" allowed/manifest.json

finish
