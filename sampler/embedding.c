/* Embeddings: the text encoders' output for a prompt and a negative prompt, with the words and classes of its keys.
 * Texts are encoded in batches, and the bits of each are those of encoding it alone. The encoders' weights are in
 * memory only during encoding. */
#include <stdlib.h>
#include <string.h>

#include "sampler/pipeline_parts.h"

void embedding_free(embedding *e) {
    if (!e) return;
    for (int b = 0; b < MAX_BRANCHES; b++)
        for (int i = 0; i < MAX_TEXT_RUNS; i++) tokens_free(&e->run[b][i].tok);
    free(e->states);
    free(e->pooled);
    free(e->key_class);
    free(e);
}

/* ---- making ---- */

/* Image keys first, then the runs of text; tokens that no encoder has seen count as padding. Keys beyond are those of
 * calls without text. */
static ss_status classify_keys(embedding *e, ss_error *err) {
    static const uint8_t classes[TOKEN_CLASS_COUNT] = {
        [TOKEN_START] = KEY_START, [TOKEN_WORD] = KEY_WORD, [TOKEN_END] = KEY_END, [TOKEN_PADDING] = KEY_PADDING};
    size_t keys = (size_t)e->n_keys;
    e->key_class = malloc(keys * (size_t)e->branches);
    if (!e->key_class) return error_no_memory(err, "token classes", keys);
    for (int b = 0; b < e->branches; b++) {
        uint8_t *out = e->key_class + (size_t)b * keys;
        memset(out, KEY_IMAGE, keys);
        out += e->n_image;
        for (int i = 0; i < e->n_runs; i++)
            for (int j = 0; j < e->run[b][i].count; j++)
                *out++ = j < e->run[b][i].tok.count ? classes[e->run[b][i].tok.at[j].cls] : KEY_PADDING;
    }
    return SS_OK;
}

int embedding_texts(const pipeline *p, const resolved_settings *s, const char *prompt, const char *each[MAX_BRANCHES]) {
    text_shape shape;
    p->row->text_shape(p, s, &shape);
    each[BRANCH_COND] = prompt;
    each[BRANCH_UNCOND] = s->negative;
    return s->guidance > 1 && !shape.no_negative ? 2 : 1;
}

ss_status text_states_allocate(const text_shape *shape, int n, float **states, float **pooled, ss_error *err) {
    size_t values = (size_t)(n * shape->n_text) * (size_t)shape->width;
    *states = calloc(values, sizeof **states);
    *pooled = calloc((size_t)(n * shape->pooled_width) + 1, sizeof **pooled); /* an address for no values too */
    return *states && *pooled ? SS_OK : error_no_memory(err, "text states", values * sizeof **states);
}

static ss_status embedding_fill(embedding *e, const pipeline *p, const resolved_settings *s, const char *prompt,
                                ss_error *err) {
    const char *each[MAX_BRANCHES];
    int n = embedding_texts(p, s, prompt, each);
    text_shape shape;
    p->row->text_shape(p, s, &shape);
    e->branches = s->guidance > 1 ? 2 : 1;
    e->n_runs = shape.n_runs;
    e->n_text = shape.n_text;
    e->width = shape.width;
    e->pooled_width = shape.pooled_width;
    for (int b = 0; b < e->branches; b++)
        for (int i = 0; i < shape.n_runs; i++) {
            e->run[b][i].count = shape.count[i];
            if (b < n && shape.reader[i])
                SS_TRY(tokenizer_encode(shape.reader[i], each[b], shape.count[i], &e->run[b][i].tok, err));
        }
    SS_TRY(text_states_allocate(&shape, e->branches, &e->states, &e->pooled, err));
    return classify_keys(e, err);
}

ss_status embedding_new(embedding **out, const pipeline *p, const resolved_settings *s, const char *prompt,
                        ss_error *err) {
    *out = NULL;
    embedding *e = calloc(1, sizeof *e);
    if (!e) return error_no_memory(err, "embedding", sizeof *e);
    pipeline_sites sites = {0};
    p->row->sites(p, s, &sites);
    for (int i = 0; i < sites.n_segments; i++)
        if (sites.segment[i].kind == SEGMENT_IMAGE) e->n_image += sites.segment[i].length;
    e->n_keys = sites.keys;
    ss_status status = embedding_fill(e, p, s, prompt, err);
    if (status == SS_OK) *out = e;
    else embedding_free(e);
    return status;
}

ss_status encode_batch(const pipeline *p, compute *c, const text_shape *shape, const char *const *texts, int n,
                       float *states, float *pooled, ss_error *err) {
    size_t count = (size_t)(n * shape->n_text);
    int32_t *ids = calloc(count, sizeof *ids);
    if (!ids) return error_no_memory(err, "token ids", count * sizeof *ids);
    arena_mark mark = arena_get_mark(c->scratch);
    tensor all = compute_3d(c, n, shape->n_text, shape->width), one = text_pooled_new(c, n, shape->pooled_width);
    ss_status status = p->row->encode(p, c, texts, n, ids, all, one, err);
    op_download(c, states, all);
    if (shape->pooled_width) op_download(c, pooled, one);
    arena_release(c->scratch, mark);
    free(ids);
    return status;
}

typedef struct texts_batch {
    const resolved_settings *settings;
    const char *const *texts;
    int n;
} texts_batch;

static ss_status walk_texts(pipeline *p, compute *dry, const void *what, ss_error *err) {
    const texts_batch *b = what;
    text_shape shape;
    float *states, *pooled;
    p->row->text_shape(p, b->settings, &shape);
    ss_status status = text_states_allocate(&shape, b->n, &states, &pooled, err);
    if (status == SS_OK) status = encode_texts(p, dry, b->settings, b->texts, b->n, states, pooled, err);
    free(states);
    free(pooled);
    return status;
}

