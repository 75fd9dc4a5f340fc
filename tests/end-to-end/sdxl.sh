#!/bin/sh
# A model whose blocks differ: self- and cross-attention, heads and keys that change from block to block. Everything that
# works on one in which all blocks are alike works here, and is told apart by block where that matters.
. "$(dirname "$0")/common.sh"
"$MAKE_TINY_MODEL" "$TESTS_DATA" "$work/tiny-sdxl" tiny-sdxl || exit 1
at0=down_blocks.1.attentions.0.transformer_blocks.0.attn1

# ---- what there is ----
try 'inspect' 0 'attention calls: 22 blocks' sinkscope inspect tiny-sdxl
check 'inspect: number, kind, heads, keys, module' grep -qE "^ +0 +self +2 +16 +image 16 +$at0\$" said.out
check 'inspect: text keys of cross-attention' grep -qE '^ +21 +cross +2 +77 +clip 77 +up_blocks\.1\..*\.attn2$' said.out
try 'help on kinds' 0 'cross' sinkscope help kinds
check 'generate' sinkscope generate tiny-sdxl --prompt 'a red star' -o star

# ---- what of the image the network is conditioned on ----
told() { # FOLDER FLAG...
    folder=$1
    shift
    check "generate $*" sinkscope generate tiny-sdxl --prompt 'a red star' "$@" -o "$folder"
}
told original --original-size 100x40
told crop --crop 16x0
told target --target-size 64
told same --original-size 32 --crop 0x0 --target-size 32x32
pixels() { tail -c "+$(grep -abo IDAT "$1" | head -n 1 | cut -d : -f 1)" "$1" | cksum; } # what follows a PNG's text
plain=$(pixels star/00000-0.png)
for folder in original crop target; do
    check "told of another $folder, drawn otherwise" test "$(pixels $folder/00000-0.png)" != "$plain"
done
check 'told what holds anyway, drawn alike' test "$(pixels same/00000-0.png)" = "$plain"
check 'parameters of the picture' grep -aqF ', crop 16x0, sinkscope: ' crop/00000-0.png
try 'no crop' 2 "--crop is 'five'; expected LEFTxTOP" sinkscope generate tiny-sdxl --prompt 'a red star' --crop five -o no
check 'trace' sinkscope trace tiny-sdxl --prompt 'a red star' --crop 16x0 -o traced-crop
check 'the page tells it' grep -q 'guidance 5, crop 16x0' traced-crop/trace.html
try 'a model that is told none' 3 'crop is given, which StableDiffusion3Pipeline does not tell its network' sinkscope generate tiny --prompt 'a red star' --crop 16x0 -o no

# ---- trace ----
try 'trace' 0 'self, down_blocks.1' sinkscope trace tiny-sdxl --prompt 'a red star' --seed 3 --map 'word red' -o traced
check 'a trace names modules and kinds' grep -q "self,$at0," traced/trace.csv
check 'a text key has no place, an image key has one' awk -F, 'NR > 1 && /,cross,/ && / \(/ { bad++ } END { exit bad > 0 }' traced/trace.csv
check 'maps of a word: cross-attention alone' sh -c \
    'test "$(grep -c "<figcaption>Block [0-9]*, step" traced/trace.html)" -gt 0 && ! grep -q "<figcaption>Block 0, step" traced/trace.html'
check 'maps lie on the grid of their block' sh -c 'grep "<figcaption>Block 1, step" traced/trace.html | grep -q cross'
check 'the page has the keys of every layout' grep -qF '"layout":[{"keys":16,"segment":[{"start":0,"length":16,"width":4' traced/trace.html
check 'trace as JSON' sh -c '"$SINKSCOPE" trace tiny-sdxl --prompt "a red star" --seed 3 --json | grep -q "\"kind\": \"cross\""'
for map in 'row 1 2' 'key image 3' 'key clip 0'; do
    check "map '$map'" sinkscope trace tiny-sdxl --prompt 'a red star' --seed 3 --map "$map" -o maps
done
check 'a row of cross-attention is told in words' sinkscope trace tiny-sdxl --prompt 'a red star' --seed 3 --map 'row 1 2' -o maps
check 'its keys are text' grep -qE '<p>clip [a-z]+ [0-9]+' maps/trace.html
try 'a map that no block has' 2 'expected' sinkscope trace tiny-sdxl --prompt 'a red star' --map 'key t5 0' -o maps
try 'a place off the finest grid' 2 'expected' sinkscope trace tiny-sdxl --prompt 'a red star' --map 'row 4 0' -o maps

