/* Oniguruma's syntax (Ruby's, UTF-8) read and written as PCRE2's. What the two read differently is written out (\s, \w,
 * \b, ., ^, $, code points that only one of them supports) or refused (options in mid-group, \h, \R, nested sets, {n}?,
 * ...). Sources: doc/RE of Oniguruma 6.9.10, pcre2pattern(3) of 10.42. Constructs that are not listed here are
 * refused. */
#include "text/pattern.h"

#include <string.h>

#include "text/tokenizers_unicode.h"
#include "text/unicode.h"

#define SPACES                                                                                                         \
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
#define NO_SPACES                                                                                                      \
    "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{84}\\x{86}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}" \
    "\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{10ffff}"
/* Word characters; TOKENIZERS_NEW_WORD has those of code points that PCRE2 may not know. */
#define WORDS "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"
static const char *const MORE_WORDS[] = {
    [PATTERN_ONIGURUMA] = "\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}", [PATTERN_RUST] = "\\x{200c}\\x{200d}"};

enum { MAX_DEPTH = 64 };

typedef struct reader {
    const char *s, *source, *where; /* s: the rest */
    text *out;
    pattern_kind kind;
    int depth, caseless;
    int last; /* case is ignored: the ASCII letter just read, else 0 */
    ss_error *err;
} reader;

static ss_status pattern_syntax_refuse(const reader *r, const char *what) {
    return error_set(r->err, SS_ERR_INPUT, r->where,
                     "has the pattern '%s' with %s at byte %zu, which is not known to mean the same to PCRE2",
                     r->source, what, (size_t)(r->s - r->source));
}

static void add_range(text *out, code_range c) {
    text_addf(out, "\\x{%x}-\\x{%x}", (unsigned)c.first, (unsigned)c.last);
}

/* What \p{name} of Oniguruma has beyond PCRE2's, for a general category of one or two letters, or a script. */
static void add_recent(text *out, const char *name) {
    for (size_t i = 0; i < sizeof TOKENIZERS_RECENT / sizeof TOKENIZERS_RECENT[0]; i++) {
        const named_range *n = &TOKENIZERS_RECENT[i];
        if (strcmp(n->name, name) == 0 || (strlen(name) == 1 && strlen(n->name) == 2 && n->name[0] == name[0]))
            add_range(out, n->range);
    }
}

static void pattern_syntax_add_words(const reader *r) {
    text *out = r->out;
    text_add(out, WORDS);
    text_add(out, MORE_WORDS[r->kind]);
    for (size_t i = 0; i < sizeof TOKENIZERS_NEW_WORD / sizeof TOKENIZERS_NEW_WORD[0]; i++)
        add_range(out, TOKENIZERS_NEW_WORD[i]);
}

/* Word boundaries by Oniguruma's word characters: PCRE2's \b uses others. */
static void add_boundary(const reader *r, int inverted) {
    text *out = r->out;
    for (int i = 0; i < 2; i++) {
        text_add(out, i ? "|(?<![" : "(?:(?<=[");
        pattern_syntax_add_words(r);
        text_add(out, i == inverted ? "])(?![" : "])(?=[");
        pattern_syntax_add_words(r);
        text_add(out, "])");
    }
    text_add(out, ")");
}

/* The names that may stand in \p{}. */
static int known_property(const char *name, text *out) {
    static const char *const CATEGORIES[] = {"L",  "Lu", "Ll", "Lt", "Lm", "Lo", "M",  "Mn", "Mc", "Me", "N",
                                             "Nd", "Nl", "No", "P",  "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po",
                                             "S",  "Sm", "Sc", "Sk", "So", "Z",  "Zs", "Zl", "Zp"};
    static const char *const SCRIPTS[] = {"Han",   "Hiragana", "Katakana", "Hangul", "Thai",      "Latin",
                                          "Greek", "Cyrillic", "Arabic",   "Hebrew", "Devanagari"};
    for (size_t i = 0; i < sizeof CATEGORIES / sizeof CATEGORIES[0]; i++)
        if (strcmp(name, CATEGORIES[i]) == 0) return text_addf(out, "\\p{%s}", name), 1;
    for (size_t i = 0; i < sizeof SCRIPTS / sizeof SCRIPTS[0]; i++) /* sc: the script alone, not its extensions */
        if (strcmp(name, SCRIPTS[i]) == 0) return text_addf(out, "\\p{sc:%s}", name), 1;
    return 0;
}