/* Scratch for the first batch, which is the largest. */
static ss_status reserve_texts(pipeline *p, const resolved_settings *s, const char *const *texts, int n,
                               ss_error *err) {
    texts_batch b = {s, texts, n < TEXT_BATCH ? n : TEXT_BATCH};
    const scratch_key key = {.rows = b.n, .text = s->max_text_tokens};
    return pipeline_reserve(p, SCRATCH_ENCODE, &key, walk_texts, &b, err);
}

ss_status encode_texts(pipeline *p, compute *c, const resolved_settings *s, const char *const *texts, int n,
                       float *states, float *pooled, ss_error *err) {
    text_shape shape;
    ss_status status = SS_OK;
    p->row->text_shape(p, s, &shape);
    if (c == p->c && n > 0) status = reserve_texts(p, s, texts, n, err);
    for (int i = 0; status == SS_OK && i < n; i += TEXT_BATCH) {
        int some = n - i < TEXT_BATCH ? n - i : TEXT_BATCH;
        ss_error first;
        status = encode_batch(p, c, &shape, texts + i, some, states + i * shape.n_text * shape.width,
                              pooled + i * shape.pooled_width, err);
        if (compute_status(c, &first) != SS_OK) {
            *err = first;
            status = err->code;
        }
    }
    if (status == SS_OK) status = text_states_check(p, c, s, texts, n, states, pooled, err);
    pipeline_trim(c);
    return status;
}

ss_status encode_on(pipeline *p, compute *c, const resolved_settings *s, const char *prompt, embedding **out,
                    ss_error *err) {
    const char *each[MAX_BRANCHES];
    int n = embedding_texts(p, s, prompt, each);
    embedding *e;
    *out = NULL;
    SS_TRY(embedding_new(&e, p, s, prompt, err));
    ss_status status = encode_texts(p, c, s, each, n, e->states, e->pooled, err);
    if (status == SS_OK) *out = e;
    else embedding_free(e);
    return status;
}

ss_status pipeline_encode(pipeline *p, const resolved_settings *s, const char *prompt, embedding **out, ss_error *err) {
    return encode_on(p, p->c, s, prompt, out, err);
}

ss_status pipeline_blank(pipeline *p, const resolved_settings *s, const char *prompt, embedding **out, ss_error *err) {
    *out = NULL;
    return embedding_new(out, p, s, prompt, err);
}

/* The negative prompt is the same for all: one text more. */
static ss_status encode_shared(pipeline *p, const resolved_settings *s, const char *const *prompts, int n,
                               embedding **out, ss_error *err) {
    const char *each[MAX_BRANCHES];
    text_shape shape;
    p->row->text_shape(p, s, &shape);
    size_t states_size = (size_t)shape.n_text * (size_t)shape.width, pooled_size = (size_t)shape.pooled_width;
    int branches = embedding_texts(p, s, prompts[0], each), all = n + branches - 1;
    const char **texts = malloc((size_t)all * sizeof *texts);
    float *states, *pooled;
    ss_status status = text_states_allocate(&shape, all, &states, &pooled, err);
    if (status == SS_OK && !texts) status = error_no_memory(err, "a list of texts", (size_t)all * sizeof *texts);
    if (status == SS_OK) {
        memcpy(texts, prompts, (size_t)n * sizeof *texts);
        if (branches > 1) texts[n] = each[BRANCH_UNCOND];
        status = encode_texts(p, p->c, s, texts, all, states, pooled, err);
    }
    for (int i = 0; status == SS_OK && i < n; i++)
        for (int b = 0; b < branches; b++) {
            size_t from = (size_t)(b == BRANCH_COND ? i : n), to = (size_t)b;
            memcpy(out[i]->states + to * states_size, states + from * states_size, states_size * sizeof *states);
            memcpy(out[i]->pooled + to * pooled_size, pooled + from * pooled_size, pooled_size * sizeof *pooled);
        }
    free(texts);
    free(states);
    free(pooled);
    return status;
}

ss_status pipeline_encode_many(pipeline *p, const resolved_settings *s, const char *const *prompts, int n,
                               embedding **out, ss_error *err) {
    ss_status status = SS_OK;
    for (int i = 0; i < n; i++) out[i] = NULL;
    if (n == 0) return SS_OK;
    for (int i = 0; status == SS_OK && i < n; i++) status = embedding_new(&out[i], p, s, prompts[i], err);
    if (status == SS_OK) status = encode_shared(p, s, prompts, n, out, err);
    for (int i = 0; status != SS_OK && i < n; i++) {
        embedding_free(out[i]);
        out[i] = NULL;
    }
    return status;
}

/* ---- words and classes of keys ---- */

/* Without guidance there is one branch, and it is the conditional one. */
static int branch_row(const embedding *e, attn_branch branch) { return (int)branch < e->branches ? (int)branch : 0; }

const uint8_t *embedding_key_classes(const embedding *e, attn_branch branch) {
    return e->key_class + branch_row(e, branch) * e->n_keys;
}

int embedding_keys(const embedding *e) { return e->n_image + e->n_text; }

const char *embedding_key_word(const embedding *e, attn_branch branch, int key) {
    const text_run *r = e->run[branch_row(e, branch)];
    int i = key - e->n_image;
    if (i < 0) return "";
    for (int k = 0; k < e->n_runs; i -= r[k++].count)
        if (i < r[k].count) {
            int word = i < r[k].tok.count ? r[k].tok.at[i].word : -1;
            return word >= 0 ? r[k].tok.words[word] : "";
        }
    return "";
}
