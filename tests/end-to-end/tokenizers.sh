#!/bin/sh
# Whose token ids: folders as they are saved today, the rules of transformers 5 and 4, and the rules a store was made by.
. "$(dirname "$0")/common.sh"

pixels() { tail -c "+$(grep -abo IDAT "$1" | head -n 1 | cut -d : -f 1)" "$1" | cksum; } # what follows a PNG's text
equal() { check "$1" test "$(pixels "$2")" = "$(pixels "$3")"; }                      # WHAT PNG PNG
differ() { check "$1" test "$(pixels "$2")" != "$(pixels "$3")"; }

# draw FOLDER OPTION...: one image of the odd prompt.
odd='星星 ΟΔΟΣ'
draw() {
    to=$1
    shift
    check "a picture: $to" sinkscope generate "$@" --steps 1 --quiet -o "$to"
}

# ---- one model, its tokenizers in the older files and as they are saved today ----
cp -r tiny saved
for name in tokenizer:clip tokenizer_3:t5-plain; do
    rm -r "saved/${name%:*}"
    cp -r "$TESTS_DATA/text/saved/${name#*:}" "saved/${name%:*}"
done
draw older tiny --prompt 'a red star'
draw today saved --prompt 'a red star'
equal 'pictures by tokenizer.json and by the older files' older/00000-0.png today/00000-0.png
draw odd-older tiny --prompt "$odd"
draw odd-today saved --prompt "$odd"
equal 'the same of an odd prompt' odd-older/00000-0.png odd-today/00000-0.png
draw four tiny --prompt 'a red star' --tokenizer transformers-4
equal 'plain prompts have equal ids under both rules' older/00000-0.png four/00000-0.png
draw odd-four tiny --prompt "$odd" --tokenizer transformers-4
differ 'odd prompts have not' odd-older/00000-0.png odd-four/00000-0.png
# a model's own rule: where none is given, in the manifest, not in an image's parameters
cp -r tiny owned
echo '{"tokenizer": "transformers-4"}' >owned/rules.json
draw odd-owned owned --prompt "$odd"
equal "a model's own rule" odd-owned/00000-0.png odd-four/00000-0.png
if grep -q transformers odd-owned/00000-0.png; then fail 'it is not in the parameters' odd-owned; else pass; fi
draw odd-asked owned --prompt "$odd" --tokenizer transformers-5
equal 'and another one asked for' odd-asked/00000-0.png odd-older/00000-0.png
echo '{"tokenizer": "transformers-3"}' >owned/rules.json
try 'an own rule that is none' 3 'owned/rules.json' sinkscope generate owned --prompt x --steps 1 -o none
echo '{"tokenizer": "transformers-4"}' >owned/rules.json
for model in shapes-sd3 shapes-sdxl; do # which ship: the ids of before
    ships="$SOURCE/models/$model"
    draw "$model-own" "$ships" --prompt "$odd"
    draw "$model-four" "$ships" --prompt "$odd" --tokenizer transformers-4
    draw "$model-five" "$ships" --prompt "$odd" --tokenizer transformers-5
    equal "$model keeps its ids" "$model-own/00000-0.png" "$model-four/00000-0.png"
    differ "$model by the rules of today" "$model-own/00000-0.png" "$model-five/00000-0.png"
done

try 'the rules of transformers 4 need the older files' 3 'vocab.json' \
    sinkscope generate saved --prompt x --tokenizer transformers-4 --steps 1 -o none
try 'rules that are none' 2 'transformers-5|transformers-4' \
    sinkscope trace tiny --prompt x --tokenizer transformers-3 --steps 1

# ---- studies: what applied is in the manifest, and is used by resume and verify ----
printf '%s\n' "$odd" >odd.txt
study() { # NAME LINE
    cat >"$1.yaml" <<END_OF_STUDY
study: $1
model: tiny
prompts: odd.txt
seeds: [1]
sampler: {steps: 1}
$2
conditions: {sink: {select: top, k: [1], edit: mask}}
sham: 0
metrics: [rmse]
primary: rmse
END_OF_STUDY
}
study five ''
study four 'tokenizer: transformers-4'
study own ''
sed -i 's/^model: .*/model: owned/' own.yaml
for name in five four own; do check "a study: $name" sinkscope run "$name.yaml" -o "store-$name" --quiet; done
check 'its manifest names the rules' grep -q '"tokenizer": "transformers-5"' store-five/manifest.json
for name in four own; do check "the other one too: $name" grep -q '"tokenizer": "transformers-4"' store-$name/manifest.json; done
picture='images/baseline/00000/samples/0000.png'
differ 'their pictures' store-five/$picture store-four/$picture
equal "a model's own rule in a study" store-own/$picture store-four/$picture
for name in five four own; do try "verify: $name" 0 verified sinkscope verify "store-$name" --remake 2; done
# a store of before this entry was made by transformers 4
for name in five four; do
    cp -r "store-$name" "old-$name"
    sed -i '/"rules": {/,/}/d' "old-$name/manifest.json"
    if grep -q transformers- "old-$name/manifest.json"; then fail 'the entry is gone' "$name"; else pass; fi
done
try 'no entry is transformers 4' 0 verified sinkscope verify old-four --remake 2
try 'and not transformers 5' 5 'differ' sinkscope verify old-five --remake 2
rm "old-four/$picture"
try 'resume makes the picture by them' 0 '' sinkscope resume old-four
finish
