#!/bin/sh
# A folder may include only itself and folders below it (docs/ARCHITECTURE.md). Usage: check_includes.sh ROOT
set -eu
cd "$1"
# From the top of the house to the ground. stats/ knows arrays of doubles and base/ only.
order="cli api report study score stats sampler model nn attn tensor text io base"
bad=0
below() { # folders that $1 may include
    case $1 in
    stats) echo "stats base" ;;
    *) echo "$order" | tr ' ' '\n' | sed -n "/^$1\$/,\$p" | tr '\n' ' ' ;;
    esac
}
for folder in $order; do
    [ -d "$folder" ] || continue
    allowed=$(below "$folder")
    for file in "$folder"/*.c "$folder"/*.h "$folder"/*.cc; do
        [ -f "$file" ] || continue
        for target in $(sed -n 's|^#include "\([a-z0-9_]*\)/.*|\1|p' "$file" | sort -u); do
            case " $allowed " in
            *" $target "*) ;;
            *) echo "$file includes $target/: only [$allowed] lie below $folder/"; bad=1 ;;
            esac
        done
        if grep -nE '^#include "[^/"]*"' "$file"; then
            echo "$file: write includes with their folder"; bad=1
        fi
    done
done
[ $bad -eq 0 ] && echo "all includes run downwards"
exit $bad
