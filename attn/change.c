/* The edit of a group of items according to their choice: score and value edits in one operation for each kind of row,
 * edits of the output after them. One item's edit does not depend on another's. */
#include <math.h>
#include <string.h>

#include "attn/call.h"

/* ---- scratch ---- */

static void *take(compute *c, arena *memory, size_t n, size_t size) {
    void *p = arena_alloc(memory, n * size);
    ss_error err;
    if (p) return p;
    error_set(
        &err, SS_ERR_RESOURCE, NULL,
        "out of scratch memory for measuring attention: %zu bytes in use, %zu more asked for; use a smaller image "
        "or batch",
        arena_used(memory), n * size);
    compute_fail(c, &err);
    return NULL;
}

void *attn_scratch(compute *c, size_t n, size_t size) { return take(c, c->host, n, size); }
void *attn_notes(compute *c, size_t n, size_t size) { return take(c, c->notes, n, size); }

void *attn_notes_copy(compute *c, const void *from, size_t n, size_t size) {
    void *p = attn_notes(c, n, size);
    if (p && n && !arena_is_counted(p)) memcpy(p, from, n * size);
    return p;
}

void *attn_scratch_zeroed(compute *c, size_t n, size_t size) {
    void *p = attn_scratch(c, n, size);
    if (p && !arena_is_counted(p)) memset(p, 0, n * size);
    return p;
}

/* Batch items are edited together: the threads share more heads and synchronise less often. It matters to small calls
 * alone: two items of 160 tokens in six heads are within the limit, and the scratch that a forecast has to allow for
 * stays small. */
enum { TOGETHER_FLOATS = 1 << 17 };

int attn_edit_most_items(const attn_place *p) {
    int64_t most = TOGETHER_FLOATS / ((int64_t)p->heads * (p->keys + p->queries) * p->width);
    return (int)(most < 1 ? 1 : most < p->batch ? most : p->batch);
}

/* Results of one operation on edited pairs, kept until they are observed. */
static edit_result result_new(compute *c, int64_t pairs, int with_all) {
    edit_result r = {0};
    r.dose.from = compute_kept(c, TENSOR_F64, 1, &pairs);
    if (!with_all) return r;
    r.before.from = compute_kept(c, TENSOR_F64, 1, &pairs);
    r.after.from = compute_kept(c, TENSOR_F64, 1, &pairs);
    r.direct.from = compute_kept(c, TENSOR_I64, 1, &pairs);
    return r;
}

static void allocate_sets(compute *c, key_sets *sets, size_t pairs, size_t most) {
    sets->begin = attn_scratch_zeroed(c, pairs + 1, sizeof *sets->begin);
    sets->key = attn_scratch(c, pairs * most, sizeof *sets->key);
    sets->left_out = attn_scratch_zeroed(c, pairs, sizeof *sets->left_out);
}

int attn_edit_allocate(compute *c, const attn_place *p, int items, int n, int n_outputs, attn_choice *choice,
                       edit_scratch *s, attn_outcome *o) {
    size_t pairs = (size_t)items * (size_t)p->heads, keys = (size_t)p->keys, rows = (size_t)p->queries;
    size_t most = keys > rows ? keys : rows;
    *s = (edit_scratch){.select_mass = attn_scratch(c, most, sizeof *s->select_mass),
                        .select_key = attn_scratch(c, 3 * most, sizeof *s->select_key),
                        .select_mark = attn_scratch(c, most, 1),
                        .member = attn_scratch(c, pairs * keys, 1),
                        .mark = attn_scratch(c, keys, 1),
                        .noise = compute_2d(c, (int64_t)(pairs * keys), p->width),
                        .draw = attn_scratch(c, pairs * keys, sizeof *s->draw)};
    *o = (attn_outcome){.touched = attn_scratch_zeroed(c, pairs, sizeof *o->touched)};
    allocate_sets(c, &o->set, pairs, keys);
    for (int i = 0; i < n; i++) allocate_sets(c, &choice->of[i], pairs, most);
    if (n_outputs == 0) return compute_ok(c);
    s->rest = compute_tensor_of(c, TENSOR_F64, 2, (int64_t[]){(int64_t)pairs, p->queries});
    s->push = compute_tensor_of(c, TENSOR_F64, 2, (int64_t[]){(int64_t)pairs, p->queries});
    s->direction = compute_3d(c, (int64_t)pairs, p->queries, p->width);
    s->original = compute_4d(c, items, p->queries, p->heads, p->width);
    for (int i = 0; i < n; i++) s->amount[i] = attn_scratch(c, pairs * rows, sizeof *s->amount[i]);
    return compute_ok(c);
}

