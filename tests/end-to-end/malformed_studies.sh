#!/bin/sh
# Study files and prompts that cannot be run as written: each is refused before a store is made, with exit code 3 and
# the line, the column, what was expected and the nearest name.
. "$(dirname "$0")/common.sh"

# study WHAT AT WORDS EDIT: the study, edited by sed. AT is line:column, or the name of the file alone where it is ''.
study() {
    sed "$4" study.yaml >bad.yaml
    if cmp -s study.yaml bad.yaml; then fail "$1" 'the test changed nothing'; fi
    try "$1" 3 "$3" sinkscope run bad.yaml -o store
    [ -z "$2" ] || try "$1: place" 3 "bad.yaml:$2: " sinkscope run bad.yaml -o store
    check "$1: no store" test ! -e store
}
study 'a key misspelt' 7:1 "did you mean 'probes'?" 's/^probes/probs/'
study 'a key twice' 12:3 "'sink' is given twice (first on line 10)" 's/  zero:/  sink:/'
study 'a key missing' 1:1 "the key 'conditions' is missing" '/^conditions/,/other:/d'
study 'a selector misspelt' 10:20 "did you mean 'top'?" 's/select: top,/select: topp,/'
study 'an edit misspelt' 12:45 "did you mean 'zero'?" 's/edit: zero/edit: zer/'
study 'a probe misspelt' 7:16 "did you mean 'entropy'?" 's/entropy/entropie/'
study 'a metric misspelt' 15:24 "did you mean 'psnr'?" 's/psnr/pnsr/'
study 'a metric twice' 15:18 "metric 'judge' is listed twice" 's/judge, rmse/judge, judge/'
study 'a metric whose model is missing' 15:11 "models/shapes-clip' is not there" 's/judge, rmse/clip-t, rmse/'
study 'a primary that is no metric' 16:10 'which is not among the metrics' 's/primary: rmse/primary: ssim/'
study 'a set of more than half the keys' 10:11 'expected at most 58, half of' 's/k: \[1, 5\]/k: [1, 999]/'
study 'a set of fewer than no keys' 10:32 "k is '-1'" 's/k: \[1, 5\]/k: [-1]/'
study 'no sets' 10:31 'k is an empty list' 's/k: \[1, 5\]/k: []/'
study 'a block not there' 12:59 'block 7 is not there; here they are 0 to 2' 's/blocks: \[1\]/blocks: [7]/'
study 'a kind unknown' 12:59 "did you mean 'joint'" 's/blocks: \[1\]/kinds: [joins]/'
study 'a kind the model has not' 12:58 'the model has no cross attention; it has joint (3 blocks)' 's/blocks: \[1\]/kinds: [cross]/'
study 'no kinds' 12:58 'kinds is empty; expected a list of kinds of attention, or all' 's/blocks: \[1\]/kinds: []/'
study 'kinds as a mapping' 12:58 'kinds is a mapping' 's/blocks: \[1\]/kinds: {cross: 1}/'
study 'kinds without an edit' 13:11 "'kinds' without 'select' and 'edit' changes nothing" 's/few:    {/few:    {kinds: joint, /'
study 'a phase beyond the end' 10:64 'expected a number from 0 to 1' 's/phase: \[0.5, 1\]/phase: [0.5, 2]/'
study 'a segment not there' 12:11 "segments (keys): 'image' (16)" 's/at: clip 0/at: clap 0/'
study 'an offset beyond the segment' 12:11 "'clip' (77)" 's/at: clip 0/at: clip 99/'
study 'a selector without an edit' 12:20 "'select' without 'edit'" 's/, edit: zero//'
study 'a condition that changes nothing' 14:11 'does not differ from the baseline' 's/{prompt: swap-attribute}/{}/'
study 'the name of a built-in condition' 12:3 "'baseline' is built in" 's/  zero:/  baseline:/'
study 'a contrast of the unknown' 18:12 "did you mean 'random'?" 's/sink - random/sink - rando/'
study 'a contrast with itself' 18:12 'with itself' 's/what: sink - random/what: sink - sink/'
study 'a contrast without a minus' 18:12 'expected two conditions' 's/what: sink - random/what: sink random/'
study 'a margin without a reason' 20:39 'needs its reason' 's/margin: 0.01, why.*}/margin: 0.01}/'
study 'a margin below 0' 20:39 "expected 'calibrated' or a number above 0" 's/margin: 0.01,/margin: -1,/'
study 'a model not there' 3:8 "model 'nowhere' is not there" 's/model: tiny/model: nowhere/'
study 'prompts not there' 4:17 "prompts 'nowhere.jsonl' is not there" 's/prompts.jsonl/nowhere.jsonl/'
study 'more prompts than there are' 4:40 'the file has 6 prompts' 's/sample: 4/sample: 400/'
study 'a seed twice' 5:12 'seed 1 is listed twice' 's/seeds: \[1, 2\]/seeds: [1, 1]/'
study 'a seed that is no number' 5:9 "seed is 'one'" 's/seeds: \[1, 2\]/seeds: [one]/'
study 'a calibration seed of the study' 16:23 'is a seed of the study' 's/^primary/calibration: {seeds: [1, 9]}\nprimary/'
study 'no steps' 6:18 'expected a whole number from 1 to 1024' 's/steps: 4/steps: 0/'
study 'guidance that is no number' 6:31 "guidance is 'nan'" 's/steps: 4}/steps: 4, guidance: nan}/'
study 'a size that does not divide' '' 'multiples of 8' 's/steps: 4}/steps: 4, size: 33}/'
study 'sinks without their probe' 8:18 "the probe 'census', which is not listed" 's/, census\]/]/'
study 'a newer format' 1:9 'formats up to 1: use a newer one' '1i format: 9'
study 'a name with a path' 1:8 'is no name for a study' 's|study: tiny|study: ../x|'
study 'a tab' 10:1 'is not YAML' 's/^  sink/\tsink/'
study 'an anchor' 1:8 'an anchor' 's/^study: tiny/study: \&a tiny/'

