/* Images by the class of token that an intervention on sinks strikes most often: among the heads that it edits and the
 * steps at which it acts, the class that the heaviest key has most often in the baseline of the same prompt and seed.
 * The baseline's, not the changed image's own: what the intervention makes of an image must not decide where the image
 * is counted. The data come from the documented view `sinks`, which needs the probe `census`. */
#include <stdlib.h>
#include <string.h>

#include "analysis/internal.h"
#include "base/array.h"
#include "study/plan.h"

static int strikes_sinks(const study_condition *c) {
    return c->role == CONDITION_STUDIED && c->has_intervention && c->intervention.selector->sinks &&
           c->prompt == PROMPT_SAME && c->seed_add == 0 && c->sampler_steps == 0;
}

/* ---- counting ---- */

typedef struct tally {
    const study *study;
    sink_classes *out;
    attn_intervention *where; /* [conditions] sites acted on; selector NULL: no intervention on sinks */
    int64_t *count;           /* [conditions, ANALYSIS_MAX_CLASSES] of the image at hand */
} tally;

static int class_number(sink_classes *out, const char *name, ss_error *err) {
    for (int i = 0; i < out->n_classes; i++)
        if (strcmp(out->name[i], name) == 0) return i;
    if (out->n_classes == ANALYSIS_MAX_CLASSES) {
        error_set(err, SS_ERR_STORE, NULL, "the sinks have more than %d classes", ANALYSIS_MAX_CLASSES);
        return -1;
    }
    out->name[out->n_classes] = text_copy(name);
    if (out->name[out->n_classes]) return out->n_classes++;
    error_no_memory(err, "classes of sinks", strlen(name));
    return -1;
}

/* Column `i` of a row as an index below `limit`; -1 where it is none. */
static int index_at(store_rows *r, int i, int limit) {
    int64_t x = store_rows_int(r, i);
    return x >= 0 && x < limit ? (int)x : -1;
}

static int acts_at(const attn_intervention *v, store_rows *r) {
    int step = index_at(r, 2, ATTN_MAX_STEPS), block = index_at(r, 3, ATTN_MAX_BLOCKS),
        head = index_at(r, 4, ATTN_MAX_HEADS);
    attn_branch branch = strcmp(store_rows_text(r, 5), "cond") == 0 ? BRANCH_COND : BRANCH_UNCOND;
    return v->selector && step >= 0 && block >= 0 && head >= 0 && bits_get(&v->steps, step) &&
           bits_get(&v->blocks, block) && bits_get(&v->heads, head) && v->branches >> branch & 1;
}

/* The image at hand is counted: its commonest classes, the first met among equals, and counts for the next image. */
static void finish_image(const tally *t) {
    int n = t->study->n_conditions;
    sink_classes *out = t->out;
    for (int c = 0; c < n; c++) {
        int64_t *count = t->count + c * ANALYSIS_MAX_CLASSES;
        int best = 0;
        for (int i = 1; i < out->n_classes; i++)
            if (count[i] > count[best]) best = i;
        out->of[(out->n - 1) * n + c] = (int8_t)(count[best] > 0 ? best : -1);
        memset(count, 0, ANALYSIS_MAX_CLASSES * sizeof *count);
    }
}

static ss_status begin_image(const tally *t, int64_t prompt, int64_t seed, ss_error *err) {
    sink_classes *out = t->out;
    const size_t n = (size_t)out->n + 1;
    size_t capacity = out->capacity;
    SS_TRY(ARRAY_ROOM(out->image, capacity, n, "classes of sinks", err));
    SS_TRY(array_room(&out->of, &out->capacity, n, (size_t)t->study->n_conditions, "classes of sinks", err));
    out->image[out->n] = (sink_image){prompt, seed, out->n};
    out->n++;
    return SS_OK;
}

static ss_status count_sink(const tally *t, store_rows *r, ss_error *err) {
    sink_classes *out = t->out;
    int64_t prompt = store_rows_int(r, 0), seed = seed_key(store_rows_seed(r, 1));
    const sink_image *last = out->n ? &out->image[out->n - 1] : NULL;
    int class = class_number(out, store_rows_text(r, 6), err);
    if (class < 0) return err->code;
    if (!last || last->prompt != prompt || last->seed != seed) {
        if (last) finish_image(t);
        SS_TRY(begin_image(t, prompt, seed, err));
    }
    for (int c = 0; c < t->study->n_conditions; c++)
        t->count[c * ANALYSIS_MAX_CLASSES + class] += acts_at(&t->where[c], r);
    return SS_OK;
}