/* ---- one edit ---- */

/* What every part of an edit needs. Constant, but for the scratch and the outcome that it points to. */
typedef struct edit {
    compute *c;
    attention_args args; /* of the group */
    const attn_place *place;
    const item_request *item; /* [items] of the group; all have the interventions of the first */
    int64_t pairs;
    const attn_choice *choice;
    tensor lse;           /* [items, heads, queries] */
    host_read *batch_lse; /* of the whole batch, for edits that read it; the group's pairs begin at `first_pair` */
    int64_t first_pair;
    edit_scratch *s;
    attn_outcome *out;
} edit;

static int is_output_edit(const attn_edit *e) { return e->amount != NULL; }

static int is_score_edit(const attn_edit *e) {
    return !is_output_edit(e) && (e->op == EDIT_SCALE || e->op == EDIT_SHIFT);
}

int attn_output_edits(const item_request *item) {
    int n = 0;
    for (int i = 0; i < item->n; i++) n += is_output_edit(item->force[i].is->edit);
    return n;
}

/* The union of the sets of the interventions whose step is >= 0, with the steps that each key belongs to. */
static void join_sets(const edit *e, const int *step) {
    int heads = e->place->heads, keys = e->place->keys;
    key_sets *set = &e->out->set;
    uint8_t *mark = e->s->mark;
    for (int pair = 0; pair < (int)e->pairs; pair++) {
        int32_t at = set->begin[pair];
        memset(mark, 0, (size_t)keys);
        for (int i = 0; i < e->item->n; i++) {
            const key_sets *own = &e->choice->of[i];
            if (step[i] < 0 || !bits_get(&e->item->force[i].is->heads, pair % heads)) continue;
            for (int32_t x = own->begin[pair]; x < own->begin[pair + 1]; x++)
                mark[own->key[x]] |= (uint8_t)(1u << step[i]);
        }
        for (int j = 0; j < keys; j++) {
            if (!mark[j]) continue;
            e->s->member[at] = mark[j];
            set->key[at++] = j;
        }
        set->begin[pair + 1] = at;
    }
}

/* The stream of an edit's random numbers in a pair: without the step where one draw serves the run. */
static void edit_stream(const edit *e, const attn_intervention *v, const char *name, int64_t pair, philox *out) {
    int heads = e->place->heads;
    const attn_item *item = e->item[pair / heads].item;
    attn_run_stream(item->run, name, v->redraw == REDRAW_RUN ? -1 : item->step, e->place->block, (int)(pair % heads),
                    item->branch, out);
}

/* ---- scores and values ---- */

/* Noise rows of the union's keys: N(0, sd^2) with the sd of the last noise step that a key belongs to. The numbers of a
 * key are a block of their own in the stream of its head, so they do not depend on what else is in the set. `number`:
 * the intervention of each step. */
static void draw_noise(const edit *e, const attention_edit *op, const int *number) {
    const key_sets *set = &e->out->set;
    int64_t width = e->place->width, n = 0;
    for (int64_t pair = 0; pair < e->pairs; pair++) {
        philox stream[EDIT_MAX_STEPS];
        for (int s = 0; s < op->n_steps; s++)
            if (op->step[s].op == EDIT_VALUE_NOISE)
                edit_stream(e, e->item->force[number[s]].is, "noise", pair, &stream[s]);
        for (int32_t x = set->begin[pair]; x < set->begin[pair + 1]; x++) {
            int last = -1;
            for (int s = 0; s < op->n_steps; s++)
                if (op->step[s].op == EDIT_VALUE_NOISE && e->s->member[x] >> s & 1) last = s;
            if (last < 0) continue;
            gaussian_run *run = &e->s->draw[n++];
            *run = (gaussian_run){stream[last], (double)op->step[last].param, x * width, width};
            philox_skip(&run->stream, (uint64_t)set->key[x] * (uint64_t)width);
        }
    }
    op_gaussians(e->c, e->s->noise, e->s->draw, n);
}

/* The steps of the interventions that act on `rows` (ROWS_ALL: whatever rows they name): score edits first, each kind
 * in the program's order. step[i]: of intervention i, or -1; number[s]: the intervention of step s. */