# ---- the study of the other tests, on this model ----
sed -e 's/^model: .*/model: tiny-sdxl/' -e 's/k: \[1, 5\]/k: [1, 2]/' -e 's/blocks: \[1\]}/kinds: cross, blocks: [1, 3]}/' study.yaml >sdxl.yaml
try 'plan' 0 'attention   self (11 blocks), cross (11 blocks)' sinkscope run sdxl.yaml --plan
check 'the plan tells kinds' grep -q 'zero in cross' said.out
try 'run' 0 'contrast ' sinkscope run sdxl.yaml -o one --threads 1
check 'run, 3 threads' sinkscope run sdxl.yaml -o two --threads 3 --quiet
check 'export of one' export_all one exports1
check 'export of two' export_all two exports2
same 'exports do not depend on threads' exports1 exports2
same 'images do not depend on threads' one/images two/images
same 'traces do not depend on threads' one/traces two/traces
# 56 images of 4 steps and 8 of 3, as in study.sh; per step and branch 6 blocks of 2 heads, 16 of 3
heads=$(sinkscope export one --table blocks | awk -F, 'NR > 1 { n += $4 } END { print n }')
images=$((56 * 4 + 8 * 3))
check 'heads of all blocks' test "$heads" -eq $((6 * 2 + 16 * 3))
check 'sites: those that there are' test "$(wc -l <exports1/sites.csv)" -eq $((1 + images * heads * 2))
check 'sinks: two a site' test "$(wc -l <exports1/sinks.csv)" -eq $((1 + 2 * images * heads * 2))
check 'sinks: image keys in self, text keys in cross' awk -F, '
    NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
    { n[$at["kind"]]++; if (($at["kind"] == "self") != ($at["segment"] == "image")) bad++
      if ($at["kind"] == "self" && $at["token_class"] != "image") bad++ }
    END { exit !(n["self"] > 0 && n["cross"] > 0 && bad == 0) }' exports1/sinks.csv
check 'an edit acts in the kinds and blocks named alone' awk -F, '
    NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
    $at["condition"] == "zero" && $at["dose"] != "" { n[$at["block"]]++; if ($at["block"] != 1 && $at["block"] != 3) bad++ }
    END { exit !(n[1] > 0 && n[3] > 0 && bad == 0) }' exports1/sites.csv
check 'shams give the pixels of the baseline' sh -c \
    'awk -F, "NR > 1 && \$4 == \"sham\" { print \$1, \$2, \$NF }" exports1/units.csv | sort -u >shams
     awk -F, "NR > 1 && \$4 == \"baseline\" { print \$1, \$2, \$NF }" exports1/units.csv | sort >baselines
     test -s shams && test "$(comm -23 shams baselines | wc -l)" -eq 0'
try 'report' 0 'report  one/report/index.html' sinkscope report one
check 'the report names modules' grep -q "$at0 (self)" one/report/index.html
check 'the report has each grid' sh -c 'grep -q "see it as 4 × 4 tokens" one/report/index.html && grep -q "see it as 2 × 2 tokens" one/report/index.html'
check 'the census: shares of keys sum to 1' awk -F, 'NR > 1 { sum += $6 } END { exit !(sum > 0.999 && sum < 1.001) }' one/report/sinks-by-class.csv
check 'compare' sinkscope compare one 'sink k=1' 'random k=1' --images 2
check 'findings' sinkscope findings one two -o found.md
try 'verify' 0 'verified' sinkscope verify one --remake 78
check 'verify made every image again' grep -qE '^remade +78, differing: 0' said.out
check 'score' sinkscope score two --metric ssim
cp -r one finished
check 'resume' sinkscope resume finished
check 'export after resume' export_all finished exports-finished
same 'resume of a finished study changes nothing' exports1 exports-finished
rm -rf finished

