#!/bin/sh
# A folder may include only itself and folders below it (docs/ARCHITECTURE.md). Usage: check_includes.sh ROOT
set -eu
cd "$1"
# From the top of the house to the ground. stats/ knows arrays of doubles and base/ only; run/ and analysis/ stand side by
# side on store/, and report/ reads what was analysed without what executes.
order="cli api report analysis run store study score stats sampler model nn attn tensor text io base"
bad=0
below() { # folders that $1 may include
    case $1 in
    stats) echo "stats base" ;;
    analysis) echo "analysis $(below store)" ;; # beside run/, and report/ needs it alone
    report) echo "report analysis $(below store)" ;;
    *) echo "$order" | tr ' ' '\n' | sed -n "/^$1\$/,\$p" | tr '\n' ' ' ;;
    esac
}
for folder in $order; do
    [ -d "$folder" ] || continue
    allowed=$(below "$folder")
    includes=$(find "$folder" -name '*.[ch]' -exec grep -HE '^#include "' {} + || true)
    for target in $(echo "$includes" | sed -n 's|.*#include "\([a-z0-9_]*\)/.*|\1|p' | sort -u); do
        case " $allowed " in
        *" $target "*) ;;
        *) echo "$includes" | grep "\"$target/"; echo "only [$allowed] lie below $folder/"; bad=1 ;;
        esac
    done
    if echo "$includes" | grep -E 'include "[^/"]*"'; then
        echo "write includes with their folder"; bad=1
    fi
    # What a folder calls internal is its own (run/ has store/writer.h).
    if echo "$includes" | grep -E '/([a-z0-9_]*_)?internal\.h"' | grep -v "include \"$folder/"; then
        echo "internal headers are for their own folder"; bad=1
    fi
done
# What only scorers need stands on text/, and the file that opens tokenizers of every kind includes it.
if grep -E '^#include "text/scorers/' text/*.[ch] | grep -v '^text/tokenizer\.c:'; then
    echo "text/scorers/ is for text/tokenizer.c"; bad=1
fi
# An image in memory is io/rgb_image.h; io/png.h is for who reads or writes that format.
needless_png() { grep -lE '^#include "io/png\.h"' "$@" | while read -r file; do grep -qE '\b(png_[a-z_]+\(|png_note\b)' "$file" || echo "$file"; done; }
example=$(mktemp)
trap 'rm -f "$example"' EXIT
printf '#include "io/png.h"\nrgb_image x;\n' >"$example"
[ "$(needless_png "$example")" = "$example" ] || { echo "a needless io/png.h is not found"; bad=1; }
files=$(needless_png */*.[ch] text/*/*.[ch] || true)
[ -z "$files" ] || { echo "$files"; echo "io/rgb_image.h suffices where no PNG is read or written"; bad=1; }
[ $bad -eq 0 ] && echo "all includes run downwards"
exit $bad
