#!/bin/sh
# Checkpoints in one file and LoRA, through the program: images, folders, studies, notices.
. "$(dirname "$0")/common.sh"
data=$TESTS_DATA
"$MAKE_TINY_MODEL" "$data" sd15 tiny-sd15
cp "$data/single/sd15.ckpt" "$data/single/sd3.safetensors" .
sd15="--config sd15 --vae sd15/vae"
sd3="--config tiny --text-encoder tiny/text_encoder --text-encoder-2 tiny/text_encoder_2 --text-encoder-3 tiny/text_encoder_3"

# ---- recognised ----
try 'inspect' 0 'recognised as sd15 (configs of that folder)' sinkscope inspect sd15.ckpt $sd15
check 'says where the U-Net is' grep -q '^  unet             from model.diffusion_model' said.out
check 'says that the autoencoder is missing' grep -q '^  vae              not in the file' said.out
check 'makes pictures with the parts that are named' grep -q 'at its defaults: 32 x 32 px' said.out
try 'inspect, not whole' 0 'holds no text_encoder, as many single files do; name it by --text-encoder' \
    sinkscope inspect sd3.safetensors --config tiny
try 'without its configs' 3 'no model that is known by them' sinkscope inspect sd15.ckpt
try 'without T5' 0 'has no T5 inside' sinkscope generate sd3.safetensors --config tiny --text-encoder tiny/text_encoder \
    --text-encoder-2 tiny/text_encoder_2 --prompt x -o without
try 'a half-downloaded file' 3 'truncated?' sh -c "head -c 9000 sd3.safetensors >half.safetensors; '$SINKSCOPE' inspect half.safetensors"
try 'a page that was saved' 3 'is an HTML page' sh -c "echo '<!DOCTYPE html><html>' >page.ckpt; '$SINKSCOPE' generate page.ckpt --prompt x -o no"

# ---- a file, and the folder that it becomes: the same bytes, the model's name included ----
for model in sd15.ckpt sd3.safetensors; do
    [ $model = sd15.ckpt ] && parts=$sd15 || parts=$sd3
    mkdir "as-$model" && cp $model "as-$model/model" && cp -r tiny sd15 "as-$model"
    (cd "as-$model" && sinkscope generate model $parts --prompt 'a red star' --size 32 --steps 3 --guidance 4 -o a --quiet) >made.out 2>&1
    try "convert $model" 0 'folder' sinkscope convert "as-$model/model" $parts -o "as-$model/folder"
    (cd "as-$model" && mv model file && mv folder model && sinkscope generate model --prompt 'a red star' --size 32 --steps 3 \
        --guidance 4 -o b --quiet) >>made.out 2>&1
    check "$model: pictures are made" test -s "as-$model/a/00000-0.png"
    sinkscope score "as-$model/a" --against "as-$model/b" --metric rmse -o "$model.csv" >/dev/null 2>&1
    check "$model: the folder's pixels" awk -F, 'NR == 2 && $2 == $5 && $8 == 0 { same = 1 } END { exit !same }' "$model.csv"
done
try 'a model is not written over' 2 'holds a model already; --force' sinkscope convert sd15.ckpt $sd15 -o as-sd15.ckpt/model
try 'unless it is meant' 0 '' sinkscope convert sd15.ckpt $sd15 -o as-sd15.ckpt/model --force
try 'a folder is no file' 3 'expected a checkpoint in one file, found a folder' sinkscope convert tiny -o out
try 'no target' 2 '-o FOLDER' sinkscope convert sd15.ckpt

# ---- LoRA ----
try 'a LoRA' 0 '' sinkscope generate tiny --lora "$data/lora/kohya.safetensors:0.7" --prompt 'a red star' -o with
try 'twice' 0 '' sinkscope generate tiny --lora "$data/lora/kohya.safetensors" --lora "$data/lora/diffusers.safetensors:-1" --prompt x -o twice
try 'what is not used is told' 0 '1 of 2 matrices are not used' sinkscope generate tiny --lora "$data/lora/partly.safetensors" --prompt x -o partly
try 'for another model' 3 'do not fit text_model.encoder.layers.0.mlp.fc1.weight' sinkscope generate sd15 --lora "$data/lora/diffusers.safetensors" --prompt x -o other
try 'DoRA' 3 'DoRA, which is not supported' sinkscope generate tiny --lora "$data/lora/dora.safetensors" --prompt x -o dora
try 'nowhere' 3 'nowhere' sinkscope generate tiny --lora nowhere.safetensors --prompt x -o none
check 'the picture says so' grep -aq 'lora: .*kohya.safetensors x 0.7' with/00000-0.png

# ---- in a study: the manifest lists all files, and a changed one is found ----
cp "$data/lora/kohya.safetensors" style.safetensors
cat >study.yaml <<END
study: single
model: sd3.safetensors
parts: {config: tiny, text-encoder: tiny/text_encoder, text-encoder-2: tiny/text_encoder_2, text-encoder-3: tiny/text_encoder_3}
lora: [style.safetensors:0.5]
prompts: prompts.txt
seeds: [1]
sampler: {steps: 2, size: 32}
conditions:
  sink: {select: top, k: 1, edit: mask, blocks: [1]}
metrics: [rmse]
primary: rmse
sham: 1
END
echo 'a red star' >prompts.txt
try 'a study' 0 '' sinkscope run study.yaml -o study --quiet
check 'its model' grep -q '"single": true' study/manifest.json
check 'its LoRA' grep -q '"role": "lora x 0.5"' study/manifest.json
check 'its parts' grep -q '"role": "part text-encoder-2"' study/manifest.json
try 'verify' 0 'verified' sinkscope verify study --quiet
cp "$data/lora/diffusers.safetensors" style.safetensors
try 'another LoRA under the name' 5 'style.safetensors has changed' sinkscope verify study --remake 0 --quiet
sed 's/\[style.safetensors:0.5\]/{file: style.safetensors, scale: 0.5, rank: 4}/' study.yaml >bad.yaml
try 'a key that is none' 3 "rank" sinkscope run bad.yaml -o bad --quiet
sed 's/text-encoder-3: tiny/text-encoder-4: tiny/' study.yaml >bad.yaml
try 'a part that is none' 3 "text-encoder-4" sinkscope run bad.yaml -o bad --quiet
finish
