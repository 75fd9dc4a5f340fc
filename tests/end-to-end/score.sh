#!/bin/sh
# Scoring: a study with every metric on checkpoints of random weights, images of no study, scores made elsewhere.
. "$(dirname "$0")/common.sh"
configs=$TESTS_DATA/score/scorers merges=$SOURCE/models/clip-bpe/merges.txt clip=$SOURCE/models/shapes-clip
mkdir weights
export SINKSCOPE_WEIGHTS="$work/weights" HOME="$work/home" HF_HOME="$work/hf" TORCH_HOME="$work/torch"

# ---- checkpoints of random weights ----
random() { sinkscope inspect "$1" --random "$2"; }
check 'random OpenCLIP' random "$configs/open-clip.json" weights/hps.safetensors
check 'random ImageReward' random "$configs/image-reward.json" weights/reward.safetensors
for net in alex vgg16 squeeze; do
    printf '{"_class_name": "LPIPS", "net": "%s"}' $net >config.json
    check "random LPIPS $net" random config.json weights/$net.safetensors
done
echo '{"_class_name": "FIDInceptionV3"}' >config.json
check 'random Inception' random config.json weights/inception.safetensors
sinkscope inspect "$configs/open-clip.json" --random again.safetensors >said.out
same 'random weights repeat' weights/hps.safetensors again.safetensors

# ---- a study with every metric (but ms-ssim, which these images are too small for) ----
cat >metrics.yaml <<END
study: metrics
model: tiny
prompts: {file: prompts.jsonl, sample: 4}
seeds: [1]
sampler: {steps: 2}
conditions:
  sink: {select: top, k: 1, edit: mask}
  other: {prompt: swap-attribute}
metrics:
  - judge
  - clip-t: {model: $clip, merges: $merges}
  - hps-v2: {weights: weights/hps.safetensors, config: $configs/open-clip.json, merges: $merges}
  - hps-v2.1: {weights: weights/hps.safetensors, config: $configs/open-clip.json, merges: $merges, antialias: false}
  - pickscore: {model: $clip, tokenizer: $clip}
  - image-reward: {weights: weights/reward.safetensors, vocabulary: $TESTS_DATA/text/bert/vocab.txt, config: $configs/image-reward.json}
  - lpips-alex: {weights: weights/alex.safetensors, linear: ""}
  - lpips-vgg: {weights: weights/vgg16.safetensors, linear: ""}
  - lpips-squeeze: {weights: weights/squeeze.safetensors, linear: ""}
  - rmse
  - psnr
  - ssim
  - fid: {weights: weights/inception.safetensors}
  - kid: {weights: weights/inception.safetensors}
  - cmmd: {model: $clip, merges: $merges}
primary: clip-t
contrasts:
  - {what: sink - baseline}
  - {what: sink - other}
END
try 'a study with every metric' 0 'kid      sink' sinkscope run metrics.yaml -o one --threads 2
check 'fid has its line' grep -qE '^fid +sink' said.out
cp said.out ran.out
check 'the report' sinkscope report one
for name in judge clip-t hps-v2 hps-v2.1 pickscore image-reward lpips-alex lpips-vgg lpips-squeeze rmse; do
    check "effects: $name" grep -qE ",$name," one/report/effects.csv
    check "effects by tag: $name" grep -qE "^$name,sink - baseline,,[a-z_]+," one/report/effects-by-tag.csv
    check "scores by tag: $name" grep -qE "^$name,sink,[a-z_]+," one/report/scores-by-tag.csv
done
for name in fid kid cmmd; do check "sets: $name" grep -qE "^$name,sink," one/report/sets.csv; done
for name in hps-v2 image-reward lpips-vgg; do
    check "$name is labelled" grep -qF "$name (random weights: its values mean nothing)" one/report/index.html
done
for name in clip-t hps-v2 lpips-squeeze psnr ssim fid kid cmmd; do
    check "a row of every metric: $name" sh -c "sed -n '/id=\"metrics\"/,/<\/section>/p' one/report/index.html | grep -q '^<tr><th>$name<'"
done
check 'no random weights beside the primary where others are' grep -qE '^sink - other +- +rmse ' ran.out
check 'the terminal says so too' grep -qE '^fid +sink .*\(random weights' ran.out
check 'clip-t is not' sh -c '! grep -qF "clip-t (random" one/report/index.html'
check 'checksums of weights' grep -q '"path": "reward.safetensors"' one/manifest.json
check 'a second run' sinkscope run metrics.yaml -o two --threads 1 --quiet
export_all one exports1 && export_all two exports2
same 'scores do not depend on threads' exports1 exports2
sinkscope report two >said.out
same 'nor do distances of sets' one/report/sets.csv two/report/sets.csv
sed 's/  - ssim/  - ms-ssim/' metrics.yaml >small.yaml
try 'pictures too small for a metric' 3 "the metric 'ms-ssim' needs pictures of at least 161 x 161" sinkscope run small.yaml -o no
try 'weights that are nowhere' 3 'hf download xswu/HPSv2 HPS_v2_compressed.pt' sinkscope score one --metric hps-v2
check 'says where it looked' grep -qF "$work/hf/hub/models--xswu--HPSv2/snapshots" said.err
mkdir -p hf/hub/models--xswu--HPSv2/refs hf/hub/models--xswu--HPSv2/snapshots/abc
printf abc >hf/hub/models--xswu--HPSv2/refs/main
cp weights/hps.safetensors hf/hub/models--xswu--HPSv2/snapshots/abc/HPS_v2_compressed.pt
try "the hub's cache is found" 0 '' sinkscope score one/images/sink --metric "{hps-v2: {config: $configs/open-clip.json, merges: $merges}}"