static void list_steps(const edit *e, attn_rows rows, attention_edit *op, int *step, int *number) {
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < e->item->n; i++) {
            const attn_intervention *v = e->item->force[i].is;
            if (is_score_edit(v->edit) != (pass == 0)) continue;
            step[i] = -1;
            if (is_output_edit(v->edit)) continue;
            if (rows != ROWS_ALL && v->rows != ROWS_ALL && v->rows != rows) continue;
            step[i] = op->n_steps++;
            number[step[i]] = i;
            op->step[step[i]].op = v->edit->op;
            op->force_direct |= v->edit->direct;
            v->edit->configure(v->edit_options, &op->step[step[i]]);
        }
}

/* One operation on a range of rows. */
static void edit_rows(const edit *e, attn_rows rows, row_range range) {
    int step[EDIT_MAX_STEPS], number[EDIT_MAX_STEPS] = {0}, noisy = 0;
    edit_scratch *s = e->s;
    attention_edit op = {.row_begin = range.begin, .row_end = range.end, .lse = e->lse};
    list_steps(e, rows, &op, step, number);
    if (op.n_steps == 0 || range.begin == range.end) return;
    for (int i = 0; i < op.n_steps; i++) noisy |= op.step[i].op == EDIT_VALUE_NOISE;
    join_sets(e, step);
    op.set_begin = e->out->set.begin;
    op.keys = e->out->set.key;
    op.member = s->member;
    if (noisy) {
        op.noise = s->noise;
        draw_noise(e, &op, number);
    }
    edit_result *r = &e->out->part[e->out->n_parts++];
    *r = result_new(e->c, e->pairs, 1);
    r->rows = row_range_count(range);
    op.mass_before = r->before.from;
    op.mass_after = r->after.from;
    op.dose = r->dose.from;
    op.direct_rows = r->direct.from;
    op_attention_edit(e->c, &e->args, &op);
}

/* ---- the output ---- */

/* What a mask of intervention i's keys would do, row by row: into scratch `rest`, `push` for a push; and its results by
 * pairs. */
static edit_result preview(const edit *e, int i, row_range range) {
    int step[EDIT_MAX_STEPS];
    edit_result r = {.rows = row_range_count(range)};
    r.before.from = compute_kept(e->c, TENSOR_F64, 1, &e->pairs);
    r.direct.from = compute_kept(e->c, TENSOR_I64, 1, &e->pairs);
    for (int j = 0; j < e->item->n; j++) step[j] = j == i ? 0 : -1;
    join_sets(e, step);
    attention_edit op = {.row_begin = range.begin,
                         .row_end = range.end,
                         .n_steps = 1,
                         .step = {{.op = EDIT_SCALE}},
                         .set_begin = e->out->set.begin,
                         .keys = e->out->set.key,
                         .member = e->s->member,
                         .lse = e->lse,
                         .preview = 1,
                         .mass_before = r.before.from,
                         .direct_rows = r.direct.from,
                         .row_rest = e->s->rest,
                         .row_push = e->item->force[i].is->edit->output == OUTPUT_PUSH ? e->s->push : TENSOR_NONE};
    op_attention_edit(e->c, &e->args, &op);
    return r;
}

/* Rows of every head in the directions of a stream: N(0, 1) components, a row's numbers in a block of their own. */
static void draw_directions(const edit *e, const attn_intervention *v, row_range range) {
    int64_t width = e->place->width, rows = e->place->queries, n = 0;
    for (int64_t pair = 0; pair < e->pairs; pair++) {
        if (!e->out->touched[pair]) continue;
        gaussian_run *run = &e->s->draw[n++];
        *run =
            (gaussian_run){.scale = 1, .at = (pair * rows + range.begin) * width, .n = row_range_count(range) * width};
        edit_stream(e, v, "norm-matched", pair, &run->stream);
        philox_skip(&run->stream, (uint64_t)range.begin * (uint64_t)width);
    }
    op_gaussians(e->c, e->s->direction, e->s->draw, n);
}

/* The host's copy of scratch or of lse, of a pair; NULL where it was not read. */
static const double *row_numbers(const host_read *r, int64_t pair, int64_t rows) {
    return r->values ? (const double *)r->values + pair * rows : NULL;
}

/* The amounts of intervention i, an edit of the output, from the unedited P; they are the host's to find, so the
 * numbers of the rows are read. */
