#!/bin/sh
# include/sinkscope.h is installed alone, so it includes nothing; the folders below api/ do not include it, and share its
# two types through base/status.h, whose lines it repeats. Usage: check_public_header.sh ROOT
set -eu
cd "$1"
bad=0
say() { echo "$*"; bad=1; }

includes_header() { grep -nHE '^#[[:space:]]*include[[:space:]]*[<"](\.\./)*(include/)?sinkscope\.h' "$@"; }
types() { sed -n '/^#define SS_STATUS_TYPES/,/^#endif/p' "$1"; }

# A check that cannot fail is none.
example=$(mktemp)
trap 'rm -f "$example"' EXIT
for line in '#include <sinkscope.h>' '#include "sinkscope.h"' '#include "include/sinkscope.h"'; do
    echo "$line" >"$example"
    includes_header "$example" >/dev/null || say "not found: $line"
done

for folder in base io text tensor attn nn model sampler stats score study store run analysis report cli; do
    if files=$(find "$folder" -name '*.[ch]') && includes_header $files; then
        say "$folder/ includes the public header; only api/ does"
    fi
done
if grep -nE '^#[[:space:]]*include' include/sinkscope.h; then say "the installed header must stand alone"; fi

[ "$(types base/status.h | grep -c '^} ss_')" -eq 2 ] || say "base/status.h: the two types are not found"
[ "$(types base/status.h)" = "$(types include/sinkscope.h)" ] ||
    say "base/status.h and include/sinkscope.h differ from SS_STATUS_TYPES on"
[ $bad -eq 0 ] && echo "the public header stands alone, on top"
exit $bad
