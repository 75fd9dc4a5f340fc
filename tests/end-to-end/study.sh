#!/bin/sh
# A study from its file to its answer: what the store holds, that it is the same whatever the threads, that damage is
# found, that scores may come later.
. "$(dirname "$0")/common.sh"

# ---- plan and run ----
try 'plan only' 0 'images      78' sinkscope run study.yaml --plan
check 'a plan makes nothing' test ! -e out
try 'run without a folder' 2 '-o DIR' sinkscope run study.yaml
try 'run' 0 'contrast ' sinkscope run study.yaml -o one --threads 1
check 'the answer names the report' grep -qF 'report  sinkscope report one' said.out
check 'the answer knows an undetected control' grep -qE 'different|equivalent|undecided|metric too blunt' said.out
check 'progress goes to standard error' grep -qF '78/78 images  100 %' said.err
for part in study.yaml manifest.json results.sqlite images traces; do check "the store has $part" test -e "one/$part"; done
same 'the study as it was run' study.yaml one/study.yaml
check "GenEval's layout" test -s one/images/sink_k5/00000/samples/0000.png -a -s one/images/sink_k5/00000/metadata.jsonl
check 'export of one' export_all one exports1
clean 'no temporary file stays' one
check 'one row an image' test "$(wc -l <exports1/units.csv)" -eq 79
check 'traces of all images' test "$(ls one/traces | wc -l)" -eq 78
check 'scores: judge for 72 images, rmse and psnr for 56' test "$(wc -l <exports1/scores.csv)" -eq $((1 + 72 + 56 + 56))
check 'sites: an image, step, block, head, branch' \
    test "$(wc -l <exports1/sites.csv)" -eq $((1 + (56 * 4 + 8 * 3) * 3 * 3 * 2))
check 'sinks: two a site' test "$(wc -l <exports1/sinks.csv)" -eq $((1 + 2 * (56 * 4 + 8 * 3) * 3 * 3 * 2))

# The sham conditions give the baseline's pixels.
sham_rows() { awk -F, -v role="$1" 'NR > 1 && $4 == role { print $1, $2, $NF }' exports1/units.csv; }
sham_rows sham | sort -u >shams
sham_rows baseline | sort >baselines
check 'shams: three in each of two groups' test "$(sham_rows sham | wc -l)" -eq 6
check 'shams equal the baseline' test "$(comm -23 shams baselines | wc -l)" -eq 0 -a "$(wc -l <shams)" -eq 2

# ---- the same bytes whatever the threads, the folder, the wave ----
check 'run, 4 threads' sinkscope run study.yaml -o elsewhere/deep/two --threads 4 --quiet
two=elsewhere/deep/two
check 'export of two' export_all $two exports2
same 'exports do not depend on threads' exports1 exports2
same 'images do not depend on threads' one/images $two/images
same 'traces do not depend on threads' one/traces $two/traces
try 'report' 0 'report  one/report/index.html' sinkscope report one
check 'report of two' sinkscope report $two
for file in index.html tables.tex effects.csv accuracy.csv effects-by-tag.csv scores-by-tag.csv trends.csv; do check "report: $file" test -s one/report/$file; done
sed "s|elsewhere/deep/two|one|g" $two/report/index.html >two.html
same 'the page differs by the name of its folder alone' one/report/index.html two.html
rm $two/report/index.html && mv one/report/index.html page.html
same "the report's numbers do not depend on threads" one/report $two/report
mv page.html one/report/index.html
check 'the page needs no network' sh -c '! grep -qE "(src|href)=\"(http|//)" one/report/index.html'
try 'compare' 0 'page  one/report/compare-sink_k_5-random_k_5.html' sinkscope compare one 'sink k=5' 'random k=5' --images 3
check 'compare of two' sinkscope compare $two 'sink k=5' 'random k=5' --images 3 -o other.html
same 'a comparison does not depend on threads' one/report/compare-sink_k_5-random_k_5.html other.html
rm one/report/compare-sink_k_5-random_k_5.html
try 'compare with what is not there' 2 "no condition 'nonsense'" sinkscope compare one 'sink k=5' nonsense
try 'findings' 0 'findings  found.md' sinkscope findings one $two -o found.md
check 'findings have their figures' test -s found.md -a -s found-harm.svg -a -s found-controls.svg
try 'verify' 0 'verified' sinkscope verify one --remake 78
check 'verify made every image again' grep -qE '^remade +78, differing: 0' said.out

# ---- rounded weights: another numeric class, said in the plan, measured by verify ----
for form in int8 bf16; do
    sed "s/^model:.*/&\nweights: $form/" study.yaml >$form.yaml
    try "plan in $form" 0 "weights $form" sinkscope run $form.yaml --plan
    try "run in $form" 0 'contrast ' sinkscope run $form.yaml -o $form --limit 2 --quiet
    check 'other pictures' sh -c "! cmp -s $form/images/baseline/00000/samples/0000.png one/images/baseline/00000/samples/0000.png"
    check 'the numeric class says it' grep -qE "; weights $form(, attention too)?\"" $form/manifest.json
    try "verify in $form" 0 "weights  $form: 3 made again without rounding" sinkscope verify $form --remake 3
    check 'it is made again to the byte' grep -qE '^remade +3, differing: 0' said.out
done
try 'words of weights' 3 'expected one of stored|int8|bf16' sinkscope run "$(sed 's/int8/int9/' int8.yaml >int9.yaml; echo int9.yaml)" --plan
rm -r int8 bf16