static void find_amounts(const edit *e, int i, row_range range) {
    const attn_intervention *v = e->item->force[i].is;
    int64_t rows = e->place->queries, heads = e->place->heads;
    host_read rest = {0}, push = {0};
    if (v->edit->on == EDIT_ON_KEYS) {
        e->out->kept = preview(e, i, range);
        rest.from = e->s->rest;
        if (v->edit->output == OUTPUT_PUSH) push.from = e->s->push;
    }
    if (v->edit->on == EDIT_ON_NOTHING) op_read(e->c, e->c->notes, &e->batch_lse, 1); /* once for all groups */
    if (!op_read(e->c, e->c->host, (host_read *[]){&rest, &push}, 2)) return;
    for (int64_t pair = 0; compute_ok(e->c) && pair < e->pairs; pair++) {
        const int32_t *begin = e->choice->of[i].begin;
        double *amount = e->s->amount[i] + pair * rows;
        output_input in = {.options = v->edit_options,
                           .row_begin = range.begin,
                           .row_end = range.end,
                           .lse = row_numbers(e->batch_lse, e->first_pair + pair, rows),
                           .rest = row_numbers(&rest, pair, rows),
                           .push = row_numbers(&push, pair, rows),
                           .chosen = e->choice->of[i].key + begin[pair],
                           .n_chosen = begin[pair + 1] - begin[pair]};
        for (int64_t row = range.begin; row < range.end; row++) amount[row] = v->edit->output == OUTPUT_GAIN ? 1 : 0;
        if (!bits_get(&v->heads, (int)(pair % heads)) || (v->edit->on != EDIT_ON_NOTHING && in.n_chosen == 0)) continue;
        v->edit->amount(&in, amount);
        e->out->touched[pair] += v->edit->on == EDIT_ON_QUERIES ? in.n_chosen : 1;
    }
}

/* The output edits, in the program's order; the rows of all interventions are the same (checked with the
 * program). Amounts were found before anything was edited. The dose is that of all edits together. */
static void edit_output(const edit *e, row_range range) {
    edit_result *r = &e->out->output;
    *r = result_new(e->c, e->pairs, 0);
    r->rows = row_range_count(range);
    for (int i = 0; i < e->item->n; i++) {
        const attn_intervention *v = e->item->force[i].is;
        if (!is_output_edit(v->edit)) continue;
        if (v->edit->output == OUTPUT_PUSH) draw_directions(e, v, range);
        attention_output op = {.op = v->edit->output,
                               .row_begin = range.begin,
                               .row_end = range.end,
                               .amount = e->s->amount[i],
                               .direction = v->edit->output == OUTPUT_PUSH ? e->s->direction : TENSOR_NONE,
                               .original = e->s->original,
                               .dose = r->dose.from};
        op_attention_output(e->c, &e->args, &op);
    }
}

void attn_change(compute *c, const attn_operands *operands, const attn_request *ask, attn_group group,
                 const attn_choice *choice, attn_stats *stats, edit_scratch *scratch, attn_outcome *out) {
    const attn_place *p = &ask->place;
    const item_request *item = &ask->item[group.begin];
    const edit e = {.c = c,
                    .args = attn_slice(&operands->args, group.begin, group.items),
                    .place = p,
                    .item = item,
                    .pairs = (int64_t)group.items * p->heads,
                    .choice = choice,
                    .lse = tensor_slice(stats->of[STAT_LSE].from, 0, group.begin, group.items),
                    .batch_lse = &stats->of[STAT_LSE],
                    .first_pair = (int64_t)group.begin * p->heads,
                    .s = scratch,
                    .out = out};
    int n_outputs = attn_output_edits(item), alike = !attn_rows_differ(item);
    row_range same = item->force[0].rows; /* of all of them, where rows are alike: always with edits of the output */
    if (n_outputs)
        op_copy(c, tensor_slice(scratch->original, 1, same.begin, row_range_count(same)),
                tensor_slice(e.args.out, 1, same.begin, row_range_count(same)));
    for (int i = 0; i < item->n; i++)
        if (is_output_edit(item->force[i].is->edit)) find_amounts(&e, i, same);
    if (n_outputs < item->n) out->kept.rows = 0; /* others report masses of their own */
    if (alike) edit_rows(&e, ROWS_ALL, same);
    else { /* one operation for each kind of row */ edit_rows(&e, ROWS_IMAGE, ask->image_rows);
        if (compute_ok(c)) edit_rows(&e, ROWS_TEXT, ask->text_rows);
    }
    if (n_outputs) edit_output(&e, same);
    if (alike && !n_outputs) return;
    int step[EDIT_MAX_STEPS] = {0}; /* every set of keys belongs to the set that is reported */
    for (int i = 0; i < item->n; i++) step[i] = item->force[i].is->edit->on == EDIT_ON_KEYS ? 0 : -1;
    join_sets(&e, step);
}
