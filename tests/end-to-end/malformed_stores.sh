#!/bin/sh
# Stores that are damaged, newer, locked or not stores: exit code 5 and the file's name. Interruption, a full disk and
# folders that cannot be written: nothing is lost, no half file stays.
. "$(dirname "$0")/common.sh"

cat >small.yaml <<'END'
study: small
model: tiny
prompts: {file: prompts.jsonl, sample: 2}
seeds: [1]
sampler: {steps: 2}
probes: [mass, census]
measure: {masses: true}
conditions:
  sink: {select: top, k: [1, 5], edit: mask}
metrics: [rmse]
primary: rmse
END
check 'run' sinkscope run small.yaml -o whole
image=$(cd whole && ls images/sink_k5/*/samples/0000.png | head -n 1)

# store WHAT WORDS DAMAGE COMMAND...: the commands must all refuse a copy of the store that was damaged so.
store() {
    what=$1 words=$2 damage=$3
    shift 3
    rm -rf bad && cp -r whole bad
    (cd bad && eval "$damage") || fail "$what" 'the test could not damage the store'
    for command; do try "$what: $command" 5 "$words" sinkscope $command; done
}
poke() { printf 'damage' | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null; } # FILE OFFSET
everywhere() { store "$1" "$2" "$3" 'verify bad' 'export bad' 'resume bad' 'report bad' 'score bad --metric ssim'; }

store 'an image changed' "bad/$image: " "poke $image 300" 'verify bad' 'score bad --metric ssim'
store 'another image in its place' "bad/$image: " "cp \$(ls images/baseline/*/samples/0000.png | head -n 1) $image" 'verify bad'
store 'an image gone' "bad/$image: cannot open" "rm $image" 'verify bad' 'score bad --metric ssim'
store 'a trace changed' 'traces/1.h5 is missing or was changed' 'poke traces/1.h5 900' 'verify bad'
store 'a trace gone' 'traces/1.h5 is missing or was changed' 'rm traces/1.h5' 'verify bad'
everywhere 'no manifest' 'bad/manifest.json: cannot open' 'rm manifest.json'
everywhere 'a manifest cut' 'bad/manifest.json:2:0: is not JSON' 'echo "{" >manifest.json'
everywhere 'a newer manifest' 'knows formats up to 3: use a newer one' 'sed -i "s/\"format\": 3/\"format\": 7/" manifest.json'
everywhere 'a study changed' 'bad/study.yaml: is not the study that was run' 'echo "# more" >>study.yaml'
everywhere 'no study' 'bad: the store has lost its study.yaml' 'rm study.yaml'
everywhere 'no database to read' 'bad/results.sqlite: ' 'echo hello >results.sqlite'
everywhere 'an empty database' 'is not a results store of sinkscope' ': >results.sqlite'
everywhere 'a database cut' 'the file is damaged' 'head -c 20000 results.sqlite >cut; mv cut results.sqlite'
everywhere 'a database of another version' 'bad/results.sqlite: is of version 9; this program knows versions 1 to 3' \
    'printf "\\000\\000\\000\\011" | dd of=results.sqlite bs=1 seek=60 conv=notrunc 2>/dev/null'
everywhere 'a database of another program' 'is not a results store of sinkscope (application id' 'poke results.sqlite 68'
store 'no database' "finish it with 'sinkscope resume'" 'rm results.sqlite' 'verify bad' 'export bad' 'report bad'
store 'pages of the database overwritten' 'results.sqlite' \
    'dd if=/dev/zero of=results.sqlite bs=4096 seek=2 count=8 conv=notrunc 2>/dev/null' 'verify bad'
try 'an empty folder' 5 'is not a results store' sh -c 'mkdir hollow && exec "$SINKSCOPE" verify hollow'
try 'no folder' 5 'nowhere: there is no such folder' sinkscope resume nowhere

# The model changed since the run began.
cp tiny/scheduler/scheduler_config.json kept && echo >>tiny/scheduler/scheduler_config.json
try 'verify with another model' 5 'scheduler_config.json has changed since the run began' sinkscope verify whole
rm -rf bad && cp -r whole bad
try 'resume with another model' 5 'scheduler_config.json has changed since the run began' sinkscope resume bad
mv kept tiny/scheduler/scheduler_config.json
check 'verify with the model again' sinkscope verify whole

