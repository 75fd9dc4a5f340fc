#!/bin/sh
# The commands as users meet them: help, tables, images, tensors, traces, statistics, the man page.
. "$(dirname "$0")/common.sh"

# ---- help: every command and flag is promised here; taking one away is a break ----
try 'version' 0 'sinkscope 0.' sinkscope --version
try 'overview' 0 'exit codes: 0 done' sinkscope --help
sinkscope --help >overview
sinkscope manual >manual.1
commands=0
while read -r command flags; do
    commands=$((commands + 1))
    check "overview names $command" grep -q "^  $command " overview
    try "help of $command by -h" 0 "usage: sinkscope $command" sinkscope "$command" -h
    try "help of $command" 0 "usage: sinkscope $command" sinkscope "$command" --help
    cp said.out help
    for flag in $flags threads backend profile weights verbose quiet help; do
        check "$command --help names --$flag" grep -q -- "^  --$flag " help
        check "manual names --$flag" grep -q -- "$(printf %s "$flag" | sed 's/-/\\\\-/g')" manual.1
    done
done <<'END'
inspect tensors check variant random config tokenizer-1 tokenizer-2 tokenizer-3 text-encoder text-encoder-2 text-encoder-3 vae lora
forward in out hook list-hooks variant
generate prompt prompts out seed images force steps guidance size original-size crop target-size negative variant round config tokenizer-1 tokenizer-2 tokenizer-3 text-encoder text-encoder-2 text-encoder-3 vae lora
trace prompt seed out top step map json force steps guidance size original-size crop target-size negative variant round config tokenizer-1 tokenizer-2 tokenizer-3 text-encoder text-encoder-2 text-encoder-3 vae lora
run out limit plan
resume
score metric again
report out
compare images out
findings out
export csv table
verify remake
convert out force config tokenizer-1 tokenizer-2 tokenizer-3 text-encoder text-encoder-2 text-encoder-3 vae lora
stats contrast metric by positive json level alpha power margin resamples flips better seed
list
help
manual
END
check 'overview names no other command' test "$(grep -c '^  [a-z]' overview)" -eq "$commands"

try 'no command' 2 'usage: sinkscope' sinkscope
try 'misspelt command' 2 "did you mean 'generate'" sinkscope genrate
try 'misspelt flag' 2 "did you mean '--prompt'" sinkscope generate tiny --promt x
try 'flag without value' 2 '--prompt needs a value' sinkscope generate tiny --prompt
try 'value of a wrong type' 2 'steps' sinkscope generate tiny --prompt x --steps many
try 'too few arguments' 2 "'generate' takes MODEL; 0 given" sinkscope generate
try 'too many arguments' 2 "'inspect' takes MODEL; 2 given" sinkscope inspect tiny tiny

# ---- tables ----
for row in selectors:top selectors:random selectors:index selectors:bottom selectors:text-top selectors:image-top \
    selectors:mass-matched selectors:type-matched selectors:top-matched edits:mask edits:scale edits:identity edits:identity-direct edits:shift \
    edits:zero edits:mean edits:lerp edits:noise probes:mass probes:entropy probes:concentration probes:reduction probes:text probes:value probes:persistence probes:activation probes:trajectory selectors:top-carrying selectors:top-mass selectors:random-mass metrics:judge metrics:clip-t metrics:rmse metrics:psnr metrics:ssim metrics:ms-ssim \
    networks:SD3Transformer2DModel networks:CLIPTextModelWithProjection networks:T5EncoderModel networks:AutoencoderKL probes:census study:conditions; do
    try "list ${row%%:*}" 0 "  ${row#*:} " sinkscope list "${row%%:*}"
done
try 'list of an unknown table' 2 "did you mean 'edits'" sinkscope list edit

# ---- instruction sets: each that the machine has computes, by any number of threads the same bytes ----
for isa in baseline avx2 avx512 avx512-bf16 amx; do
    if SS_ISA=$isa sinkscope generate tiny --prompt 'a red star' --steps 2 --threads 1 --verbose -o $isa-1 2>said.err; then
        check "--verbose names $isa" grep -q "computing: cpu $isa, .* threads 1" said.err
        check "$isa by 3 threads" env SS_ISA=$isa "$SINKSCOPE" generate tiny --prompt 'a red star' --steps 2 --threads 3 -o $isa-3
        same "$isa by 1 and by 3 threads" $isa-1 $isa-3
    else
        check "$isa is not here" grep -q "this processor has no $isa" said.err
    fi
