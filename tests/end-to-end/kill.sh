#!/bin/sh
# A run is killed (SIGKILL) at a random moment and resumed, and perhaps killed again: in the end exports, images and
# traces are byte for byte those of a run that nobody disturbed. Usage: kill.sh [RUNS [SEED]]; the suite does 10.
. "$(dirname "$0")/common.sh"
runs=${1:-10} seed=${2:-1}

sed 's/sample: 4/sample: 2/; s/k: \[1, 5\]/k: [1]/; s/seeds: .*/seeds: [1]/' study.yaml >small.yaml
now() { date +%s%N; }
began=$(now)
sinkscope run small.yaml -o whole --quiet --threads 2 >/dev/null || exit 1
export_all whole whole-exports || exit 1
took=$((($(now) - began) / 1000000)) # ms

# One uniform number below $1 from the seeded sequence (MINSTD).
draw() {
    seed=$((seed * 48271 % 2147483647))
    drawn=$((seed % $1))
}

# Begin or go on, as the messages of the program say: `run` until there is a store, then `resume`.
go_on() {
    if [ -f cut/manifest.json ] && [ -f cut/study.yaml ]; then exec "$SINKSCOPE" resume cut --quiet --threads 2
    else exec "$SINKSCOPE" run small.yaml -o cut --quiet --threads 2; fi
}

kills=0 fruitless=0 equal=0 made=0
i=0
while [ $i -lt "$runs" ]; do
    i=$((i + 1))
    rm -rf cut cut-exports
    attempt=0
    while :; do
        attempt=$((attempt + 1))
        go_on >log 2>&1 &
        process=$!
        draw 3
        # The first attempt is always killed, a later one with odds of 1 in 3; the last goes through.
        if [ $attempt -eq 1 ] || { [ $drawn -eq 0 ] && [ $attempt -lt 6 ]; }; then
            draw "$took"
            sleep "$(printf '%d.%03d' $((drawn / 1000)) $((drawn % 1000)))"
            kill -KILL $process 2>/dev/null
        fi
        wait $process 2>/dev/null
        code=$?
        if [ $code -eq 0 ]; then
            [ $attempt -gt 1 ] || fruitless=$((fruitless + 1))
            break
        elif [ $code -eq 137 ]; then
            kills=$((kills + 1))
            [ -d cut/images ] && made=$((made + 1))
        else
            fail "run $i, attempt $attempt" "exit code $code" "$(cat log)"
            break
        fi
    done
    if export_all cut cut-exports && diff -rq whole-exports cut-exports && diff -rq whole/images cut/images &&
        diff -rq whole/traces cut/traces && [ "$(ls whole)" = "$(ls cut)" ]; then
        equal=$((equal + 1))
    else fail "run $i" 'differs from the run that nobody disturbed' "files: $(ls whole | tr '\n' ' ')" "now: $(ls cut | tr '\n' ' ')"; fi
done
echo "$runs runs of $took ms, killed $kills times ($made with images begun; $fruitless runs ended before the kill): $equal equal"
check 'all runs end equal' test $equal -eq "$runs"
check 'kills hit' test $kills -ge $((runs / 2)) -a $made -ge $((runs / 4))
try 'the last one verifies' 0 'verified' sinkscope verify cut
finish