/* \p{X}, \P{X}, \p{^X}; r->s is at the p. */
static ss_status property(reader *r, int in_set) {
    int negated = *r->s++ == 'P';
    char name[16];
    size_t n = 0;
    if (*r->s != '{') return pattern_syntax_refuse(r, "a property without braces");
    r->s++;
    if (*r->s == '^') negated = !negated, r->s++;
    while (*r->s && *r->s != '}' && n < sizeof name - 1) name[n++] = *r->s++;
    name[n] = '\0';
    if (*r->s != '}') return pattern_syntax_refuse(r, "a property of an unknown name");
    if (negated && in_set) return pattern_syntax_refuse(r, "a negated property in a set");
    if (!in_set) text_add(r->out, negated ? "[^" : "[");
    if (!known_property(name, r->out)) return pattern_syntax_refuse(r, "a property of an unknown name");
    add_recent(r->out, name);
    if (!in_set) text_add(r->out, "]");
    r->s++;
    return SS_OK;
}

/* \s, \d, \w and their opposites; in a set without its brackets. */
static ss_status shorthand(reader *r, int in_set) {
    char c = *r->s;
    if (in_set && (c == 'W' || c == 'D')) return pattern_syntax_refuse(r, "\\W or \\D in a set");
    if (!in_set) text_add(r->out, c == 'W' || c == 'D' ? "[^" : "[");
    if (c == 's') text_add(r->out, SPACES);
    else if (c == 'S') text_add(r->out, NO_SPACES);
    else if (c == 'd' || c == 'D') text_add(r->out, "\\p{Nd}"), add_recent(r->out, "Nd");
    else pattern_syntax_add_words(r);
    if (!in_set) text_add(r->out, "]");
    r->s++;
    return SS_OK;
}

