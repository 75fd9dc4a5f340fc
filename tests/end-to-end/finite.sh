#!/bin/sh
# Values that are not finite: a NaN planted in every network of both models that ship, numbers that leave float32's
# range though every weight is finite, `inspect --check`, `forward`, `score`, the library. SPOIL_TENSOR: the tool that
# breaks a tensor.
. "$(dirname "$0")/common.sh"
transformer=transformer/diffusion_pytorch_model.safetensors unet=unet/diffusion_pytorch_model.safetensors
vae=vae/diffusion_pytorch_model.safetensors

# spoiled MODEL FILE TENSOR WORD [INDEX]: a copy of the model in `spoiled`, its other files links, with the tensor spoiled.
spoiled() {
    rm -rf spoiled
    cp -rs "$1" spoiled && rm "spoiled/$2" && cp "$1/$2" "spoiled/$2" && chmod u+w "spoiled/$2" || return 1
    file=spoiled/$2
    shift
    "$SPOIL_TENSOR" "spoiled/$1" "$2" "$3" ${4:+"$4"}
}

draw() { sinkscope generate spoiled --prompt 'a red circle and a blue star' --steps 2 -o drawn; }

# nan WHAT MODEL FILE TENSOR TENSOR-IN-WORDS: it is named, with its file, and no image is left.
nan() {
    rm -rf drawn
    spoiled "$2" "$3" "$4" "${5:-nan}" "${6:-5}" || fail "$1" 'cannot spoil the model'
    try "$1" 3 "the tensor $4 holds 1 NaN of " draw
    check "$1: the file" grep -qF "spoiled/$3: " said.err
    check "$1: the first tap" grep -qF 'the first such values are in ' said.err
    check "$1: no picture" sh -c '! ls drawn/*.png 2>/dev/null'
    try "$1: inspect --check" 3 "    $4  " sinkscope inspect spoiled --check
}

sd3=$SOURCE/models/shapes-sd3 sdxl=$SOURCE/models/shapes-sdxl
fc1=text_model.encoder.layers.0.mlp.fc1.weight
nan 'sd3, text_encoder' "$sd3" text_encoder/model.safetensors $fc1
nan 'sd3, text_encoder_2' "$sd3" text_encoder_2/model.safetensors $fc1 all-ones
nan 'sd3, text_encoder_3' "$sd3" text_encoder_3/model.safetensors encoder.block.1.layer.0.SelfAttention.v.weight
draw 2>said.err
check 'the text is named' grep -qF 'So the states of the text "a red circle and a blue star" are not finite' said.err
nan 'sd3, transformer' "$sd3" $transformer transformer_blocks.2.attn.to_k.weight
draw 2>said.err
check 'step and branches are named' grep -qF 'So the latents after step 1 of 2 are not finite' said.err
check 'block and branches are named' grep -qF 'in transformer_blocks.2.attn, branches cond and uncond. ' said.err
nan 'sd3, vae' "$sd3" $vae decoder.mid_block.resnets.0.conv1.weight
draw 2>said.err
check 'the picture is named' grep -qF 'So the values of the picture are not finite; the first such values are in decoder.mid_block.resnets.0.conv1. ' said.err
nan 'sdxl, text_encoder' "$sdxl" text_encoder/model.safetensors $fc1
nan 'sdxl, text_encoder_2' "$sdxl" text_encoder_2/model.safetensors $fc1
nan 'sdxl, unet' "$sdxl" $unet mid_block.resnets.0.conv1.weight all-ones
nan 'sdxl, vae' "$sdxl" $vae decoder.conv_in.bias
try 'trace' 3 'the tensor decoder.conv_in.bias holds 1 NaN' sinkscope trace spoiled --prompt 'a red star' --steps 1 -o traced

# ---- sound weights, numbers too large ----
spoiled "$work/tiny" $vae decoder.conv_in.weight x1e38
try 'an overflow without a bad weight' 3 "the network's weights are finite: a number left the range of float32" draw
check 'an overflow is at the folder' grep -qF 'spoiled/vae: vae: the values of the picture are not finite. The first such values are in decoder.' said.err
try 'weights of an overflow' 0 'all finite' sinkscope inspect spoiled --check
spoiled "$work/tiny" $vae decoder.conv_in.bias inf 3
try 'an infinity' 3 'the tensor decoder.conv_in.bias holds 1 infinite of 16 values, at [3]' draw

