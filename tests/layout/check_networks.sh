#!/bin/sh
# What is asked of attention, measured, tested and reported must not depend on which network runs: no file of attn/,
# study/, store/, run/, analysis/, stats/ or report/ names one, in code or in comments; but report/published.c, which is data and says what a paper
# ran. Usage: check_networks.sh ROOT
set -eu
cd "$1"
whole='u-net|dit|flux|pixart|t5|sd ?[0-9][0-9.]*|stable.?diffusion( ?[0-9xl.]+)?'
begun='mmdit|unet|sdxl|transformer_blocks|(down|up|mid)_block' # with any letters behind
named() { grep -rniE "(^|[^a-z0-9])(($whole)([^a-z0-9]|\$)|($begun))" "$@"; }

# A check that cannot fail is none: each of these lines is to be found.
line=$(mktemp)
trap 'rm -f "$line"' EXIT
while read -r words; do
    echo "$words" >"$line"
    named "$line" >/dev/null || { echo "would not find: $words"; exit 1; }
done <<'LINES'
where it is a U-Net
const unet_config *g
/* In SD3, and in sdxl */
SD 1.5
"down_blocks.1.attentions.0"
the weights of Stable Diffusion 3 medium
a T5 word
#include "model/mmdit.h"
LINES

if named --exclude=published.c attn study store run analysis stats report; then
    echo 'these lines name a network'
    exit 1
fi
echo 'no network is named where none need be known'