hps="{hps-v2: {config: $configs/open-clip.json, merges: $merges}}"
mv hf/hub elsewhere
mkdir -p home/.cache/hpsv2 roots
cp weights/hps.safetensors home/.cache/hpsv2/HPS_v2_compressed.pt
try "the package's own place is found" 0 '' sinkscope score one/images/sink --metric "$hps"
mv home/.cache/hpsv2/HPS_v2_compressed.pt roots
try "the package's other place is found" 0 '' env "HPS_ROOT=$work/roots" "$SINKSCOPE" score one/images/sink --metric "$hps"
try 'else it says where it looked' 3 "$work/home/.cache/hpsv2/HPS_v2_compressed.pt" sinkscope score one/images/sink --metric "$hps"
mkdir -p hf/hub/models--me--weights/snapshots/1
cp weights/hps.safetensors hf/hub/models--me--weights/snapshots/1/hps.pt
try 'weights by a name on the hub' 0 '' sinkscope score one/images/sink \
    --metric "{hps-v2: {weights: me/weights/hps.pt, config: $configs/open-clip.json, merges: $merges}}"
try 'weights by a name that is not there' 3 'nothing is downloaded: hf download me/weights other.pt' sinkscope score one/images/sink \
    --metric "{hps-v2: {weights: me/weights/other.pt, config: $configs/open-clip.json, merges: $merges}}"

# ---- images of no study ----
images=one/images/sink
clip_t="{clip-t: {model: $clip, merges: $merges}}"
try "GenEval's layout" 0 'clip-t         all                    4' sinkscope score $images --metric "$clip_t" --metric judge -o a.csv
check 'per tag' grep -qE '^judge +colors' said.out
check 'a row a number' test "$(wc -l <a.csv)" -eq 9
try 'again: all known' 0 '8 of 8 were known already' sinkscope score $images --metric "$clip_t" --metric judge -o a.csv
try 'in pairs and as sets' 0 'fid ' sinkscope score $images --against one/images/baseline --metric rmse \
    --metric '{lpips-alex: {weights: weights/alex.safetensors, linear: ""}}' --metric '{fid: {weights: weights/inception.safetensors}}' -o b.csv
clip_of() { awk -F, 'NR > 1 && $(NF - 5) == "clip-t" { print $(NF - 3) }' "$1" | sort; }
sinkscope score $images --metric "$clip_t" >plain.csv
clip_of a.csv >a.values
clip_of plain.csv >plain.values
same 'to standard output' a.values plain.values
printf 'image,prompt\n%s/00000/samples/0000.png,a red star\nmissing.png,nothing\nbroken.png,"two, in quotes"\n' $images >list.csv
head -c 100 $images/00000/samples/0000.png >broken.png
try 'a list with bad images' 0 '(2 could not be scored)' sinkscope score list.csv --metric "$clip_t" -o c.csv
check 'a failure has no value' grep -qE '^broken.png,.*clip-t,[0-9a-f]+,,0,,' c.csv
printf 'image,words\nx.png,y\n' >wordless.csv
try 'a list without prompts' 3 'prompt' sinkscope score wordless.csv --metric "$clip_t"
printf 'image,prompt\n%s/00000/samples/0000.png,a red star\n%s/00001/samples/0000.png,\n' $images $images >some-words.csv
try 'an empty prompt is a row with a problem' 0 '(1 could not be scored)' \
    sinkscope score some-words.csv --metric "$clip_t" -o some.csv
check 'the row has its reason' grep -q 'has no prompt, which clip-t needs' some.csv
printf 'image,prompt\nmissing.png,nothing\nbroken.png,x\n' >none.csv
try 'no picture could be scored' 3 'nothing could be scored (2 rows); the first: missing.png' \
    sinkscope score none.csv --metric "$clip_t"
cp $images/00000/samples/0000.png CAPITALS.PNG && mkdir capitals && mv CAPITALS.PNG capitals
try 'extensions in capitals' 3 'has no CAPITALS.PNG' sinkscope score capitals --against $images --metric ssim
try 'a list of JSON lines' 3 'is JSON; expected CSV' sinkscope score prompts.jsonl --metric "$clip_t"
try 'a folder without prompts' 2 'clip-t needs prompts' sinkscope score $images/00000/samples --metric "$clip_t"
try 'a metric without pairs' 2 'ssim needs paired images: --against' sinkscope score $images --metric ssim
try 'pairs that are missing' 3 'has no 00000/samples/0000.png' sinkscope score $images --against "$SOURCE/models/shapes-sd3" --metric ssim
clean 'no temporary file stays' .

