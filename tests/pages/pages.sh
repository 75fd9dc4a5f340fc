#!/bin/sh
# Every page that the program writes, in a real browser: at the widths of a phone, a laptop and a large screen, light and
# dark. check.js says what is looked at; it also has to find every fault that is planted here. Without chromium (`make pages`
# installs it) this test is skipped.
. "$(dirname "$0")/../end-to-end/common.sh"
browser=$(command -v chromium || true)
if [ -z "$browser" ]; then
    echo "skipped: pages in a browser (chromium is not there; 'make pages' installs it)"
    exit 77
fi
sandbox=
[ "$(id -u)" -ne 0 ] || sandbox=--no-sandbox # root has none

# ---- the pages ----
sinkscope trace "$SOURCE/models/shapes-sd3" --prompt 'a red circle and a blue star' --seed 7 --steps 4 -o joint >/dev/null &&
sinkscope trace "$SOURCE/models/shapes-sdxl" --prompt 'a red circle' --map 'word red' --steps 4 -o cross >/dev/null &&
sinkscope trace tiny --prompt 'a red star' --steps 1 -o one >/dev/null &&
sinkscope run study.yaml -o store --quiet >/dev/null &&
sinkscope report store >/dev/null &&
sinkscope compare store 'sink k=5' 'random k=5' -o beside.html >/dev/null &&
sinkscope findings store -o FINDINGS.md >/dev/null || { fail 'the pages are written'; finish; }

# prepare FILE COPY: a page as it is, with what looks at it.
prepare() {
    awk -v before="$here/before.html" -v after="$here/check.js" '
    function insert(file, line) { while ((getline line <file) > 0) print line }
    /<\/body>/ { print "<script>"; insert(after); print "</script>" }
    { print }
    /<meta charset=/ { insert(before) }' "$1" >"$2"
}

jobs=
job() { jobs="$jobs['$1','$2',$3,'$4','$5','${6:-}'],"; } # NAME FILE WIDTH SCHEME KIND [CHECK]

mkdir pages
for page in joint/trace cross/trace one/trace store/report/index beside; do
    name=$(echo "$page" | tr / -)
    prepare "$page.html" "pages/$name.html"
    for width in 390 1300 2560; do
        for scheme in light dark; do job "$page.html" "$name.html" $width $scheme page; done
    done
done
for figure in FINDINGS-*.svg; do
    { echo '<!DOCTYPE html><html><head><meta charset="utf-8"></head><body>'; cat "$figure"; echo '</body></html>'; } >figure.html
    prepare figure.html "pages/$figure.html"
    job "$figure" "$figure.html" 1300 light figure
done

# ---- a check that cannot fail is none ----
# plant CHECK PAGE SED-SCRIPT [SCHEME]: the page with a fault, which this check is to find.
planted=0
plant() {
    planted=$((planted + 1))
    sed "$3" "$2" >planted.html
    if cmp -s "$2" planted.html; then fail "plant a fault for '$1'" "the page has no place for it: $3"; return; fi
    prepare planted.html "pages/planted-$planted.html"
    job "planted:$1" "planted-$planted.html" 1300 "${4:-light}" page "$1"
}
trace=joint/trace.html report=store/report/index.html
plant errors $trace 's|</main>|<script>nowhere()</script></main>|'
plant requests $report 's|</main>|<img alt="" width="9" height="9" src="http://127.0.0.1:9/x.png"></main>|'
plant requests $report 's|</style>|body{background-image:url(http://127.0.0.1:9/x.png)}</style>|'
plant requests $trace 's|</main>|<script>fetch("http://127.0.0.1:9/x")</script></main>|'
plant anchors $report 's|href="#question"|href="#nowhere"|'
plant scroll $report 's|</main>|<div style="width:1400px">wide</div></main>|'
plant 'all opened' $report 's|</main>|<details><summary>more</summary><div style="width:1400px">wide</div></details></main>|'
plant scheme $report 's|prefers-color-scheme:dark|prefers-color-scheme:none|' dark
plant readable $report 's|--soft:#626973|--soft:#a2a9b3|'
plant pictures $report 's|</style>|td img{height:3rem!important}</style>|'
plant figures $report 's|</style>|.figure .cell{transform:translate(12px,0)}</style>|'
plant figures $report 's|<text class="axis" x="[0-9.]*"|<text class="axis" x="440"|'
plant overlay $trace 's|#x-image{|#x-image{align-self:stretch;min-height:24rem;|'
plant overlay $trace 's|x.key===image.start+i)|x.key===image.start+i+1)|'
plant start $trace 's|const now=sinks(at.step|const now=sinks(0*at.step|'
plant slider $trace 's|at.step=+e.target.value;draw()|draw()|'
plant branch $trace 's|at.branch=+e.target.value;draw()|draw()|'
plant heads $trace 's|at.block=b;at.head=h;draw()|at.block=b;draw()|'
plant start $trace 's|shade(m);c.title|shade(m*m);c.title|'
plant start $trace 's|own.push(f?f.mass:0)|own.push(0)|'

# ---- look ----
{ sed '/const JOBS = JOBS_HERE;/,$d' "$here/pages.html"; echo "const JOBS = [$jobs];"
  sed '1,/const JOBS = JOBS_HERE;/d' "$here/pages.html"; } >pages/pages.html
HOME="$work" "$browser" --headless=new $sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync \
    --proxy-server=127.0.0.1:9 --user-data-dir="$work/browser" --virtual-time-budget=600000 --dump-dom \
    "file://$work/pages/pages.html" 2>browser.err | sed -n '/<pre id="found">/,/<\/pre>/p' |
    sed -e 's|<pre id="found">||' -e 's|</pre>.*||' -e 's|&lt;|<|g' -e 's|&gt;|>|g' -e 's|&amp;|\&|g' >found
grep -q '^END' found || fail 'the browser comes to its end' "$(tail -n 3 found)" "$(tail -n 3 browser.err)"

while IFS='|' read -r verdict page what problem; do
    case "$verdict $page" in
    'PASS planted:'*|'FAIL planted:'*|'LINK planted:'*) ;; # below
    PASS*) pass ;;
    FAIL*) fail "$page: $what" "$problem" ;;
    LINK*) check "a link of $page" test -e "$(dirname "$page")/$what" ;;
    esac
done <found
number=0
for verdict in $(sed -n 's/^\([A-Z]*\)|planted:\([^|]*\) 1300 [a-z]*|\([^|]*\)|.*/\1:\2:\3/p' found | sed 's/ /_/g' | awk -F: '$2 == $3 { print $1 ":" $2 }'); do
    number=$((number + 1))
    check "a planted fault is found: $number, ${verdict#*:}" test "${verdict%%:*}" = FAIL
done
check 'every planted fault was looked for' test $number -eq $planted

# ---- findings: Markdown, and the figures beside it ----
grep -o '](.*[.]svg)' FINDINGS.md | sed 's/](\(.*\))/\1/' >links
check 'findings link figures' test -s links
while read -r link; do check "findings: $link" test -s "$link"; done <links
finish
