/* The studied blocks of a network, as it describes them, and whether what is asked fits them. A network may have blocks
 * of several kinds, with different heads, keys and segments; what fits one need not fit another, so each is asked. Only
 * descriptions are used: nothing here runs. */
#include <math.h>
#include <string.h>

#include "attn/run.h"

const entry ATTN_KINDS[] = {
    [ATTN_JOINT] = {"joint", "image and text tokens attend to one another in one call", NULL},
    [ATTN_SELF] = {"self", "image tokens attend to image tokens", NULL},
    [ATTN_CROSS] = {"cross", "image tokens attend to text tokens", NULL},
};
const int ATTN_KIND_COUNT = sizeof ATTN_KINDS / sizeof ATTN_KINDS[0];

static int same_segments(const attn_segment *a, const attn_segment *b, int n) {
    for (int i = 0; i < n; i++)
        if (a[i].kind != b[i].kind || a[i].start != b[i].start || a[i].length != b[i].length ||
            a[i].grid_width != b[i].grid_width || strcmp(a[i].name, b[i].name) != 0)
            return 0;
    return 1;
}

int attn_number_layouts(attn_block *block, int blocks) {
    int n = 0;
    for (int i = 0; i < blocks; i++) {
        block[i].layout = -1;
        for (int j = 0; j < i && block[i].layout < 0; j++)
            if (block[i].keys == block[j].keys && block[i].n_segments == block[j].n_segments &&
                same_segments(block[i].segment, block[j].segment, block[i].n_segments))
                block[i].layout = block[j].layout;
        if (block[i].layout < 0) block[i].layout = n++;
    }
    return n;
}

int attn_blocks_alike(const attn_block *block, int blocks) {
    for (int i = 1; i < blocks; i++)
        if (block[i].kind != block[0].kind || block[i].heads != block[0].heads || block[i].layout != block[0].layout ||
            block[i].queries != block[0].queries)
            return 0;
    return 1;
}

int attn_block_has(const attn_block *block, segment_kind kind) {
    int n = 0;
    for (int i = 0; i < block->n_query_segments; i++)
        if (block->query_segment[i].kind == kind) n += block->query_segment[i].length;
    return n;
}

/* ---- programs ---- */

/* The highest bit set, or -1. */
static int highest(const attn_bits *b) {
    for (int i = (int)sizeof b->word * 8 - 1; i >= 0; i--)
        if (bits_get(b, i)) return i;
    return -1;
}

static int most_heads(const attn_block *block, int blocks) {
    int most = 0;
    for (int i = 0; i < blocks; i++) most = block[i].heads > most ? block[i].heads : most;
    return most;
}

int attn_wanted(const attn_intervention *v, int have) {
    if (!(v->share > 0)) return v->k;
    int n = (int)lround(v->share * have);
    if (n > have / 2) n = have / 2;
    return n > 1 ? n : 1;
}

/* Whether the sets and query rows of an intervention can be had in one block. */
static ss_status check_block(const attn_intervention *v, const attn_block *block, ss_error *err) {
    int have = v->selector->queries ? block->queries : block->keys, k = attn_wanted(v, have);
    int64_t size = v->scope == SCOPE_LAYER ? (int64_t)k * block->heads : k;
    const char *what = v->selector->queries ? "query rows" : "keys";
    if (k < 0 || size > have / 2)
        return error_set(err, SS_ERR_INPUT, NULL,
                         "k = %d asks for sets of %lld %s%s; expected at most %d, half of a call's %d %s", k,
                         (long long)size, what, v->scope == SCOPE_LAYER ? " (scope: layer takes k x heads)" : "",
                         have / 2, have, what);
    if (v->rows == ROWS_TEXT && attn_block_has(block, SEGMENT_TEXT) == 0)
        return error_set(err, SS_ERR_INPUT, NULL,
                         "'rows: text', but no query of the call is text; expected image or all");
    if (!v->selector->check) return SS_OK;
    return v->selector->check(v->selector_options, k, (int)size, block->segment, block->n_segments, err);
}

/* Where blocks differ, an error names the chosen block that it is about. */
static ss_status check_blocks(const attn_intervention *v, const attn_block *block, int blocks, ss_error *err) {
    int first = -1, failed = 0, chosen = 0;
    ss_error why = {0};
    for (int i = 0; i < blocks; i++) {
        if (!bits_get(&v->blocks, i)) continue;
        chosen++;
        if (check_block(v, &block[i], err) == SS_OK) continue;
        if (failed++ == 0) first = i, why = *err;
    }
    if (!failed) return SS_OK;
    *err = why;
    if (attn_blocks_alike(block, blocks)) return err->code;
    return error_set(err, why.code, NULL, "%s; so in %d of the %d blocks chosen, the first of them block %d (%s, %s)",
                     why.message, failed, chosen, first, block[first].name, ATTN_KINDS[block[first].kind].name);
}