# ---- inspect --check ----
try 'check: sound' 0 ' values, all finite' sinkscope inspect tiny --check
check 'check: every component' sh -c 'test "$(grep -c "all finite" said.out)" -eq 5'
spoiled "$work/tiny" text_encoder_2/model.safetensors text_model.embeddings.token_embedding.weight nan 31
check 'a word that no prompt has does no harm' draw
try 'check: a row that nobody looks up' 3 'token_embedding.weight  F32: 1 NaN of ' sinkscope inspect spoiled --check
check 'check: how many' grep -qF "spoiled: 1 of " said.err
spoiled "$work/tiny" $vae encoder.conv_in.bias -inf
check 'an encoder that never runs does no harm' draw
try 'check: an encoder that never runs' 3 'encoder.conv_in.bias  F32: 1 infinite of ' sinkscope inspect spoiled --check
try 'check: a component' 3 '1 infinite' sinkscope inspect spoiled/vae --check
try 'check: a file' 3 '1 infinite' sinkscope inspect spoiled/$vae --check
try 'check: 16 bits' 0 'all finite' sinkscope inspect "$sd3" --check
for type in F16 BF16; do
    sinkscope inspect tiny/vae --random $type.safetensors --type $type >said.out || fail 'random weights' "$type"
    "$SPOIL_TENSOR" $type.safetensors decoder.conv_in.weight nan 40
    "$SPOIL_TENSOR" $type.safetensors decoder.conv_in.weight inf 41
    try "check: $type" 3 "decoder.conv_in.weight  $type: 1 NaN and 1 infinite of " sinkscope inspect $type.safetensors --check
done

# ---- forward: tensors are given, and a note says what they are ----
spoiled "$work/tiny" $vae decoder.conv_in.bias nan
header='{"latents":{"dtype":"F32","shape":[1,4,4,4],"data_offsets":[0,256]}}    ' # 72 bytes
{
    printf '\110\0\0\0\0\0\0\0%s' "$header"
    head -c 256 /dev/zero
} >latents.safetensors
try 'forward' 0 'sinkscope: note: ' sinkscope forward spoiled vae --in latents.safetensors --out decoded.safetensors
check 'forward names the tensor' grep -qF 'the tensor decoder.conv_in.bias holds 1 NaN' said.err
check 'forward writes' test -s decoded.safetensors
sinkscope forward tiny vae --in latents.safetensors --out decoded.safetensors 2>said.err
check 'forward on a sound model has nothing to note' test ! -s said.err

# ---- score: the metric's network is named, and the work ends ----
configs=$TESTS_DATA/score/scorers merges=$SOURCE/models/clip-bpe/merges.txt
sinkscope generate tiny --prompt 'a red star' --images 2 --steps 1 -o stars >list.out
printf 'image,prompt\n' >list.csv
sed 's/  a red star$/,a red star/' list.out >>list.csv
sinkscope inspect "$configs/open-clip.json" --random hps.safetensors >said.out
hps="{hps-v2: {weights: hps.safetensors, config: $configs/open-clip.json, merges: $merges}}"
try 'score, sound' 0 '' sinkscope score list.csv --metric "$hps" -o scores.csv
"$SPOIL_TENSOR" hps.safetensors transformer.resblocks.1.mlp.c_fc.weight nan 7
try 'score, a text tower' 3 'the tensor transformer.resblocks.1.mlp.c_fc.weight holds 1 NaN' sinkscope score list.csv --metric "$hps" -o broken.csv
check 'score names the metric' grep -qF 'So the numbers of the metric hps-v2 are not finite' said.err
echo '{"_class_name": "LPIPS", "net": "alex"}' >config.json
sinkscope inspect config.json --random alex.safetensors >said.out
"$SPOIL_TENSOR" alex.safetensors features.3.weight nan 1
mkdir one two && cp stars/*.png one && cp stars/*.png two
try 'score, LPIPS' 3 'the tensor features.3.weight holds 1 NaN' \
    sinkscope score one --against two --metric '{lpips-alex: {weights: alex.safetensors, linear: ""}}' -o pairs.csv
finish