done
try 'an instruction set that nobody knows' 2 "did you mean 'avx512'" env SS_ISA=avx51 "$SINKSCOPE" generate tiny --prompt x -o none

# ---- the man page ----
if command -v groff >/dev/null; then
    groff -man -Tutf8 -ww -P-cbou manual.1 >page 2>warnings || fail 'groff reads the man page' "$(cat warnings)"
    check 'the man page gives no warnings' test ! -s warnings
    check 'the man page has an exit status' grep -q 'EXIT STATUS' page
else skip 'man page: no groff'; fi

# ---- generate ----
for threads in 1 2 4 8; do
    check "generate, $threads threads" sinkscope generate tiny --prompts prompts.jsonl --threads $threads --seed 7 -o "g$threads"
done
check 'generate again' sinkscope generate tiny --prompts prompts.jsonl --seed 7 -o again
check 'one picture a prompt' test "$(ls g1 | wc -l)" -eq 6
for other in g2 g4 g8 again; do same "the same pictures in $other" g1 $other; done
check 'other seeds, other pictures' sinkscope generate tiny --prompt 'a red star' --seed 7 --images 2 -o seeds
same 'a prompt and seed is the same picture anywhere' seeds/00000-7.png g1/00000-7.png
check 'another seed is another picture' sh -c '! cmp -s seeds/00000-7.png seeds/00000-8.png'
sinkscope generate tiny --prompt 'a red star' --negative blue --steps 3 --size 64x32 --guidance 2.5 --seed 9 -o one >said.out
check 'says where the picture is' grep -qF 'one/00000-9.png  a red star' said.out
for chunk in 'tEXtprompt' 'a red star' 'tEXtparameters' \
    'model: tiny, seed: 9, steps: 3, guidance: 2.5, size: 64x32, negative: blue, sinkscope: 0.'; do
    check "the picture's chunk: $chunk" grep -aqF "$chunk" one/00000-9.png
done

# ---- inspect ----
try 'inspect' 0 '3 blocks x 3 heads, 117 keys: image 16, clip 77, t5 24' sinkscope inspect tiny
try 'inspect counts' 0 'SD3Transformer2DModel            73,808 parameters' sinkscope inspect tiny
try 'inspect --tensors' 0 'transformer_blocks.0.attn.to_q.weight' sinkscope inspect tiny --tensors
mkdir -p no-model && echo text >no-model/notes.txt
try 'inspect a folder that is no model' 3 \
    "no-model: is no model's folder; expected model_index.json in it (a pipeline in diffusers' form) or config.json" \
    sinkscope inspect no-model
try 'inspect a component' 0 'AutoencoderKL' sinkscope inspect tiny/vae

# ---- weights of 16 bits: half the memory, the same image ----
model=$SOURCE/models/shapes-sd3
try 'weights as stored' 0 '14.9 MiB in memory' sinkscope inspect "$model/transformer"
try 'weights as float32' 0 '29.7 MiB in memory' sinkscope inspect "$model/transformer" --weights float32
# ---- what computes ----
try 'backends' 0 'reference      plain loops' sinkscope list backends
try 'the reference backend' 0 '' sinkscope generate tiny --prompt x --steps 1 --backend reference -o by-reference --verbose
check 'is told' grep -q 'computing: reference' said.err
check 'from the environment' sh -c 'SS_BACKEND=reference "$SINKSCOPE" generate tiny --prompt x --steps 1 -o by-environment --verbose 2>&1 | grep -q "computing: reference"'
check 'the flag before the environment' sh -c 'SS_BACKEND=reference "$SINKSCOPE" generate tiny --prompt x --steps 1 --backend cpu -o by-flag --verbose 2>&1 | grep -q "computing: cpu"'
try 'no such backend' 2 'backends: cpu, reference, dry' sinkscope generate tiny --prompt x --backend gpu -o none
try 'a backend of shapes' 2 'dry computes no values; expected cpu or reference' sinkscope trace tiny --prompt x --backend dry
try 'weights as what' 2 "expected one of stored|float32" sinkscope inspect tiny --weights bf16
for weights in stored float32; do
    check "a picture by weights as $weights" sinkscope generate "$model" --prompt 'a red star' --steps 2 --seed 3 --weights $weights -o "w$weights"
done
same 'the same picture by weights as stored and as float32' wstored wfloat32
for form in int8 bf16; do
    check "a picture by weights in $form" sinkscope generate "$model" --prompt 'a red star' --steps 2 --seed 3 --round $form -o "r$form"
    check "it says $form" grep -aq "weights: $form" "r$form/00000-3.png"
    try "a trace in $form" 0 '' sinkscope trace "$model" --prompt 'a red star' --steps 2 --round $form -o "t$form"
    check "the trace says $form" grep -q "weights $form" "t$form/trace.html"