static ss_status check_intervention(const attn_intervention *v, const attn_block *block, int blocks, ss_error *err) {
    int heads = most_heads(block, blocks);
    if (!v->selector || !v->edit)
        return error_set(err, SS_ERR_INTERNAL, NULL, "an intervention without selector or edit");
    if (v->selector->queries != (v->edit->on == EDIT_ON_QUERIES))
        return error_set(err, SS_ERR_INPUT, NULL, "the selector '%s' chooses %s, the edit '%s' acts on %s",
                         v->selector->about.name, v->selector->queries ? "query rows" : "keys", v->edit->about.name,
                         v->edit->on == EDIT_ON_QUERIES ? "query rows" : "keys");
    if (highest(&v->blocks) >= blocks)
        return error_set(err, SS_ERR_INPUT, NULL, "block %d is not there; the model has blocks 0 to %d",
                         highest(&v->blocks), blocks - 1);
    if (highest(&v->heads) >= heads)
        return error_set(err, SS_ERR_INPUT, NULL, "head %d is not there; the model has heads 0 to %d",
                         highest(&v->heads), heads - 1);
    if (v->scope == SCOPE_GLOBAL && !v->selector->global)
        return error_set(err, SS_ERR_INPUT, NULL, "the selector '%s' does not know scope: global",
                         v->selector->about.name);
    if (v->share > 0 && v->scope == SCOPE_GLOBAL)
        return error_set(err, SS_ERR_INPUT, NULL, "a share of a call's keys does not go with scope: global");
    return check_blocks(v, block, blocks, err);
}

ss_status attn_program_check(const attn_program *p, const attn_block *block, int blocks, ss_error *err) {
    if (p->n < 0 || p->n > EDIT_MAX_STEPS)
        return error_set(err, SS_ERR_INPUT, NULL, "%d interventions in one condition; expected at most %d", p->n,
                         EDIT_MAX_STEPS);
    int outputs = 0;
    for (int i = 0; i < p->n; i++) {
        SS_TRY(check_intervention(&p->intervention[i], block, blocks, err));
        outputs |= p->intervention[i].edit->amount != NULL;
    }
    for (int i = 1; outputs && i < p->n; i++)
        if (p->intervention[i].rows != p->intervention[0].rows)
            return error_set(err, SS_ERR_INPUT, NULL,
                             "an edit of the output stands beside one on other query rows; expected the same `rows`");
    return SS_OK;
}

int64_t attn_intervention_keys(const attn_intervention *v, const attn_block *block, int blocks,
                               const attn_text *prompt) {
    int64_t n = 0;
    if (v->edit->on == EDIT_ON_NOTHING || !v->selector->wanted) return -1;
    for (int i = 0; i < blocks; i++)
        for (int branch = 0; bits_get(&v->blocks, i) && branch < 2; branch++) {
            if (!(v->branches >> branch & 1) || !prompt->key_class[branch]) continue;
            select_input in = {.keys = block[i].keys,
                               .key_class = prompt->key_class[branch],
                               .word = block[i].kind == ATTN_SELF ? NULL : prompt->word,
                               .words = prompt->words,
                               .segments = block[i].segment,
                               .n_segments = block[i].n_segments,
                               .options = v->selector_options,
                               .branch = (attn_branch)branch};
            for (int key = 0; key < block[i].keys; key++) n += v->selector->wanted(&in, key);
        }
    return n;
}

ss_status attn_measure_check(const attn_measure *m, const attn_block *block, int blocks, ss_error *err) {
    for (int i = 0; i < blocks && m->rows != ROWS_ALL; i++) {
        if (attn_block_has(&block[i], m->rows == ROWS_TEXT ? SEGMENT_TEXT : SEGMENT_IMAGE) > 0) continue;
        return error_set(err, SS_ERR_INPUT, NULL, "block %d (%s, %s) has no %s queries to measure; choose other rows",
                         i, block[i].name, ATTN_KINDS[block[i].kind].name, m->rows == ROWS_TEXT ? "text" : "image");
    }
    return SS_OK;
}