# ---- resume of what is finished ----
cp -r one finished
check 'resume of a finished study' sinkscope resume finished
export_all finished exports-finished
same 'resume of a finished study changes nothing' exports1 exports-finished
same 'nor its images' one/images finished/images
clean 'nor does it leave files' finished

# ---- locales: numbers and case do not follow them ----
locales="$work/locales"
mkdir "$locales"
for name in de_DE tr_TR; do
    if ! localedef -i $name -f UTF-8 "$locales/$name.UTF-8" >/dev/null 2>&1; then skip "$name: no such locale"; continue; fi
    (
        export LOCPATH="$locales" LC_ALL="$name.UTF-8"
        export_all one "exports-$name" && sinkscope report one -o "report-$name" && sinkscope run study.yaml -o "run-$name" --limit 1
    ) >/dev/null 2>&1 || fail "$name" 'a command failed'
    same "$name: exports" exports1 "exports-$name"
    same "$name: report" one/report "report-$name"
    same "$name: images" one/images/baseline/00000/samples/0000.png "run-$name/images/baseline/00000/samples/0000.png"
done

# ---- a part of the study ----
check 'limit' sinkscope run study.yaml -o part --limit 3
export_all part exports-part
check 'limit: three groups' test "$(awk -F, 'NR > 1 && $3 == "baseline"' exports-part/units.csv | wc -l)" -eq 3
sed 1d exports-part/scores.csv | sort >part-scores
sort exports1/scores.csv >all-scores
check 'limit: the same scores as in the whole' test "$(comm -23 part-scores all-scores | wc -l)" -eq 0
try 'resume keeps to the limit' 0 '' sinkscope resume part
check 'verify of a part' sinkscope verify part

# ---- matched controls: both arms have sets of one size, and what nothing matches is left out of both ----
sed -e '/sink - \|zero - /d' -e '/^  zero:\|^  few:/d' -e 's/^  sink: .*/  arm: {select: top-matched, k: 5, edit: mask}/' \
    -e 's/^  random: .*/  like: {select: type-matched, k: 5, edit: mask}/' study.yaml >matched.yaml
echo '  - {what: arm - like}' >>matched.yaml
check 'a study with a matched control' sinkscope run matched.yaml -o matched
sinkscope export matched --table sites >sites.csv
check 'k = set_size + left_out at every call of both arms' awk -F, '
    NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
    $at["condition"] ~ /^(arm|like)$/ { n++; size = $at["set_size"] + 0; if (size + $at["left_out"] != 5) bad++ }
    END { exit !(n > 0 && bad == 0) }' sites.csv
sed 's/, reduction//' matched.yaml >uncounted.yaml
try 'a matched control that nobody counts' 3 "needs the probe 'reduction'" sinkscope run uncounted.yaml -o uncounted

# ---- the studies that ship can be planned ----
for file in "$SOURCE"/studies/*.yaml "$SOURCE"/studies/*/*.yaml; do
    model=$(sed -n 's/^model: *\([^ #]*\).*/\1/p' "$file")
    if ! [ -d "$SOURCE/$model" ]; then continue; fi # does not ship, the reader names it: sdxl.sh does
    check "plan of ${file##*/studies/}" env -C "$SOURCE" "$SINKSCOPE" run "$file" -o "$work/nowhere" --plan
done

# ---- every selector, edit and probe has a study that shows it ----
shown() { # TABLE KEY: names of the table's rows that no study has in a line with the key
    sinkscope list "$1" | awk '/^  [a-z]/ {print $1}' | while read -r name; do
        grep -Eqr "$2: *\\[?([a-z, -]*[ ,])?[\"]?$name[\"]?[],}]" "$SOURCE/studies" || echo "$name"
    done
}
for row in selectors:select edits:edit probes:probes; do
    check "every one of the ${row%:*} has its example study" test -z "$(shown "${row%:*}" "${row#*:}")"
done

# ---- a metric later ----
sed 's/metrics: .*/metrics: [judge, rmse, psnr, ssim]/' study.yaml >four.yaml
check 'four metrics at once' sinkscope run four.yaml -o four
check 'the fourth later' sinkscope score finished --metric ssim
by_metric() { sinkscope export "$1" | grep ",ssim," | sort; }
by_metric four >ssim-at-once
by_metric finished >ssim-later
check 'ssim of 56 images' test "$(wc -l <ssim-later)" -eq 56
same 'a metric later has the same values' ssim-at-once ssim-later
try 'score of an unknown metric' 3 "did you mean 'ssim'" sinkscope score finished --metric sim
try 'score without a metric' 2 '--metric' sinkscope score finished

# ---- export ----
try 'export of an unknown table' 2 "did you mean 'units'" sinkscope export one --table unit
for table in scores sinks; do
    sh -c '"$SINKSCOPE" export one --table "$1"; echo $? >code' sh $table 2>errors | head -n 1 >line
    check "export of $table to a closed pipe: exit 0" test "$(cat code)" -eq 0
    check "export of $table to a closed pipe: quiet" test ! -s errors -a -s line
done

# ---- what stands in a folder is left alone ----
mkdir foreign && echo mine >foreign/notes
try 'run into a foreign folder' 2 "is not empty ('notes')" sinkscope run study.yaml -o foreign
check 'the foreign folder is as it was' test "$(ls -A foreign)" = notes
try 'run into a store' 2 'sinkscope resume' sinkscope run study.yaml -o one
export_all one exports-after
same 'the store is as it was' exports1 exports-after
finish
