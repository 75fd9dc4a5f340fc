#!/bin/sh
# Stores that earlier versions of the program made (tests/data/stores; tests/generators/stores.sh) are read, reported and
# exported to the bytes of then, are verified, and are never written.
. "$(dirname "$0")/common.sh"
. "$SOURCE/tests/support/store_outputs.sh"
stores=$TESTS_DATA/stores
export SINKSCOPE_DATA="$work" # where their studies find the model
cp "$stores/prompts.jsonl" "$work/prompts.jsonl"

for version in v1 v2; do
    cp -r "$stores/$version" $version
    sed -i "s|/tmp/sinkscope-stores|$work|g" $version/manifest.json # the model and prompts of this test
    store_sums $version >$version.before
    check "$version: is read, reported and exported" store_outputs $version read/$version
    same "$version: the words of its page" "$stores/expected/$version/page.txt" read/$version/page.txt
    same "$version: its answer" "$stores/expected/$version/answer.txt" read/$version/answer.txt
    store_sums read/$version >$version.sums
    same "$version: its exports and tables, byte for byte" "$stores/expected/$version/sums" $version.sums
    try "$version: is verified" 0 'verified' sinkscope verify $version --remake 3
    try "$version: is compared" 0 'page' sinkscope compare $version 'sink k=5' baseline -o $version.html
    try "$version: has findings" 0 'findings' sinkscope findings $version -o $version.md
    number=${version#v}
    for command in resume 'score --metric psnr'; do
        # shellcheck disable=SC2086
        set -- $command
        name=$1
        shift
        try "$version: is not written by $name" 5 "is of version $number; this program reads it, and writes" \
            sinkscope "$name" $version "$@"
    done
    store_sums $version >$version.after
    same "$version: nothing in it has changed" $version.before $version.after
done
finish