done
check 'a picture as stored does not speak of it' sh -c '! grep -aq "weights:" wstored/00000-3.png'
for type in F32 F16 BF16; do
    check "random weights of type $type" sinkscope inspect tiny/transformer --random $type.safetensors --type $type
    check "they are $type" grep -aqF "\"dtype\":\"$type\"" $type.safetensors
done
check 'random weights of 16 bits take half' test $((2 * $(wc -c <BF16.safetensors))) -lt $(($(wc -c <F32.safetensors) + 20000))

# ---- forward: decode latents, encode the image again; hooks ----
header='{"latents":{"dtype":"F32","shape":[1,4,4,4],"data_offsets":[0,256]}}    ' # a multiple of 8 bytes
printf '\110\0\0\0\0\0\0\0' >latents.safetensors
printf %s "$header" >>latents.safetensors
for i in 1 2 3 4 5 6 7 8; do
    printf '\0\0\200\077\0\0\0\100\0\0\200\277\0\0\0\077\0\0\0\0\0\0\100\077\0\0\200\076\0\0\0\277' >>latents.safetensors
done
check 'the test makes a header of 72 bytes' test ${#header} -eq 72
check 'decode' sinkscope forward tiny vae --in latents.safetensors --out decoded.safetensors
check 'decoded is a picture' grep -aqF '"decoded":{"dtype":"F32","shape":[1,3,16,16]' decoded.safetensors
LC_ALL=C sed 's/"decoded":/"sample" :/' decoded.safetensors >sample.safetensors
check 'encode' sinkscope forward tiny vae --in sample.safetensors --out encoded.safetensors
check 'encoded are latents' grep -aqF '"mean":{"dtype":"F32","shape":[1,4,4,4]' encoded.safetensors
check 'list of taps' sinkscope forward tiny vae --list-taps
sinkscope forward tiny vae --list-taps | grep '^decoder' >taps
check 'taps, all' sinkscope forward tiny vae --in latents.safetensors --out taps1.safetensors --tap all --threads 1
check 'taps, all, 4 threads' sinkscope forward tiny vae --in latents.safetensors --out taps4.safetensors --tap all --threads 4
check 'there are taps' test "$(wc -l <taps)" -gt 10
while read -r tap; do check "tap $tap" grep -aqF "\"$tap\":{" taps1.safetensors; done <taps
same 'taps do not depend on threads' taps1.safetensors taps4.safetensors
first=$(head -n 1 taps)
check 'one tap' sinkscope forward tiny vae --in latents.safetensors --out tap.safetensors --tap "$first"
check 'one tap, one tensor more' test "$(grep -ao '"dtype"' tap.safetensors | wc -l)" -eq 2
check 'one hook' sinkscope forward tiny vae --in latents.safetensors --out hook.safetensors --hook "$first"
same 'a tap is the old name of a hook' tap.safetensors hook.safetensors
sinkscope forward tiny vae --list-hooks | grep '^decoder' >hooks
same 'hooks are listed under both names' taps hooks
check 'the help has the new name alone' test "$(sinkscope forward --help | grep -c -e --tap -e --list-taps)" -eq 0

# ---- trace ----
try 'trace' 0 'strongest head of each block' sinkscope trace tiny --prompt 'a red star' --threads 1 -o trace1
check 'trace, 4 threads' sinkscope trace tiny --prompt 'a red star' --threads 4 -o trace4
same 'a trace does not depend on threads' trace1 trace4
check 'a trace has picture, rows and page' test -s trace1/image.png -a -s trace1/trace.csv -a -s trace1/trace.html
check 'a picture traced is the picture' sinkscope generate tiny --prompt 'a red star' -o plain
sinkscope trace tiny --prompt 'a red star' --json >trace.json
check 'trace --json names words' grep -qF 'star' trace.json
try 'trace --map' 0 'strongest head of each block' sinkscope trace tiny --prompt 'a red star' --map 'word star' -o mapped
check 'trace --map is on the page' grep -q 'Which places of the image look at it' mapped/trace.html
try 'trace --map of nothing' 2 "the prompt has no word 'circle' among the tokens that an encoder takes" sinkscope trace tiny --prompt 'a red star' --map 'word circle'
try 'trace --map of no key' 2 "expected 'key clip 0'" sinkscope trace tiny --prompt 'a red star' --map 'key clip 999'
try 'trace of one step' 0 'step 2' sinkscope trace tiny --prompt 'a red star' --step 2
try 'trace without a prompt' 2 '--prompt' sinkscope trace tiny

# ---- stats, against figures found by hand: differences 1 .. 5 ----
printf 'prompt,seed,condition,metric,value\n' >scores.csv
for i in 1 2 3 4 5; do printf 'p%d,1,a,m,%d\np%d,1,b,m,%d\n' $i $((2 * i)) $i $i >>scores.csv; done
sinkscope stats scores.csv --contrast a-b >figures
while read -r figure value; do
    check "stats: $figure = $value" grep -Eq "^  $figure +$value( |\$)" figures
done <<'END'
n 5
mean 3
sd 1\.581139
d_z 1\.897367
t 4\.242641
t_p 0\.0132356
t_low 1\.036757
t_high 4\.963243
wilcoxon_w 15
wilcoxon_p 0\.0625
sign_flip_p 0\.0625
verdict undecided
END
try 'stats --json' 0 '"t": 4.2426406871192848' sinkscope stats scores.csv --contrast a-b --json
awk -F, 'NR == 1 { print $0 ",tag" } NR > 1 { print $0 "," (NR < 8 ? "few" : "many") }' scores.csv >tagged.csv
try 'stats --by' 0 'tag: many' sinkscope stats tagged.csv --contrast a-b --by tag
check 'stats --by: a family each' test "$(grep -Ec '^  mean +(2|4\.5) ' said.out)" -eq 2
try 'stats --by --json' 0 '"by": {"tag": "few"}, "figures"' sinkscope stats tagged.csv --contrast a-b --by tag --json
try 'stats --by nothing' 3 "'colour'" sinkscope stats tagged.csv --contrast a-b --by colour
sinkscope stats - --contrast a-b <scores.csv >from-input
check 'stats -: the standard input' cmp -s figures from-input
check 'stats: a pipe by its name' sh -c 'mkfifo pipe; cat scores.csv >pipe & "$SINKSCOPE" stats pipe --contrast a-b | cmp -s - figures'
sed 's/^p1,1,a/&/; s/,1,b,/,1.0,b,/' scores.csv >floats.csv
check 'stats: seeds written 1.0' sh -c '"$SINKSCOPE" stats floats.csv --contrast a-b | cmp -s - figures'
(cat scores.csv; echo 'p1,1,c,m,nan') >missing-values.csv
check 'stats: a missing value that no contrast uses' \
    sh -c '"$SINKSCOPE" stats missing-values.csv --contrast a-b | cmp -s - figures'
try 'stats: a missing value in a contrast' 3 "missing-values.csv:12: has the value 'nan' in a contrast" \
    sinkscope stats missing-values.csv --contrast a-c
(cat scores.csv; echo 'p1,1,b,m,7') >twice.csv
try 'stats: a value given twice' 3 'is given twice, first on line 3' sinkscope stats twice.csv --contrast a-b
printf 'prompt,seed,condition,metric,value\np,1,a,m,1\np,2,b,m,1\n' >apart.csv
try 'stats: no pair' 3 "looked for rows of 'a' and of 'b' with the same prompt and seed" \
    sinkscope stats apart.csv --contrast a-b
awk -F, 'NR == 1; NR > 1 { for (i = 0; i < 150; i++) print $1 "," $2 "," (i ? "c" i : $3) "," $4 "," $5 + i * ($3 == "a") }' \
    scores.csv | awk -F, '!seen[$1 $2 $3]++' >wide.csv
try 'stats: 140 contrasts' 0 'c140-c1' sinkscope stats wide.csv $(seq -f '--contrast=c%g-c1' 2 140)
check 'stats: every contrast is told' test "$(grep -c '^  verdict ' said.out)" -eq 139
try 'flags: hyphens' 0 'verdict' sinkscope stats scores.csv --contrast a-b --flips-exact 20 --ranks-exact 50
try 'flags: underscores, as they were once' 0 'verdict' sinkscope stats scores.csv --contrast a-b --flips_exact 20
try 'help of a command by -h' 0 'usage: sinkscope generate MODEL' sinkscope generate -h
try 'stats from a pipe name' 3 'missing.csv' sinkscope stats missing.csv --contrast a-b

# ---- standard output that fails ----
try 'a full standard output' 4 'cannot write to standard output' sh -c '"$SINKSCOPE" manual >/dev/full'
finish