# ---- what a block cannot answer is refused, by name ----
refuse() { # WHAT WORDS CONDITION
    sed "s/^  zero: .*/  zero: {edit: mask, $3}/" sdxl.yaml >refused.yaml
    try "$1" 3 "$2" sinkscope run refused.yaml -o refused
}
refuse 'a text position in self-attention' "in 11 of the 22 blocks chosen, the first of them block 0 ($at0, self)" 'select: index, at: clip 0'
refuse 'an image position in cross-attention' 'in 11 of the 11 blocks chosen, the first of them block 1' 'select: index, at: image 0, kinds: cross'
refuse 'text keys in self-attention' 'block 0' 'select: text-top'
refuse 'image keys in cross-attention' 'block 1' 'select: image-top'
refuse 'more keys than the smallest call allows' 'half of a call' 'select: random, k: 3'
refuse 'text queries, of which there are none' 'no query of the call is text' 'select: top, rows: text'
refuse 'a kind that the model has not' 'the model has no joint attention; it has self (11 blocks), cross (11 blocks)' 'select: top, kinds: [joint]'
refuse 'an unknown kind' "did you mean 'cross'" 'select: top, kinds: [crossed]'
refuse 'blocks that are of another kind' 'none of these blocks' 'select: top, kinds: cross, blocks: [0, 2]'
refuse 'a head that a block has not' 'head 2 is not there in block 0' 'select: top, heads: [2], blocks: [0, 2]'
check 'nothing was made' test ! -e refused

# ---- every selector where its keys are, global scope and matched controls over blocks that differ ----
sed -n '1,/^conditions:/p' sdxl.yaml | sed -e 's/sample: 4/sample: 1/' -e 's/^seeds: .*/seeds: [1]/' \
    -e 's/^sampler: .*/sampler: {steps: 4, original-size: 48x64}/' >every.yaml
cat >>every.yaml <<'END2'
  text:     {select: text-top, k: 3, edit: mask, kinds: cross}
  image:    {select: image-top, k: 2, edit: mask, kinds: self}
  place:    {select: index, at: image 3, edit: zero, kinds: self}
  word:     {select: token, class: word, k: 2, edit: scale, eta: 0.5, kinds: cross}
  bottom:   {select: bottom, k: 2, edit: mean}
  half:     {select: top, k: 1, edit: mask, blocks: 0.5, kinds: cross}
  layer:    {select: top, k: 1, edit: mask, scope: layer, kinds: cross}
  global:   {select: top, k: 1, edit: mask, scope: global}
  replay:   {select: top, k: 2, edit: mask, source: baseline}
  mass:     {select: mass-matched, k: 1, edit: mask}
  class:    {select: type-matched, k: 1, edit: mask}
  arm:      {select: top-matched, k: 1, edit: mask}
  few:      {select: top-carrying, k: 2, edit: mask}
  query:    {select: query, k: 1, edit: query-mean}
  push:     {select: top, k: 1, edit: norm-matched}
  both:     {select: top, k: 1, edit: mask, kinds: cross, also: [{select: top, k: 1, edit: zero, kinds: self}]}
  null:     {edit: 'null', score: 0, kinds: self}
  told:     {sampler: {crop: 16x0, target-size: 64}}
metrics: [rmse]
primary: rmse
contrasts: [{what: half - layer}]
END2
try 'its plan' 0 '4 steps, guidance 5, original-size 48x64' sinkscope run every.yaml --plan
try 'every selector' 0 'contrast ' sinkscope run every.yaml -o every
check 'its report' sinkscope report every
check 'the report says what the network was told' grep -q ', original-size 48x64' every/report/index.html
check 'and what else under a condition' grep -q 'crop 16x0; target-size 64x64' every/report/index.html
image() { find "every/images/$1" -name 0000.png | head -n 1; }
check 'a condition told otherwise is drawn otherwise' test "$(pixels "$(image told)")" != "$(pixels "$(image baseline)")"
check 'what it was told is in its picture' grep -aqF 'original-size 48x64, crop 16x0, target-size 64x64' "$(image told)"
sed 's/^model: .*/model: tiny/' every.yaml >untold.yaml
try 'a model that is told none' 3 'original-size is given, which StableDiffusion3Pipeline does not' sinkscope run untold.yaml --plan
check 'its check' sinkscope verify every --remake 5

# ---- the studies of such a model, and a series of two models ----
for file in "$SOURCE"/studies/*/*-sdxl.yaml "$SOURCE"/studies/paper/sdxl-*.yaml; do
    sed "s|^model: .*|model: $work/tiny-sdxl|" "$file" >named.yaml
    cp named.yaml "$work/${file##*/}"
    try "plan of ${file##*/}" 0 'images' env -C "$SOURCE" "$SINKSCOPE" run "$work/${file##*/}" -o "$work/nowhere" --plan
