#!/bin/sh
# Models that are not whole: each is refused before anything is computed, with exit code 3, the file's name, what was
# expected and what was found; no image appears.
. "$(dirname "$0")/common.sh"

weights=transformer/diffusion_pytorch_model.safetensors vae=vae/diffusion_pytorch_model.safetensors

# model WHAT WORDS DAMAGE: a copy of the tiny model is damaged by shell commands run in it.
model() {
    rm -rf broken && cp -r tiny broken
    (cd broken && eval "$3") || fail "$1" 'the test could not damage the model'
    try "$1" 3 "$2" sinkscope generate broken --prompt 'a red star' -o pictures
    check "$1: no picture" test -z "$(ls -A pictures 2>/dev/null)"
}
set_config() { # FILE KEY VALUE: one number or string of a config.json
    grep -q "\"$2\": " "$1" && sed -i "s|\"$2\": [^,]*|\"$2\": $3|" "$1"
}
set_header() { # FILE FROM TO, of equal length: a change within the header of a safetensors file
    grep -aqF -- "$2" "$1" && LC_ALL=C sed -i "s|$2|$3|" "$1"
}
cut_to() { head -c "$2" "$1" >cut && mv cut "$1"; } # FILE BYTES

model 'no model_index.json' 'broken: expected a model in diffusers' 'rm model_index.json'
model 'model_index.json cut' 'broken/model_index.json:2:0: is not JSON' 'echo "{" >model_index.json'
model 'another pipeline' "unknown pipeline 'FluxPipeline'" 'sed -i s/StableDiffusion3Pipeline/FluxPipeline/ model_index.json'
model 'a pipeline without a class' "has no '_class_name'" 'echo "[]" >model_index.json'
model 'a component not named' 'model_index.json: text_encoder: expected [library' 'sed -i "s/\"text_encoder\":/\"text_encode\":/" model_index.json'
model 'a component not there' 'broken/text_encoder/config.json: cannot open' 'rm -r text_encoder'
model 'no config.json' 'broken/transformer/config.json: cannot open' 'rm transformer/config.json'
model 'config.json cut' 'broken/transformer/config.json:6:1: is not JSON' 'cut_to transformer/config.json 100'
model 'a key twice' 'duplicate object key' 'sed -i "s/\"num_layers\": 3,/&&/" transformer/config.json'
model 'a key missing' 'joint_attention_dim 4096' 'sed -i /joint_attention_dim/d transformer/config.json'
model 'a number below its range' 'num_layers is -3; expected a whole number' 'set_config transformer/config.json num_layers -3'
model 'a number above its range' 'num_layers is 1000000; expected' 'set_config transformer/config.json num_layers 1000000'
model 'a string for a number' "'num_layers' is a string; expected an integer" 'set_config transformer/config.json num_layers \"3\"'
model 'a network not known' "did you mean 'SD3Transformer2DModel'?" 'sed -i s/SD3Tr/FluxTr/ transformer/config.json'
model 'heads that do not fit' 'caption_projection_dim is 24; expected 32' 'set_config transformer/config.json num_attention_heads 4'
model 'an activation not known' "unknown activation 'swish2'" 'sed -i s/quick_gelu/swish2/ text_encoder/config.json'
model 'a normalization not known' "qk_norm is 'layer_norm'" 'sed -i s/rms_norm/layer_norm/ transformer/config.json'
model 'a layer too many' 'layers.2' 'set_config text_encoder/config.json num_hidden_layers 3'
model 'a tensor renamed' 'context_embedder.weight is missing' "set_header $weights context_embedder.weight context_embedder.wait__"
model 'a shape from another config' 'expected [1700, 16], from vocab_size 1700' 'set_config text_encoder/config.json vocab_size 1700'
model 'latents of another depth' 'from 2 x latent_channels 8' 'set_config vae/config.json latent_channels 8'
model 'a type that holds no weights' 'context_embedder.bias has dtype I32; expected F64, F32, F16, BF16 or F8' "set_header $weights '\"dtype\":\"F32\"' '\"dtype\":\"I32\"'"
model 'a type not known' "has dtype 'Q32'; sinkscope reads F64, F32" "set_header $weights '\"dtype\":\"F32\"' '\"dtype\":\"Q32\"'"
model 'a type of another size' 'has 96 bytes of data; expected 48' "set_header $weights '\"dtype\":\"F32\"' '\"dtype\":\"F16\"'"
model 'no weights' 'broken/transformer: has no weights; looked for' "rm $weights"
model 'weights in another format' 'broken/vae: has no weights; looked for' "mv $vae vae/diffusion_flax_model.msgpack"
lfs='version https://git-lfs.github.com/spec/v1'
model 'a Git LFS pointer for weights' 'is a Git LFS pointer, not the file itself' "echo '$lfs' >$weights"
model 'a Git LFS pointer for a config' 'config.json: is a Git LFS pointer' "echo '$lfs' >transformer/config.json"
model 'a login page for weights' 'is an HTML page' "echo '<!DOCTYPE html><html>' >$weights"
model 'a login page for a vocabulary' 'merges.txt: is an HTML page' "echo '<html>' >tokenizer/merges.txt"
model 'a Git LFS pointer for a tokenizer' 'spiece.model: is a Git LFS pointer' "echo '$lfs' >tokenizer_3/spiece.model"
model 'weights cut' '(truncated?)' "cut_to $weights 20000"
model 'weights cut in the header' 'begins with 8 bytes of header length' "cut_to $weights 5"
model 'weights of no bytes' 'is empty; expected weights' ": >$vae"
model 'a header without end' 'at most 100000000 are allowed' "printf '\\377\\377\\377\\377\\377\\377\\377\\177' | dd of=$vae conv=notrunc bs=1 2>/dev/null"
model 'a header that is not JSON' 'safetensors:1:2: is not JSON' "set_header $vae '{\"' '{{'"
model 'bytes after the last tensor' 'has 5 bytes after the last tensor' "echo junk >>$vae"
model 'a shard not there' 'names diffusion_pytorch_model-00002-of-00002.safetensors, which is not there' "mv $vae vae/diffusion_pytorch_model-00001-of-00002.safetensors &&
    echo '{\"weight_map\": {\"decoder.conv_in.weight\": \"diffusion_pytorch_model-00002-of-00002.safetensors\"}}' >$vae.index.json"
