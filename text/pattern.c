/* Compiling and matching under limits. The loop is that of the onig crate (src/find.rs): no empty match right after
 * another match. */
#include "text/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "io/json.h"
#include "text/unicode.h"

struct pattern {
    pcre2_code *code;
    char *source, *where; /* for messages */
};

/* Each character that could be an operator is written as a number. */
static void add_literal(text *out, const char *s, size_t n) {
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] < 0x80) text_addf(out, "\\x{%x}", (unsigned)s[i]);
        else text_add_n(out, s + i, 1);
}

static ss_status pattern_compile_source(pattern *p, const text *expression, ss_error *err) {
    int code = 0;
    PCRE2_SIZE at;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (!context) return error_no_memory(err, p->where, 1);
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    p->code =
        pcre2_compile((PCRE2_SPTR)expression->s, expression->len,
                      PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_AUTO_CAPTURE, &code, &at, context);
    pcre2_compile_context_free(context);
    if (p->code) return SS_OK;
    if (code == PCRE2_ERROR_HEAP_FAILED) return error_no_memory(err, p->where, expression->len);
    PCRE2_UCHAR reason[120];
    pcre2_get_error_message(code, reason, sizeof reason);
    return error_set(err, SS_ERR_INPUT, p->where, "has the pattern '%s', which PCRE2 cannot compile: %s", p->source,
                     (const char *)reason);
}

static ss_status translate(const pattern *p, pattern_kind kind, text *out, ss_error *err) {
    size_t n = strlen(p->source);
    if (n > PATTERN_LONGEST)
        return error_set(err, SS_ERR_INPUT, p->where, "has a pattern of %zu bytes; at most %d are expected", n,
                         PATTERN_LONGEST);
    if (kind != PATTERN_LITERAL) return pattern_translate(p->source, kind, out, p->where, err);
    text_add(out, "(?:");
    add_literal(out, p->source, n);
    text_add(out, ")");
    return SS_OK;
}

ss_status pattern_compile(pattern **out, const char *source, pattern_kind kind, const char *where, ss_error *err) {
    text expression = {0};
    *out = NULL;
    pattern *p = calloc(1, sizeof *p);
    if (!p) return error_no_memory(err, where, sizeof *p);
    p->source = text_copy(source);
    p->where = text_copy(where);
    ss_status status =
        p->source && p->where ? translate(p, kind, &expression, err) : error_no_memory(err, where, strlen(source));
    if (status == SS_OK && expression.failed) status = error_no_memory(err, where, strlen(source));
    if (status == SS_OK) status = pattern_compile_source(p, &expression, err);
    text_free(&expression);
    if (status == SS_OK) *out = p;
    else pattern_free(p);
    return status;
}

void pattern_free(pattern *p) {
    if (!p) return;
    pcre2_code_free(p->code);
    free(p->source);
    free(p->where);
    free(p);
}

static ss_status complain(const pattern *p, int code, ss_error *err) {
    static const struct {
        int code;
        const char *limit;
    } LIMITS[] = {
        {PCRE2_ERROR_MATCHLIMIT, "steps"}, {PCRE2_ERROR_DEPTHLIMIT, "depth"}, {PCRE2_ERROR_HEAPLIMIT, "memory"}};
    if (code == PCRE2_ERROR_NOMEMORY) return error_no_memory(err, "a match", 1);
    for (size_t i = 0; i < sizeof LIMITS / sizeof LIMITS[0]; i++)
        if (LIMITS[i].code == code)
            return error_set(err, SS_ERR_INPUT, p->where,
                             "has the pattern '%s', which needs more %s for this prompt than it is given", p->source,
                             LIMITS[i].limit);
    return error_set(err, SS_ERR_INTERNAL, p->where, "PCRE2 gave up on the pattern '%s' (error %d)", p->source, code);
}

static ss_status find_all(const pattern *p, pcre2_match_data *data, pcre2_match_context *limits, const char *s,
                          size_t n, spans *out, ss_error *err) {
    size_t done = 0, at = 0, last = 0;
    int matched = 0;
    int32_t cp;
    while (at <= n) {
        int code = pcre2_match(p->code, (PCRE2_SPTR)s, n, at, PCRE2_NO_UTF_CHECK, data, limits);
        if (code == PCRE2_ERROR_NOMATCH) break;
        if (code < 0) return complain(p, code, err);
        const PCRE2_SIZE *range = pcre2_get_ovector_pointer(data);
        size_t start = range[0], end = range[1];
        if (start == end && matched && start == last) {
            at += at < n ? unicode_next(s + at, n - at, &cp) : 1;
            continue;
        }
        at = last = end;
        matched = 1;
        if (done < start) SS_TRY(spans_add(out, done, start, 0, err));
        SS_TRY(spans_add(out, start, end, 1, err));
        done = end;
    }
    return done < n ? spans_add(out, done, n, 0, err) : SS_OK;
}

ss_status pattern_find(const pattern *p, const char *s, size_t n, spans *out, ss_error *err) {
    if (n == 0) return SS_OK;
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    ss_status status = data && limits ? SS_OK : error_no_memory(err, "a match", 1);
    if (status == SS_OK) {
        pcre2_set_match_limit(limits, PATTERN_MATCH_LIMIT);
        pcre2_set_depth_limit(limits, PATTERN_DEPTH_LIMIT);
        pcre2_set_heap_limit(limits, PATTERN_HEAP_LIMIT);
        status = find_all(p, data, limits, s, n, out, err);
    }
    pcre2_match_data_free(data);
    pcre2_match_context_free(limits);
    return status;
}

ss_status pattern_read(pattern **out, const json_t *owner, const char *where, ss_error *err) {
    json_t *tree;
    SS_TRY(json_get_object(owner, "pattern", where, &tree, err));
    const char *literal = json_string_value(json_object_get(tree, "String"));
    const char *regex = json_string_value(json_object_get(tree, "Regex"));
    if (!literal == !regex)
        return error_set(err, SS_ERR_INPUT, where, "has a pattern that is neither a 'String' nor a 'Regex'");
    return literal ? pattern_compile(out, literal, PATTERN_LITERAL, where, err)
                   : pattern_compile(out, regex, PATTERN_ONIGURUMA, where, err);
}
