# Sourced: what is read out of a stored study, as files that can be compared. Needs `sinkscope` (a command or function).

# store_outputs STORE FOLDER: every export, the report's tables, and the words of its page. The page's style, drawings and
# tags are left out, and its section of the paper's numbers; the model's place reads MODEL.
store_outputs() {
    mkdir -p "$2"
    for table in scores units sites sinks trajectories blocks; do
        sinkscope export "$1" --table $table >"$2/$table.csv" || return 1
    done
    sinkscope report "$1" -o "$2/report" >"$2/answer.txt" || return 1
    sed -i 's|^report .*|report|' "$2/answer.txt"
    awk '/<style/ { off = 1 } /<nav/ { off = 1 } /<section id="published"/ { off = 1 } !off { print }
         /<\/style>/ { off = 0 } /<\/nav>/ { off = 0 } /<\/section>/ { off = 0 }' "$2/report/index.html" |
        sed -e 's|<svg.*</svg>||g' -e 's|<dt>Model</dt><dd>[^<]*|<dt>Model</dt><dd>MODEL|' |
        awk '/<svg/ { off = 1 } !off { print } /<\/svg>/ { off = 0 }' |
        sed -e 's|<[^>]*>| |g' -e 's|  *| |g' -e '/^ *$/d' >"$2/page.txt"
    rm "$2/report/index.html"
}

# store_sums FOLDER: a checksum of every file below it.
store_sums() { (cd "$1" && find . -type f | LC_ALL=C sort | xargs sha256sum); }