done
# 'make findings' sets all of them into one document: those of another model by a series that a study of the first one's has.
for file in $(grep -l '^model: models/shapes-sdxl' "$SOURCE"/studies/*/*.yaml); do
    series=$(sed -n 's/^series: //p' "$file")
    check "$(basename "$file") is of a series" test -n "$series"
    check "$series has a study of shapes-sd3" sh -c "grep -lx 'series: $series' '$SOURCE'/studies/*/*.yaml | xargs grep -q '^model: models/shapes-sd3'"
done
for half in sd3 sdxl; do
    model=tiny-sdxl
    [ $half = sdxl ] || model=tiny
    sed -e "s|^model: .*|model: $model|" -e 's|^prompts: .*|prompts: {file: prompts.jsonl, sample: 2}\nsampler: {steps: 3}|' \
        -e 's/^metrics: .*/metrics: [rmse]/' -e 's/^primary: .*/primary: rmse/' \
        "$SOURCE/studies/beyond/joint-against-cross-$half.yaml" >half-$half.yaml
    try "half of a series: $half" 0 'contrast ' sinkscope run half-$half.yaml -o series-$half
done
check 'findings of a series' sinkscope findings series-sd3 series-sdxl -o series.md
check 'it is on both models' grep -qx '# Findings on tiny, tiny-sdxl' series.md
cp -r tiny elsewhere
sed -e 's/^model: .*/model: elsewhere/' -e '/^series:/d' half-sd3.yaml >moved.yaml
check 'a study of no series' sinkscope run moved.yaml -o moved --quiet
check 'the same weights elsewhere are the same model' sinkscope findings series-sd3 moved -o moved.md
check 'each study says which model drew it' grep -qE '^Do equal .* images by tiny-sdxl\.' series.md
sed '/^series:/d' half-sdxl.yaml >alone.yaml
check 'a study of another model, of no series' sinkscope run alone.yaml -o alone --limit 1
try 'its findings beside others' 3 "'series'" sinkscope findings series-sd3 alone -o no.md
check 'its table' grep -qF '## Several models: joint-against-cross' series.md
of_sd3='tiny \| joint-against-cross-sd3 \|' of_sdxl='tiny-sdxl \| joint-against-cross-sdxl \|'
for row in "$of_sd3 joint-share" "$of_sd3 joint-mass-like" "$of_sdxl cross-mass" "$of_sdxl self-share-like" "$of_sdxl both-mass"; do
    check "its row: $row" grep -qE "^\| $row − baseline \| 0\.[0-9]+ \| [0-9.e-]+ \| [0-9.e-]+ \| rmse \| 2 \|" series.md
done
check 'shares of keys are those asked for, as far as keys are whole' awk -F '|' '
    / (joint|cross|self|both)-share/ && $5 ~ /^ 0\./ { n++; if ($5 < 0.03 || $5 > 0.27) bad++ } END { exit !(n == 7 && bad == 0) }' series.md

# ---- Stable Diffusion 1.5 and 2.1: the same network behind one text encoder ----
for kind in sd15 sd21; do
    check "tiny-$kind" "$MAKE_TINY_MODEL" "$TESTS_DATA" tiny-$kind tiny-$kind
    try "inspect: $kind" 0 'attention calls: 8 blocks' sinkscope inspect tiny-$kind
    check "generate: $kind" sinkscope generate tiny-$kind --prompt 'a red star' -o $kind
    check "trace: $kind" sinkscope trace tiny-$kind --prompt 'a red star' -o traced-$kind
    sed "s/^model: .*/model: tiny-$kind/" sdxl.yaml >$kind.yaml
    try "plan: $kind" 0 'attention   self (4 blocks), cross (4 blocks)' sinkscope run $kind.yaml --plan
done
mkdir tiny-sd15/safety_checker
echo '{"architectures": ["StableDiffusionSafetyChecker"]}' >tiny-sd15/safety_checker/config.json
try 'a component that nobody uses' 0 'not used' sinkscope inspect tiny-sd15
check 'which changes nothing' sinkscope generate tiny-sd15 --prompt 'a red star' -o checked
same 'pictures beside a safety checker' sd15 checked
finish