model 'no vocab.json' 'broken/tokenizer/vocab.json: cannot open' 'rm tokenizer/vocab.json'
model 'a vocabulary of another kind' 'vocab.json: is an array; expected an object' 'echo "[1]" >tokenizer/vocab.json'
model 'no merges.txt' 'broken/tokenizer_2/merges.txt: cannot open' 'rm tokenizer_2/merges.txt'
model 'a merge of three' 'expected two symbols with one space between' 'echo "three of them" >>tokenizer/merges.txt'
model 'no spiece.model' 'broken/tokenizer_3/spiece.model: cannot open' 'rm tokenizer_3/spiece.model'
model 'spiece.model cut' 'is not a sentencepiece model' 'cut_to tokenizer_3/spiece.model 300'
model 'no tokenizer_config.json' 'has model_max_length 0; expected 2' 'rm tokenizer/tokenizer_config.json'
model 'no scheduler' 'scheduler_config.json: cannot open' 'rm -r scheduler'
model 'another scheduler' 'expected FlowMatchEulerDiscreteScheduler' 'sed -i s/FlowMatchEuler/DPMSolver/ scheduler/scheduler_config.json'
model 'a shift below 0' 'shift is not a positive number' 'set_config scheduler/scheduler_config.json shift -3.0'
model 'a default not known' "unknown key 'stepz'; did you mean 'steps'?" "echo '{\"stepz\": 3}' >sinkscope.json"
model 'a default size that does not divide' 'multiples of 8' 'set_config sinkscope.json width 33'

# Tensors that the network does not have are ignored, as in diffusers, with a notice.
rm -rf broken pictures && cp -r tiny broken && set_config broken/text_encoder/config.json num_hidden_layers 1
try 'tensors unclaimed' 0 '16 tensors are no part of the network that text_encoder/config.json describes, and ignored: text_model.* (16)' \
    sinkscope generate broken --prompt 'a red star' -o pictures
try 'tensors unclaimed, listed' 0 'text_model.encoder.layers.1.mlp.fc1.bias' sinkscope inspect broken/text_encoder --tensors
check 'tensors unclaimed, listed as ignored' grep -q 'layers.1.mlp.fc1.bias .* ignored' said.out

rm -rf broken pictures && echo x >broken
try 'a file that is no checkpoint' 3 'a safetensors file begins with 8 bytes' sinkscope generate broken --prompt x -o pictures
try 'no such model' 3 'nowhere' sinkscope inspect nowhere
try 'a component that is not one' 3 'tokenizer' sinkscope forward tiny tokenizer --list-taps
finish
