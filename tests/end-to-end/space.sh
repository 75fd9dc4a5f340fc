#!/bin/sh
# Every command under limits of address space that batch systems set (ulimit -v), on the models that ship; threads that
# cannot be had; weights that become shorter.
. "$(dirname "$0")/common.sh"
if [ "${SANITIZE:-none}" != none ]; then
    skip "address space under a sanitizer, which takes terabytes of it"
    finish
fi
limit=600000
under() { (ulimit -v $limit && exec "$SINKSCOPE" "$@" --threads 2); }
sd3=$SOURCE/models/shapes-sd3 sdxl=$SOURCE/models/shapes-sdxl

cat >prompts.txt <<'END'
a red circle
a blue star
END
study() { # NAME MODEL
    cat >"$1.yaml" <<END
study: $1
model: $2
prompts: {file: prompts.txt}
seeds: [1]
sampler: {steps: 2}
probes: [mass, entropy, census, value]
measure: {sinks: 2, masses: true}
conditions:
  sink: {select: top, k: 1, edit: mask}
metrics: [rmse, ssim]
primary: rmse
contrasts:
  - {what: sink - baseline}
END
}
study plain "$sd3"
study other "$sdxl"

for model in "$sd3" "$sdxl"; do
    name=$(basename "$model")
    try "inspect $name" 0 '' under inspect "$model"
    try "generate $name" 0 '' under generate "$model" --prompt 'a red circle' --seed 7 --steps 2 -o "out-$name"
    check "generate $name, no limit" sinkscope generate "$model" --prompt 'a red circle' --seed 7 --steps 2 -o "free-$name"
    same "pictures of $name" "out-$name" "free-$name"
    try "trace $name" 0 '' under trace "$model" --prompt 'a red circle' --steps 2 -o "trace-$name"
done
try 'run --plan' 0 '' under run plain.yaml -o plain --plan
try 'run' 0 '' under run plain.yaml -o plain
try 'run, U-Net' 0 '' under run other.yaml -o other
check 'run, no limit' sinkscope run plain.yaml -o free
check 'exports' export_all plain exports
check 'exports, no limit' export_all free exports-free
same 'the same study' exports exports-free
for table in scores units sites sinks; do try "export $table" 0 '' under export plain --table $table; done
try 'resume' 0 '' under resume plain
try 'verify' 0 '' under verify plain --remake 1
try 'report' 0 '' under report plain -o report
try 'compare' 0 '' under compare plain baseline sink -o compared
try 'findings' 0 '' under findings plain -o findings.md
try 'score' 0 '' under score plain --metric psnr
try 'score of folders' 0 '' under score out-shapes-sd3 --against free-shapes-sd3 --metric rmse -o rescored.csv
try 'list' 0 '' under list
cat >scores.csv <<'END'
condition,prompt,seed,metric,value
sink,a,1,rmse,0.5
baseline,a,1,rmse,0.25
sink,b,1,rmse,0.75
baseline,b,1,rmse,0.5
END
try 'stats' 0 '' under stats scores.csv --contrast sink-baseline --metric rmse
try 'list of taps' 0 '' under forward "$sd3" transformer --list-taps

# ---- threads ----
try 'more threads than there is room for' 4 'threads were asked for and' \
    sh -c "ulimit -v 200000; exec '$SINKSCOPE' generate '$sd3' --prompt x --steps 1 -o crowd --threads 1000"
limit=60000
try 'too little for the model' 4 'memory' under generate "$sd3" --prompt x --steps 1 -o small
finish
