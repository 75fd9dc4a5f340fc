#!/bin/sh
# Where results go: paths of every command that writes a file or a folder; images that are never overwritten.
. "$(dirname "$0")/common.sh"
model=tiny
draw() { sinkscope generate $model --steps 1 --guidance 1 --size 32 --quiet "$@"; }

# ---- folders: an empty path and '-' are usage errors, before anything is read ----
for path in '' -; do
    try "generate -o '$path'" 2 'expected' sinkscope generate none --prompt x -o "$path"
    try "trace -o '$path'" 2 'expected' sinkscope trace none --prompt x -o "$path"
    try "run -o '$path'" 2 'expected' sinkscope run none.yaml -o "$path"
    try "report -o '$path'" 2 'expected' sinkscope report none -o "$path"
done

# ---- files: an empty path and a folder are usage errors, before anything is read ----
mkdir folder
for path in '' folder folder/; do
    try "score -o '$path'" 2 'expected the name of a file' sinkscope score none --metric ssim -o "$path"
    try "compare -o '$path'" 2 'expected the name of a file' sinkscope compare none a b -o "$path"
    try "findings -o '$path'" 2 'expected the name of a file' sinkscope findings none -o "$path"
    try "forward --out '$path'" 2 'expected the name of a file' sinkscope forward none vae --in x --out "$path"
    try "inspect --random '$path'" 2 'expected the name of a file' sinkscope inspect none --random "$path"
done
check 'the folder is empty still' test -z "$(ls folder)"

# ---- what a path may lead to, by a command of each way of writing: a stream (safetensors), a whole file (CSV) ----
draw --prompt 'a red star' --seed 1,2 -o pictures >said.out || fail 'pictures to score' "$(cat said.out)"
check 'pictures are named by prompt and seed' test -s pictures/00000-1.png -a -s pictures/00000-2.png
random() { sinkscope inspect $model/vae --random "$@"; }
score() { sinkscope score pictures --against pictures --metric rmse --quiet "$@"; }
for command in random score; do
    option=; test $command = score && option=-o
    check "$command to a file" $command $option $command.file
    cp $command.file old
    chmod 640 $command.file
    check "$command to a file that is there" $command $option $command.file
    same "$command writes the same again" old $command.file
    check "$command keeps the permissions" test "$(stat -c %a $command.file)" = 640
    mkdir -p $command.d
    ln -sf $command.d/real $command.link
    check "$command to a link that leads nowhere yet" $command $option $command.link
    check "$command to a link" $command $option $command.link
    check "$command leaves the link" test -L $command.link
    same "$command writes what the link leads to" old $command.d/real
    mkfifo $command.fifo
    cat $command.fifo >piped &
    check "$command to a FIFO" $command $option $command.fifo
    wait $!
    check "$command leaves the FIFO" test -p $command.fifo
    same "$command writes into the FIFO" old piped
    $command $option - >dash 2>said.err || fail "$command to standard output" "$(cat said.err)"
    same "$command writes to standard output" old dash
    $command $option /dev/stdout 2>said.err | cat >dev || fail "$command to /dev/stdout"
    same "$command writes to /dev/stdout" old dev
    check "$command to /dev/null" $command $option /dev/null
    check '/dev/null is a device still' test -c /dev/null
    try "$command to a full device" 4 'No space left' $command $option /dev/full
done
clean 'no temporary is left' .

# ---- images are not overwritten by others ----
try 'the same picture again' 0 'pictures/00000-1.png  a red star' draw --prompt 'a red star' --seed 1 -o pictures
cp pictures/00000-1.png kept.png
try 'another prompt' 2 'is another picture (prompt: a red star); choose another folder (-o), or overwrite it with --force' \
    draw --prompt 'a blue star' --seed 1 -o pictures
try 'another model, size or number of steps' 2 'is another picture (parameters: ' draw --prompt 'a red star' --seed 2 --steps 2 -o pictures
printf 'no picture' >pictures/00000-7.png
try 'a file that is no picture' 2 'is another picture (without text chunks of sinkscope)' draw --prompt 'a red star' --seed 7 -o pictures
check 'it is as it was' test "$(cat pictures/00000-7.png)" = 'no picture'
same 'the picture is as it was' kept.png pictures/00000-1.png
printf 'a red star\na blue star\n' >two.txt
try 'nothing is made where one is in the way' 2 'pictures/00000-7.png' draw --prompts two.txt --seed 7,8 -o pictures
check 'nothing was made' test ! -e pictures/00001-8.png
try '--force' 0 'a blue star' draw --prompt 'a blue star' --seed 1 --force -o pictures
check 'it was overwritten' sh -c '! cmp -s kept.png pictures/00000-1.png'
trace() { sinkscope trace $model --steps 1 --guidance 1 --quiet "$@"; }
check 'a trace' trace --prompt 'a red star' --seed 3 -o traced
check 'the same trace' trace --prompt 'a red star' --seed 3 -o traced
try 'a trace of another seed' 2 'traced/image.png: is another picture (seed: 3)' trace --prompt 'a red star' --seed 4 -o traced
try 'a trace of other steps' 2 'is another picture (other pixels)' trace --prompt 'a red star' --seed 3 --steps 2 -o traced
check 'a trace by force' trace --prompt 'a red star' --seed 4 --force -o traced

# ---- seeds ----
try 'one noise twice' 2 'the seeds 1 and 4294967297 are one noise' draw --prompt x --seed 1,4294967297 -o seeds
try 'one noise twice, counted on' 2 'the seeds 4294967295 and -1 are one noise' draw --prompt x --seed '4294967294, -1' --images 2 -o seeds
try 'no seed' 2 "seed is '1.5'; expected a whole number from -9223372036854775808 to 18446744073709551615" draw --prompt x --seed 1.5 -o seeds
try 'the ends of the range' 0 '00000-18446744073709551615.png' draw --prompt 'a red star' --seed 18446744073709551615,-9223372036854775808 -o seeds
check 'the last seed is exact in the picture' grep -aqF 'seed: 18446744073709551615,' seeds/00000-18446744073709551615.png
check 'torch takes seeds modulo 2^64' draw --prompt 'a red star' --seed=-1 -o negative
mkdir a b
cp negative/00000--1.png a/p.png
cp seeds/00000-18446744073709551615.png b/p.png
sinkscope score a --against b --metric rmse --quiet >same.csv
check '-1 is the noise of 2^64 - 1' grep -q ',0,' same.csv

finish