static int hex_value(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* \xHH below 80, \x{H...}, \uHHHH; r->s is behind the letter. */
static ss_status numbered(reader *r, char kind, int32_t *cp) {
    int braces = kind == 'x' && *r->s == '{', most = braces ? 6 : kind == 'x' ? 2 : 4, n = 0;
    r->s += braces;
    *cp = 0;
    for (; n < most && hex_value(*r->s) >= 0; n++) *cp = *cp * 16 + hex_value(*r->s++);
    if (n == 0 || (kind == 'u' && n != 4) || (braces && *r->s != '}'))
        return pattern_syntax_refuse(r, "a malformed code point");
    r->s += braces;
    if ((kind == 'x' && !braces && *cp >= 0x80) || *cp == 0 || *cp > 0x10FFFF || (*cp >= 0xD800 && *cp < 0xE000))
        return pattern_syntax_refuse(r, "a byte that is no code point");
    return SS_OK;
}

/* A single character, escaped or not; r->s is at it. *cp -1: it was something else (\s, \p, an anchor), r->s is behind
 * the backslash. */
static ss_status sign(reader *r, int32_t *cp) {
    static const struct {
        char letter;
        int32_t cp;
    } NAMED[] = {{'n', 10}, {'r', 13}, {'t', 9}, {'f', 12}, {'v', 11}, {'a', 7}, {'e', 27}};
    if (*r->s != '\\') {
        r->s += unicode_next(r->s, strlen(r->s), cp);
        return SS_OK;
    }
    char c = *++r->s;
    if (c == '\0') return pattern_syntax_refuse(r, "a backslash at its end");
    for (size_t i = 0; i < sizeof NAMED / sizeof NAMED[0]; i++)
        if (NAMED[i].letter == c) return *cp = NAMED[i].cp, r->s++, SS_OK;
    if (c == 'x' || c == 'u') return r->s++, numbered(r, c, cp);
    if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')) return *cp = -1, SS_OK;
    r->s += unicode_next(r->s, strlen(r->s), cp);
    return SS_OK;
}

/* Where case is ignored Oniguruma also matches characters that unfold to several letters (ss and sharp s, fi and its
 * ligature): PCRE2 does not. */
static ss_status check_case(reader *r, int32_t cp, int in_set) {
    static const char *const PAIRS[] = {"ss", "ff", "fi", "fl", "st"};
    if (!r->caseless) return SS_OK;
    if (cp >= 0x80) return pattern_syntax_refuse(r, "a sign beyond ASCII where case is ignored");
    int lower = cp >= 'A' && cp <= 'Z' ? cp + 32 : cp;
    for (size_t i = 0; !in_set && i < sizeof PAIRS / sizeof PAIRS[0]; i++)
        if (r->last == PAIRS[i][0] && lower == PAIRS[i][1])
            return pattern_syntax_refuse(r, "letters of a ligature where case is ignored");
    r->last = in_set ? 0 : lower;
    return SS_OK;
}

static void add_sign(text *out, int32_t cp) { text_addf(out, "\\x{%x}", (unsigned)cp); }

/* One member of a set: a character, a range, or a shorthand. */
static ss_status set_member(reader *r) {
    int32_t from, to;
    SS_TRY(sign(r, &from));
    if (from < 0) {
        if (strchr("sSdDwW", *r->s)) return shorthand(r, 1);
        if (*r->s == 'p' || *r->s == 'P') return property(r, 1);
        return pattern_syntax_refuse(r, "an escape in a set");
    }
    SS_TRY(check_case(r, from, 1));
    add_sign(r->out, from);
    if (r->s[0] != '-' || r->s[1] == ']' || r->s[1] == '\0') return SS_OK;
    r->s++;
    if (*r->s == '[') return pattern_syntax_refuse(r, "a set within a set");
    SS_TRY(sign(r, &to));
    if (to < from) return pattern_syntax_refuse(r, "a range that has no end");
    SS_TRY(check_case(r, to, 1));
    text_add(r->out, "-");
    add_sign(r->out, to);
    return SS_OK;
}

static ss_status pattern_syntax_set(reader *r) {
    text_add(r->out, "[");
    r->s++;
    if (*r->s == '^') text_add(r->out, "^"), r->s++;
    if (*r->s == ']') return pattern_syntax_refuse(r, "an empty set");
    while (*r->s != ']') {
        if (*r->s == '\0') return pattern_syntax_refuse(r, "a set without its end");
        if (*r->s == '[') return pattern_syntax_refuse(r, "a set within a set");
        if (r->s[0] == '&' && r->s[1] == '&') return pattern_syntax_refuse(r, "an intersection of sets");
        SS_TRY(set_member(r));
    }
    r->s++;
    r->last = 0;
    text_add(r->out, "]");
    return SS_OK;
}

static ss_status alternatives(reader *r);

/* (...), (?:...), (?i:...), lookaround and (?>...). */
static ss_status group(reader *r, int *repeatable) {
    static const struct {
        const char *in, *out;
        int caseless, repeatable;
    } KINDS[] = {{"(?:", "(?:", 0, 1},   {"(?i:", "(?i:", 1, 1}, {"(?=", "(?=", 0, 0}, {"(?!", "(?!", 0, 0},
                 {"(?<=", "(?<=", 0, 0}, {"(?<!", "(?<!", 0, 0}, {"(?>", "(?>", 0, 1}};
    size_t k = 0, n = sizeof KINDS / sizeof KINDS[0];
    int was = r->caseless;
    if (r->s[1] == '*') return pattern_syntax_refuse(r, "a callout");
    if (r->s[1] == '?') {
        while (k < n && strncmp(r->s, KINDS[k].in, strlen(KINDS[k].in)) != 0) k++;
        if (k == n) return pattern_syntax_refuse(r, "a group of an unknown kind");
        r->s += strlen(KINDS[k].in);
    } else r->s++;
    text_add(r->out, KINDS[k].out);
    r->caseless |= KINDS[k].caseless;
    *repeatable = KINDS[k].repeatable;
    if (++r->depth > MAX_DEPTH) return pattern_syntax_refuse(r, "groups within groups, too deep");
    SS_TRY(alternatives(r));
    if (*r->s != ')') return pattern_syntax_refuse(r, "a group without its end");
    r->s++;
    r->depth--;
    r->caseless = was;
    text_add(r->out, ")");
    return SS_OK;
}

static ss_status escape(reader *r, int *repeatable) {
    static const struct {
        char letter;
        const char *out;
    } ANCHORS[] = {{'A', "\\A"}, {'z', "\\z"}, {'Z', "\\Z"}};
    char c = *r->s;
    r->last = 0;
    if (strchr("sSdDwW", c)) return shorthand(r, 0);
    if (c == 'p' || c == 'P') return property(r, 0);
    *repeatable = 0;
    for (size_t i = 0; i < sizeof ANCHORS / sizeof ANCHORS[0]; i++)
        if (ANCHORS[i].letter == c) return text_add(r->out, ANCHORS[i].out), r->s++, SS_OK;
    if (c != 'b' && c != 'B') return pattern_syntax_refuse(r, "an unknown escape");
    add_boundary(r, c == 'B');
    r->s++;
    return SS_OK;
}

/* One thing that may be repeated, or an anchor. */
static ss_status atom(reader *r, int *repeatable) {
    int32_t cp;
    *repeatable = 1;
    if (*r->s == '(') return group(r, repeatable);
    if (*r->s == '[') return pattern_syntax_set(r);
    if (strchr(".^$", *r->s)) {
        *repeatable = *r->s == '.';
        text_add(r->out, *r->s == '.' ? "[^\\x{a}]" : *r->s == '^' ? "(?m:^)" : "(?m:$)");
        r->s++;
        r->last = 0;
        return SS_OK;
    }
    if (strchr("*+?", *r->s)) return pattern_syntax_refuse(r, "a repetition of nothing");
    SS_TRY(sign(r, &cp));
    if (cp < 0) return escape(r, repeatable);
    SS_TRY(check_case(r, cp, 0));
    add_sign(r->out, cp);
    return SS_OK;
}

/* {n}, {n,}, {n,m} or {,m} at r->s: its length and what to write; 0: a brace that is a character. */
static size_t pattern_syntax_interval(const char *s, text *out, int *ranged) {
    size_t i = 1, digits[2] = {0, 0}, from[2] = {0, 0};
    for (int k = 0; k < 2; k++) {
        from[k] = i;
        while (s[i] >= '0' && s[i] <= '9') i++;
        digits[k] = i - from[k];
        if (k == 0 && s[i] == ',') i++;
        else break;
    }
    *ranged = s[i - 1] == ',' || digits[1] > 0;
    if (s[i] != '}' || digits[0] + digits[1] == 0 || digits[0] > 4 || digits[1] > 4) return 0;
    text_addf(out, "{%.*s", digits[0] ? (int)digits[0] : 1, digits[0] ? s + from[0] : "0");
    if (*ranged) text_addf(out, ",%.*s", (int)digits[1], s + from[1]);
    text_add(out, "}");
    return i + 1;
}

static ss_status repetition(reader *r, int repeatable) {
    size_t n = 1;
    int plain = strchr("*+?", *r->s) != NULL, ranged = 0;
    if (*r->s == '\0') return SS_OK;
    if (plain) text_addf(r->out, "%c", *r->s);
    else if (*r->s != '{' || !(n = pattern_syntax_interval(r->s, r->out, &ranged))) return SS_OK;
    if (!repeatable) return pattern_syntax_refuse(r, "a repetition of a place");
    r->s += n;
    r->last = 0;
    if (*r->s == '?') {
        if (!plain && !ranged) return pattern_syntax_refuse(r, "{n}?");
        text_add(r->out, "?");
        r->s++;
    } else if (*r->s == '+') {
        if (!plain) return pattern_syntax_refuse(r, "{n,m}+");
        text_add(r->out, "+");
        r->s++;
    }
    text unused = {0};
    int again = *r->s && (strchr("*+?", *r->s) || (*r->s == '{' && pattern_syntax_interval(r->s, &unused, &ranged)));
    text_free(&unused);
    return again ? pattern_syntax_refuse(r, "a repetition of a repetition") : SS_OK;
}

static ss_status alternatives(reader *r) {
    r->last = 0;
    while (*r->s && *r->s != ')') {
        int repeatable;
        if (*r->s == '|') {
            text_add(r->out, "|");
            r->s++;
            r->last = 0;
            continue;
        }
        SS_TRY(atom(r, &repeatable));
        SS_TRY(repetition(r, repeatable));
    }
    r->last = 0;
    return SS_OK;
}

ss_status pattern_translate(const char *source, pattern_kind kind, text *out, const char *where, ss_error *err) {
    reader r = {.s = source, .source = source, .where = where, .out = out, .kind = kind, .err = err};
    SS_TRY(alternatives(&r));
    return *r.s ? pattern_syntax_refuse(&r, "a closing parenthesis") : SS_OK;
}
