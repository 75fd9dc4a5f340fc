/* Pieces, spans, and what the five behaviors of splitting make of them. Source: tokenizers/src/tokenizer/normalizer.rs
 * (split), pattern.rs. */
#include "text/piece.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "text/unicode.h"

void piece_free(piece *p) {
    text_free(&p->t);
    *p = (piece){0};
}

void pieces_free(pieces *list) {
    for (int i = 0; i < list->count; i++) piece_free(&list->at[i]);
    free(list->at);
    *list = (pieces){0};
}

void spans_free(spans *list) {
    free(list->at);
    *list = (spans){0};
}

ss_status pieces_add(pieces *list, const piece *from, size_t start, size_t end, int32_t token, ss_error *err) {
    if (start >= end) return SS_OK;
    SS_TRY(ARRAY_ROOM(list->at, list->capacity, list->count + 1, "a prompt", err));
    piece p = {.token = token, .first = from->first && start < from->lead};
    p.lead = p.first ? (from->lead < end ? from->lead : end) - start : 0;
    text_add_n(&p.t, from->t.s + start, end - start);
    if (p.t.failed) {
        text_free(&p.t);
        return error_no_memory(err, "a prompt", end - start);
    }
    list->at[list->count++] = p;
    return SS_OK;
}

ss_status piece_replace(piece *p, text *now, size_t lead, ss_error *err) {
    if (now->failed) {
        text_free(now);
        return error_no_memory(err, "a prompt", p->t.len);
    }
    text_free(&p->t);
    p->t = *now;
    p->lead = lead < now->len ? lead : now->len;
    *now = (text){0};
    return SS_OK;
}

ss_status spans_add(spans *list, size_t start, size_t end, int match, ss_error *err) {
    SS_TRY(ARRAY_ROOM(list->at, list->capacity, list->count + 1, "a prompt", err));
    list->at[list->count++] = (span){start, end, match};
    return SS_OK;
}

ss_status spans_of_test(spans *list, const char *s, size_t n, piece_test *test, const void *data, ss_error *err) {
    size_t from = 0;
    int32_t cp;
    for (size_t i = 0, step; i < n; i += step) {
        step = unicode_next(s + i, n - i, &cp);
        if (!test(cp, data)) continue;
        if (from < i) SS_TRY(spans_add(list, from, i, 0, err));
        SS_TRY(spans_add(list, i, i + step, 1, err));
        from = i + step;
    }
    return from < n ? spans_add(list, from, n, 0, err) : SS_OK;
}

/* Join neighbours: a match with what is before it (not a match), or any with its like. */
static void join_forwards(spans *list, piece_behavior behavior) {
    int kept = 0, previous = 0;
    for (int i = 0; i < list->count; i++) {
        span s = list->at[i];
        int joins = behavior == PIECE_CONTIGUOUS ? s.match == previous : s.match && !previous;
        if (joins && kept) list->at[kept - 1].end = s.end;
        else list->at[kept++] = s;
        previous = s.match;
    }
    list->count = kept;
}

/* A match joins what follows it. */
static void join_backwards(spans *list) {
    int kept = list->count, previous = 0;
    for (int i = list->count - 1; i >= 0; i--) {
        span s = list->at[i];
        if (s.match && !previous && kept < list->count) list->at[kept].start = s.start;
        else list->at[--kept] = s;
        previous = s.match;
    }
    list->count -= kept;
    memmove(list->at, list->at + kept, (size_t)list->count * sizeof *list->at);
}

ss_status pieces_split(pieces *out, const piece *from, spans *list, piece_behavior behavior, ss_error *err) {
    if (list->count && behavior == PIECE_MERGED_WITH_NEXT) join_backwards(list);
    else if (behavior == PIECE_MERGED_WITH_PREVIOUS || behavior == PIECE_CONTIGUOUS) join_forwards(list, behavior);
    for (int i = 0; i < list->count; i++) {
        const span *s = &list->at[i];
        if (behavior != PIECE_REMOVED || !s->match) SS_TRY(pieces_add(out, from, s->start, s->end, -1, err));
    }
    return SS_OK;
}
