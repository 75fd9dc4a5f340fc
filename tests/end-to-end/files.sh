#!/bin/sh
# Which files of a model are read, and where a model may be named.
. "$(dirname "$0")/common.sh"

picture() { sinkscope generate "$@" --prompt 'a red star' --steps 1 --quiet -o "$out"; } # MODEL FLAGS...; into $out
pixels() { tail -c "+$(grep -abo IDAT "$1/00000-0.png" | head -n 1 | cut -d : -f 1)" "$1/00000-0.png" | cksum; } # what follows a PNG's text
same_pixels() { check "$1" test "$(pixels "$2")" = "$(pixels "$3")"; } # WHAT FOLDER FOLDER
out=plain
check 'a picture' picture tiny

# ---- variants: of the components that have it ----
cp -r tiny mixed
for c in text_encoder text_encoder_3; do mv mixed/$c/model.safetensors mixed/$c/model.fp16.safetensors; done
out=mixed.out
check 'a variant of some components' picture mixed --variant fp16
same_pixels 'a variant of some components: the same picture' plain mixed.out
try 'a variant of some components is told' 0 \
    'mixed: variant fp16 of text_encoder, text_encoder_3, and of text_encoder_2, transformer, vae the weights without a variant' \
    sinkscope inspect mixed --variant fp16
check 'inspect says which files' grep -q 'text_encoder .* in model.fp16.safetensors' said.out
check 'inspect says which files, without' grep -q 'vae .* in diffusion_pytorch_model.safetensors' said.out
try 'inspect --check takes the variant' 0 'all finite' sinkscope inspect mixed --variant fp16 --check
try 'a variant that nothing has' 3 "model_index.json: no component has weights of variant 'bf16'" \
    sinkscope inspect mixed --variant bf16
try 'plain files that are not there' 3 'found model.fp16.safetensors: another variant or format (--variant' sinkscope inspect mixed

# ---- names of files that other versions write; safetensors under any name is read by its content ----
cp -r tiny bin
mv bin/vae/diffusion_pytorch_model.safetensors bin/vae/diffusion_pytorch_model.bin
mv bin/text_encoder/model.safetensors bin/text_encoder/pytorch_model.bin
out=bin.out
check '.bin' picture bin
same_pixels '.bin: the same picture' plain bin.out

# ---- a snapshot of huggingface_hub's cache: links into blobs ----
mkdir -p cache/blobs cache/snapshots/abc
cp -r tiny/. cache/snapshots/abc
n=0
for f in $(cd cache/snapshots/abc && find . -type f); do
    n=$((n + 1)) depth=$(echo "${f#./}" | tr -cd / | sed 's|/|../|g')
    mv "cache/snapshots/abc/$f" cache/blobs/$n && ln -s "$depth../../blobs/$n" "cache/snapshots/abc/$f"
done
out=cache.out
check 'links into blobs' picture cache/snapshots/abc
same_pixels 'links into blobs: the same picture' plain cache.out

finish
