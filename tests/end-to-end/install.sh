#!/bin/sh
# Installation under a DESTDIR: the program elsewhere finds its data, the man page, the shared library and its symbols,
# the example built through pkg-config; and uninstall takes all of it away. More environment: MESON, CC, PREFIX, LIBDIR,
# DATADIR, MANDIR, SANITIZE.
. "$(dirname "$0")/common.sh"
dest="$work/dest"
log="$BUILD/meson-logs/install-log.txt" # belongs to whoever installed last: given back at the end
[ ! -f "$log" ] || cp "$log" kept-log
check 'install' env DESTDIR="$dest" "$MESON" install -C "$BUILD" --no-rebuild
program="$dest$PREFIX/bin/sinkscope"

# ---- the program, from somewhere else ----
mkdir -p data/models elsewhere && cp -r tiny data/models/tiny
cd elsewhere || exit 1
check 'the installed program' "$program" --version
check 'a model of its data folder' env SINKSCOPE_DATA="$work/data" "$program" generate models/tiny --prompt 'a red star' -o installed
check 'the same by its path' sinkscope generate ../tiny --prompt 'a red star' -o built
check 'pictures' test -s installed/00000-0.png -a -s built/00000-0.png
try 'its own data folder' 3 "models/nowhere: is not there, nor in $PREFIX/$DATADIR/sinkscope" env -u SINKSCOPE_DATA "$program" inspect models/nowhere
for data in models/shapes-sd3 studies; do check "installed: $data" test -d "$dest$PREFIX/$DATADIR/sinkscope/$data"; done
cd ..

# ---- the man page ----
sinkscope manual >manual.1
same 'the man page' manual.1 "$dest$PREFIX/$MANDIR/man1/sinkscope.1"

# ---- the library ----
library="$dest$PREFIX/$LIBDIR/libsinkscope.so"
check 'soname' sh -c 'readelf -d "$1" | grep -qF "Library soname: [libsinkscope.so.0]"' sh "$library"
sed -n 's/^SS_API .*\(ss_[a-z_]*\)(.*/\1/p' "$dest$PREFIX/include/sinkscope.h" | sort >promised
nm -D --defined-only "$library" | awk '{ print $3 }' | sort >exported
check 'the header promises functions' test "$(wc -l <promised)" -ge 6
same 'the library exports what the header promises and nothing else' promised exported

export PKG_CONFIG_PATH="$dest$PREFIX/$LIBDIR/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$dest"
check 'pkg-config knows the version' sh -c '[ "sinkscope $(pkg-config --modversion sinkscope)" = "$("$SINKSCOPE" --version)" ]'
sanitize=''
[ "$SANITIZE" = none ] || sanitize="-fsanitize=$SANITIZE"
check 'the example compiles as a user would compile it' sh -c \
    '$CC -std=c11 -Wall -Wextra -Werror $1 "$SOURCE/examples/sink.c" -o sink $(pkg-config --cflags --libs sinkscope)' sh "$sanitize"
check 'the example runs' env LD_LIBRARY_PATH="$dest$PREFIX/$LIBDIR" ./sink tiny 'a red star'
check 'the example makes two pictures' test -s baseline.png -a -s masked.png
check 'that differ' sh -c '! cmp -s baseline.png masked.png'
cp -r tiny broken && "$SPOIL_TENSOR" broken/vae/diffusion_pytorch_model.safetensors decoder.conv_in.bias nan
try 'the library passes on what is not finite' 3 'the tensor decoder.conv_in.bias holds 1 NaN' env LD_LIBRARY_PATH="$dest$PREFIX/$LIBDIR" ./sink broken 'a red star'
try 'the example without a model' 3 'nowhere' env LD_LIBRARY_PATH="$dest$PREFIX/$LIBDIR" ./sink nowhere 'a red star'

# ---- away again: what `ninja uninstall` runs ----
check 'uninstall' sh -c 'cd "$BUILD" && "$MESON" --internal uninstall'
check 'nothing stays' test -z "$(find "$dest" ! -type d 2>/dev/null)"
if [ -f kept-log ]; then cp kept-log "$log"; else rm -f "$log"; fi
finish