# Killed, and gone on with: the file of an uninterrupted run.
sinkscope score $images --metric "$clip_t" -o whole.csv >said.out 2>&1
head -n 3 whole.csv >half.csv.partial
printf '00001/samples/0000.png,0123' >>half.csv.partial
try 'going on' 0 '2 of 4 were known already' sinkscope score $images --metric "$clip_t" -o half.csv
same 'as if never interrupted' whole.csv half.csv
check 'the partial file is gone' test ! -e half.csv.partial

# ---- weights that were replaced ----
alex='{lpips-alex: {weights: weights/alex.safetensors, linear: ""}}'
printf '{"_class_name": "LPIPS", "net": "alex"}' >config.json
cp weights/alex.safetensors alex.before
check 'other weights' sinkscope inspect config.json --random weights/alex.safetensors --type F16
export_all two exports-before
try 'scores by other weights stay what they are' 3 'has scores of lpips-alex by other weights' sinkscope score two --metric "$alex"
try 'and verify says it' 5 'alex.safetensors has changed' sinkscope verify two --remake 0
try 'scored again' 0 '8/8 images' sinkscope score two --metric "$alex" --again
try 'verify is content' 0 'verified' sinkscope verify two --remake 1
export_all two exports-after
check 'other scores' sh -c '! cmp -s exports-before/scores.csv exports-after/scores.csv'
cut -d, -f1-8 exports-before/units.csv >units-before.csv
cut -d, -f1-8 exports-after/units.csv >units-after.csv
same 'the same units' units-before.csv units-after.csv
try 'the study names its weights' 3 'study names lpips-alex by other weights' sinkscope score two --again \
    --metric '{lpips-alex: {weights: weights/vgg16.safetensors, linear: ""}}'
mv alex.before weights/alex.safetensors

# ---- scores made elsewhere ----
sinkscope export one --table units >units.csv
column() { awk -F, -v want="$1" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == want) print i }' units.csv; }
awk -F, -v image="$(column image)" -v pixels="$(column pixels)" \
    'NR == 1 { print "image,pixels,metric,value" } NR > 1 { print $image "," $pixels ",beauty," NR / 10 }' units.csv >beauty.csv
try 'import' 0 'scores taken in' sinkscope score one --import beauty.csv --kind preference
sinkscope report one >said.out
check 'an imported metric has its effects' grep -qE ',beauty,' one/report/effects.csv
check 'import again replaces' sinkscope score one --import beauty.csv --kind preference
awk -F, 'NR == 1; NR > 1 { for (i = 1; i <= 70; i++) print $1 "," $2 ",m" i "," $4 + i }' beauty.csv >many.csv
cp -r one many
try '70 imported metrics' 0 'scores taken in' sinkscope score many --import many.csv --kind preference
sinkscope report many >said.out
check 'no metric is left out' test "$(cut -d, -f1-9 many/report/effects.csv | grep -oE ',m[0-9]+,' | sort -u | wc -l)" -eq 70
check 'none on the page' test "$(grep -oE '>m[0-9]+<' many/report/index.html | sort -u | wc -l)" -ge 70
sed '2s/,[0-9a-f]*,beauty/,00,beauty/' beauty.csv >forged.csv
try 'another image' 3 'forged.csv:2' sinkscope score one --import forged.csv
sed 's/beauty/ssim/' beauty.csv >ours.csv
try 'a name of ours' 3 "the metric 'ssim' is one of sinkscope's own" sinkscope score one --import ours.csv
printf 'image,value\nx.png,1\n' >bare.csv
try 'without checksums' 3 "neither a column 'pixels'" sinkscope score one --import bare.csv --as x
hash=$(sha256sum $images/00000/samples/0000.png | cut -c1-64)
printf 'image,sha256,value\n/elsewhere/images/sink/00000/samples/0000.png,%s,0.5\n' "$hash" >hashed.csv
try 'by the checksum of the file' 0 '1 scores taken in' sinkscope score one --import hashed.csv --as taste
for n in $(ls $images); do
    printf '{"filename": "/x/%s/%s/samples/0000.png", "tag": "colors", "prompt": "p", "correct": %s, "reason": ""}\n' $images $n true
done >results.jsonl
try "GenEval's results" 0 '4 scores taken in' sinkscope score one --import results.jsonl
sed 's/true/false/; s|images/sink|images/baseline|' results.jsonl >baseline.jsonl
try 'a condition at a time' 0 '4 scores taken in' sinkscope score one --import baseline.jsonl
sinkscope export one --table scores | grep -c ',geneval,' >count
check 'both are there' test "$(cat count)" -eq 8
check 'verify after imports' sinkscope verify one
finish