: >empty.yaml
try 'an empty study' 3 'empty.yaml:1:1: the file is empty' sinkscope run empty.yaml -o store
try 'no study' 3 'nowhere.yaml: cannot open' sinkscope run nowhere.yaml -o store
try 'a folder for a study' 3 'tiny: is not a regular file' sinkscope run tiny -o store

# ---- prompt files ----
printf '["a red star", {"prompt": "two rings", "tag": "t"}]' >list.json
printf '\357\273\277prompt,tag\na red star,\n"two rings",t\n' >list.CSV
for list in list.json list.CSV; do
    printf 'study: listed\nmodel: tiny\nprompts: %s\nseeds: [1]\nmetrics: [psnr]\nprimary: psnr\n' $list >listed.yaml
    printf 'conditions: {sink: {select: top, edit: mask, k: ~}}\n' >>listed.yaml
    check "$list: a study" sinkscope run listed.yaml --plan
    check "$list: generate" sinkscope generate tiny --prompts $list --steps 1 -o $list.out
    check "$list: two pictures" test "$(ls $list.out/*.png | wc -l)" -eq 2
done
cp list.json list.txt
try 'JSON is not drawn' 3 'list.txt: is JSON; expected text' sinkscope generate tiny --prompts list.txt -o drawn
check 'JSON is not drawn: no pictures' test -z "$(ls drawn 2>/dev/null)"

# prompts WHAT WORDS LINE: a file of that line, in a study and on the command line.
prompts() {
    printf "$3" >bad.jsonl
    sed 's/prompts.jsonl/bad.jsonl/' study.yaml >bad.yaml
    try "prompts, $1" 3 "$2" sinkscope run bad.yaml -o store
    check "prompts, $1: no store" test ! -e store
    try "prompts, $1, generate" 3 "$2" sinkscope generate tiny --prompts bad.jsonl -o pictures
    check "prompts, $1: no pictures" test -z "$(ls -A pictures 2>/dev/null)"
}
prompts 'none' 'bad.jsonl: holds no prompt' ''
prompts 'cut' 'is not JSON' '{"prompt": "a"\n'
prompts 'without a prompt' "bad.jsonl:1: has no 'prompt'" '{"tag": "x"}\n'
prompts 'not UTF-8' 'unable to decode byte 0xff' '{"prompt": "\377\376"}\n'
prompts 'a list' 'is a JSON list; expected JSON lines' '[1]\n'
prompts 'a line of another kind' 'expected a JSON object on each line' '{"prompt": "a"}\n[1]\n'
prompts 'a number' "'prompt' is an integer; expected a string" '{"prompt": 3}\n'
prompts 'no objects' 'count is 0; expected 1 to 1000' '{"prompt": "a", "include": [{"class": "star", "count": 0}]}\n'
prompts 'a relation not known' 'expected [left of | right of' '{"prompt": "a", "include": [{"class": "star", "position": ["near", 0]}]}\n'
finish