static int compare_images(const void *a, const void *b) {
    const sink_image *x = a, *y = b;
    return x->prompt != y->prompt ? (x->prompt < y->prompt ? -1 : 1) : (x->seed > y->seed) - (x->seed < y->seed);
}

static ss_status count_sinks(const tally *t, const store *s, ss_error *err) {
    store_rows *r;
    int more;
    ss_status status = SS_OK;
    SS_TRY(store_select(&r, s, err,
                        "SELECT prompt, seed, step, block, head, branch, token_class FROM sinks"
                        " WHERE condition = 'baseline' AND rank = 0 ORDER BY unit"));
    while (status == SS_OK && (more = store_rows_next(r, err)) == 1) status = count_sink(t, r, err);
    store_rows_close(r);
    if (status == SS_OK && more < 0) status = err->code;
    if (status != SS_OK || t->out->n == 0) return status;
    finish_image(t);
    qsort(t->out->image, (size_t)t->out->n, sizeof *t->out->image, compare_images);
    return SS_OK;
}

/* ---- where ---- */

/* The kinds of the first `blocks` blocks, as the store has them. */
static ss_status classes_read_kinds(const store *s, int64_t blocks, attn_kind *kind, ss_error *err) {
    store_rows *r;
    int more;
    SS_TRY(store_select(&r, s, err, "SELECT block, kind FROM blocks"));
    while ((more = store_rows_next(r, err)) == 1) {
        int64_t block = store_rows_int(r, 0);
        for (int k = 0; k < ATTN_KIND_COUNT && block >= 0 && block < blocks; k++)
            if (strcmp(store_rows_text(r, 1), ATTN_KINDS[k].name) == 0) kind[block] = (attn_kind)k;
    }
    store_rows_close(r);
    return more < 0 ? err->code : SS_OK;
}

/* Sites of every intervention on sinks; *any = whether there is one. */
static ss_status bind_all(const tally *t, const store *s, int *any, ss_error *err) {
    store_rows *r;
    *any = 0;
    SS_TRY(store_select(&r, s, err, "SELECT max(block) + 1, max(head) + 1, max(step) + 1 FROM sink"));
    int more = store_rows_next(r, err);
    int64_t blocks = store_rows_int(r, 0), heads = store_rows_int(r, 1), steps = store_rows_int(r, 2);
    store_rows_close(r);
    if (more < 0) return err->code;
    if (blocks > ATTN_MAX_BLOCKS || heads > ATTN_MAX_HEADS || steps > ATTN_MAX_STEPS)
        return error_set(err, SS_ERR_STORE, NULL, "a sink lies beyond %d blocks, %d heads or %d steps", ATTN_MAX_BLOCKS,
                         ATTN_MAX_HEADS, ATTN_MAX_STEPS);
    attn_kind kind[ATTN_MAX_BLOCKS] = {0};
    SS_TRY(classes_read_kinds(s, blocks, kind, err));
    for (int c = 0; blocks > 0 && c < t->study->n_conditions; c++) {
        const study_condition *x = &t->study->condition[c];
        if (!strikes_sinks(x)) continue;
        SS_TRY(
            plan_bind_where(t->study, &x->intervention, kind, (int)blocks, (int)heads, (int)steps, &t->where[c], err));
        t->where[c].branches = x->intervention.branches;
        t->where[c].selector = x->intervention.selector;
        *any = 1;
    }
    return SS_OK;
}

ss_status sink_classes_read(sink_classes *out, const store *s, const study *y, ss_error *err) {
    size_t n = (size_t)y->n_conditions;
    tally t = {.study = y, .out = out};
    int any = 0;
    *out = (sink_classes){.n_conditions = (int)n};
    if (y->top == 0) return SS_OK;
    t.where = calloc(n, sizeof *t.where);
    t.count = calloc(n * ANALYSIS_MAX_CLASSES, sizeof *t.count);
    ss_status status = t.where && t.count ? SS_OK : error_no_memory(err, "classes of sinks", n * sizeof *t.where);
    if (status == SS_OK) status = bind_all(&t, s, &any, err);
    if (status == SS_OK && any) status = count_sinks(&t, s, err);
    free(t.where);
    free(t.count);
    return status;
}

void sink_classes_free(sink_classes *x) {
    for (int i = 0; i < x->n_classes; i++) free(x->name[i]);
    free(x->image);
    free(x->of);
}

int sink_classes_find(const sink_classes *x, int condition, int64_t prompt, int64_t seed) {
    const sink_image wanted = {prompt, seed, 0};
    const sink_image *found = x->n ? bsearch(&wanted, x->image, (size_t)x->n, sizeof wanted, compare_images) : NULL;
    return found ? x->of[found->row * x->n_conditions + condition] : -1;
}
