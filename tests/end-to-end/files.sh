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

# ---- a name on the hub ----
export HF_HOME="$work/hf"
unset HF_HUB_CACHE HUGGINGFACE_HUB_CACHE
repository=hf/hub/models--me--tiny
mkdir -p $repository/snapshots $repository/refs
cp -r tiny $repository/snapshots/aaa
cp -r tiny $repository/snapshots/bbb
printf aaa >$repository/refs/main
printf bbb >$repository/refs/old
mkdir $repository/snapshots/bbb/extra
out=hub.out
check 'a name on the hub' picture me/tiny
same_pixels 'a name on the hub: the same picture' plain hub.out
try 'a name on the hub: its snapshot' 0 "$work/$repository/snapshots/aaa" sinkscope inspect me/tiny
try 'a name with a revision' 0 "$work/$repository/snapshots/bbb" sinkscope inspect me/tiny@old
try "a repository's own folder" 0 "$repository/snapshots/aaa" sinkscope inspect $repository
try 'a component of a name' 0 'CLIPTextModelWithProjection' sinkscope inspect me/tiny/text_encoder
try 'a name that is not there' 3 'hf download me/large --revision v1' sinkscope inspect me/large@v1
check 'says where it will be found' grep -qF "$work/hf/hub/models--me--large/snapshots/v1" said.err
sed 's|^model: .*|model: me/tiny|; s/sample: 4/sample: 1/; s/seeds: \[1, 2\]/seeds: [1]/' study.yaml >hub.yaml
check 'a study of a name on the hub' sinkscope run hub.yaml -o hubbed --quiet
printf bbb >$repository/refs/main # the name means another snapshot now
rm -rf $repository/snapshots/bbb/vae
try 'a store keeps the snapshot that it was made of' 0 'verified' sinkscope verify hubbed
sed 's|me/tiny|me/large|' hub.yaml >large.yaml
try 'a study of a name that is not there' 3 'nothing is downloaded: hf download me/large' sinkscope run large.yaml -o large

# ---- SD3 without T5: as many zeros as max-text-tokens; older stores had as many as CLIP has tokens ----
cp -r tiny short
sed '/"text_encoder_3": \[/,/\]/c\ "text_encoder_3": [null, null],' tiny/model_index.json >short/model_index.json
try 'zeros of today' 0 't5 24' sinkscope inspect short
try 'zeros of before' 0 't5 77' sinkscope inspect short --t5-zeros clip
out=today.out
check 'a picture with zeros of today' picture short
out=before.out
check 'a picture with zeros of before' picture short --t5-zeros clip
check 'they differ' test "$(pixels today.out)" != "$(pixels before.out)"
cat >short.yaml <<'END'
study: short
model: short
prompts: {file: prompts.jsonl, sample: 1}
seeds: [1]
sampler: {steps: 2}
conditions:
  sink: {select: top, k: 1, edit: mask}
metrics: [rmse]
primary: rmse
contrasts:
  - {what: sink - baseline}
END
sed 's/^model: .*/&\nt5-zeros: clip/' short.yaml >clip.yaml
check 'a study of today' sinkscope run short.yaml -o today --quiet
check 'a study by the older rule' sinkscope run clip.yaml -o before --quiet
check 'the manifest says what applied' grep -q '"t5-zeros": "max-text-tokens"' today/manifest.json
check 'the manifest says what applied by the older rule' grep -q '"t5-zeros": "clip"' before/manifest.json
forget() { sed -i '/^  "rules": {/,/^  }/d' "$1/manifest.json"; } # as earlier programs wrote it
forget today && forget before
try 'a store without an entry is under the older rule' 0 'verified' sinkscope verify before
try 'and so is not one of today' 5 'NOT VERIFIED' sinkscope verify today

finish
