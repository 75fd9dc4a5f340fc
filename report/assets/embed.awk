# A style sheet or script as lines of C: an array of strings, since C11 promises no more than 4,095 characters in one.
# Usage: awk -v name=NAME -v header=FILE.h [-v sheet=1] -f embed.awk FILE >FILE.c
# The comment that opens the file is left out. sheet=1: so are all comments that have lines of their own, and an indented
# line is joined to the one before it; without it the last line has no end, as '</script>' follows.
function put(end) {
    if (!have) return
    if (length(line) > 4000) {
        print FILENAME ": a line is too long for a string of C" >"/dev/stderr"
        exit failed = 1
    }
    gsub(/\\/, "&&", line) # every awk agrees on &
    gsub(/"/, "\\\\&", line)
    printf "    \"%s%s\",\n", line, end
    have = 0
}
BEGIN {
    printf "/* Made by report/assets/embed.awk. */\n#include \"%s\"\n\nconst char *const %s[] = {\n", header, name
}
comment || (/^\/\*/ && (sheet || FNR == 1)) {
    comment = !/\*\/ *$/
    next
}
sheet && have && sub(/^ +/, "") {
    line = line $0
    next
}
{
    put("\\n")
    line = $0
    have = 1
}
END {
    if (!failed) put(sheet ? "\\n" : "")
    print "    0};"
    exit failed
}