# ---- one writer; interruption ----
sed 's/steps: 2/steps: 200/; s/sample: 2/sample: 6/; s/seeds: .*/seeds: [1, 2, 3, 4, 5, 6, 7, 8]/' small.yaml >long.yaml
now() { date +%s%N; }
begin() { # COMMAND...: in the background; returns when it makes images
    "$SINKSCOPE" "$@" >long.out 2>long.err &
    process=$!
    while [ ! -d long/images/baseline ] && kill -0 $process 2>/dev/null; do sleep 0.02; done
    sleep 0.3
}
stop() { # WHAT SIGNAL: exit code 130 within a second, and the words say how to go on
    sent=$(now)
    kill -"$2" $process
    wait $process
    code=$?
    took=$((($(now) - sent) / 1000000))
    check "$1: exit code $code" test $code -eq 130
    check "$1: stopped after $took ms" test $took -lt 1000
    check "$1: says how to go on" grep -qF 'sinkscope resume long' long.err
    clean "$1: no half file" long
}
begin run long.yaml -o long
try 'a second writer' 5 "process $process is writing to this store" sinkscope resume long
try 'a second run' 2 'holds a store already' sinkscope run long.yaml -o long
check 'a reader beside the writer' sinkscope export long
stop 'SIGINT' INT
begin resume long
stop 'SIGTERM' TERM
check 'a reader afterwards' sinkscope export long
try 'what is there is whole' 5 'not there yet' sinkscope verify long
check 'and undamaged' grep -qE '^files +[0-9]+, damaged or missing: 0' said.out
rm -rf long

# ---- a full disk ----
cat >full.sh <<'END'
mount -t tmpfs -o size=600k tmpfs full || exit 77
. ./functions
for size in 500k 600k 700k 800k 900k; do
    mount -o remount,size=$size full
    rm -rf full/*
    try "run on a disk of $size" 4 '' sinkscope run study.yaml -o full/store
    check "run on a disk of $size: says so" grep -qE 'disk is full|No space left on device' said.err
    clean "run on a disk of $size" full
done
check 'what was there can be exported' sinkscope export full/store
mount -o remount,size=30m full
check 'resume with room' sinkscope resume full/store
check 'verify after a full disk' sinkscope verify full/store
dd if=/dev/zero of=full/fill bs=1k count=40000 2>/dev/null
for command in 'generate tiny --prompt x -o full/pictures' 'run study.yaml -o full/second' 'report full/store' \
    'trace tiny --prompt x -o full/trace' 'forward tiny vae --in latents.safetensors --out full/decoded'; do
    try "$command on a full disk" 4 'No space left on device' sinkscope $command
    clean "$command on a full disk" full
done
check 'no empty picture or tensor' test -z "$(find full -size 0 -name '*.png' -o -size 0 -name decoded)"
echo "$passed $failed" >counts
END
printf '\110\0\0\0\0\0\0\0{"latents":{"dtype":"F32","shape":[1,4,4,4],"data_offsets":[0,256]}}    ' >latents.safetensors
head -c 256 /dev/zero >>latents.safetensors
mkdir full
# The functions of common.sh without its preparations, for the shell inside the mount namespace.
sed '/^here=/,/^cd /d; /^"\$MAKE_TINY/,$d' "$here/common.sh" >functions
if work="$work" unshare -m true 2>/dev/null; then enter='unshare -m'; else enter='unshare -rm'; fi
work="$work" $enter sh full.sh
if [ -f counts ]; then
    read -r p f <counts
    passed=$((passed + p)) failed=$((failed + f))
else skip 'a full disk: this user cannot mount a small one'; fi
(ulimit -f 40 && try 'a file beyond the limit' 4 'limited/' sinkscope run small.yaml -o limited && [ $failed -eq 0 ]) || fail 'a file beyond the limit'

# ---- folders that cannot be written ----
echo mine >file
try 'a file for a folder, generate' 4 'file: exists and is not a folder' sinkscope generate tiny --prompt x -o file
try 'a file for a folder, run' 4 'file: exists and is not a folder' sinkscope run small.yaml -o file
try 'a file on the way' 4 'file' sinkscope generate tiny --prompt x -o file/below
check 'the file is as it was' test "$(cat file)" = mine
mkdir locked && chmod 755 "$work" && chmod 555 locked
as_other=''
[ "$(id -u)" -ne 0 ] || as_other='setpriv --reuid 65534 --regid 65534 --clear-groups'
if $as_other "$SINKSCOPE" --version >/dev/null 2>&1; then
    try 'a folder of others, generate' 4 'Permission denied' $as_other "$SINKSCOPE" generate tiny --prompt x -o locked/pictures
    try 'a folder of others, run' 4 'Permission denied' $as_other "$SINKSCOPE" run small.yaml -o locked
    try 'a store of others can be read' 0 'prompt,seed' $as_other "$SINKSCOPE" export whole
    check 'nothing in the folder' test -z "$(ls -A locked)"
else skip 'a folder of others: cannot run as somebody else'; fi
finish
