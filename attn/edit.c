/* The edit of an attention call: what its interventions choose, from the unedited P, and what the backend does with it:
 * score and value edits in one operation for each kind of row, edits of the output after them. Must never let one
 * item's edit depend on another's. */
#include "attn/edit.h"

#include <math.h>
#include <string.h>

void *attn_room(compute *c, size_t n, size_t size) {
    void *p = arena_alloc(c->scratch, n * size);
    ss_error err;
    if (p) return p;
    error_set(
        &err, SS_ERR_RESOURCE, NULL,
        "out of scratch memory for measuring attention: %zu bytes in use, %zu more asked for; use a smaller image "
        "or batch",
        arena_used(c->scratch), n * size);
    compute_fail(c, &err);
    return NULL;
}

void *attn_room_of(compute *c, size_t n, size_t size, int byte) {
    void *p = attn_room(c, n, size);
    if (p && !arena_is_counted(p)) memset(p, byte, n * size);
    return p;
}

ss_status attn_find_rows(const attn_call *call, attn_rows rows, row_range *out, ss_error *err) {
    int64_t begin = INT64_MAX, end = 0, count = 0;
    if (rows == ROWS_ALL) {
        *out = (row_range){0, call->args.q.dim[1]};
        return SS_OK;
    }
    for (int i = 0; i < call->n_query_segments; i++) {
        const attn_segment *s = &call->query_segments[i];
        if ((s->kind == SEGMENT_IMAGE) != (rows == ROWS_IMAGE) || s->length == 0) continue;
        if (s->start < begin) begin = s->start;
        if (s->start + s->length > end) end = s->start + s->length;
        count += s->length;
    }
    *out = count ? (row_range){begin, end} : (row_range){0, 0};
    if (count && count != end - begin)
        return error_set(err, SS_ERR_INTERNAL, NULL,
                         "attention in block %d: expected the %s queries in one run, found %lld of them within [%lld, "
                         "%lld)",
                         call->block, rows == ROWS_IMAGE ? "image" : "text", (long long)count, (long long)begin,
                         (long long)end);
    return SS_OK;
}

attention_args attn_slice(const attention_args *a, int begin, int n) {
    attention_args s = *a;
    s.q = tensor_slice(a->q, 0, begin, n);
    s.k = tensor_slice(a->k, 0, begin, n);
    s.v = tensor_slice(a->v, 0, begin, n);
    s.out = tensor_slice(a->out, 0, begin, n);
    return s;
}

/* ---- choosing keys ---- */

static int sets_allocate(compute *c, key_sets *sets, size_t pairs, size_t most) {
    sets->begin = attn_room_of(c, pairs + 1, sizeof *sets->begin, 0);
    sets->key = attn_room(c, pairs * most, sizeof *sets->key);
    sets->left_out = attn_room_of(c, pairs, sizeof *sets->left_out, 0);
    return sets->begin && sets->key && sets->left_out;
}

/* Room for edits of the output. */
static int output_allocate(compute *c, const attn_call *call, item_edit *e, size_t pairs) {
    const attention_args *a = &call->args;
    size_t rows = (size_t)a->q.dim[1], width = (size_t)a->q.dim[3];
    e->touched = attn_room_of(c, pairs, sizeof *e->touched, 0);
    if (!e->touched) return 0;
    if (e->n_outputs == 0) return 1;
    e->rest = attn_room(c, pairs * rows, sizeof *e->rest);
    e->push = attn_room(c, pairs * rows, sizeof *e->push);
    e->direction = attn_room(c, pairs * rows * width, sizeof *e->direction);
    e->original = compute_4d(c, e->items, a->q.dim[1], a->q.dim[2], a->q.dim[3]);
    for (int i = 0; i < e->n; i++) e->amount[i] = attn_room(c, pairs * rows, sizeof **e->amount);
    return compute_ok(c);
}

/* Together, the threads have more heads to share out, and meet less often. It matters to small calls alone: two items
 * of 160 tokens in six heads are within the limit, and the room that a forecast has to allow for stays small. */
enum { TOGETHER_FLOATS = 1 << 17 };

int attn_edit_most_items(const attn_call *call) {
    const int64_t *q = call->args.q.dim;
    int64_t most = TOGETHER_FLOATS / (q[2] * (call->args.k.dim[1] + q[1]) * q[3]);
    return (int)(most < 1 ? 1 : most < q[0] ? most : q[0]);
}

int attn_edit_allocate(compute *c, const attn_call *call, item_edit *e) {
    size_t pairs = (size_t)e->items * (size_t)call->args.q.dim[2], keys = (size_t)call->args.k.dim[1];
    size_t rows = (size_t)call->args.q.dim[1], width = (size_t)call->args.q.dim[3], most = keys > rows ? keys : rows;
    double *numbers = attn_room_of(c, 6 * pairs, sizeof *numbers, 0);
    e->room_mass = attn_room(c, most, sizeof *e->room_mass);
    e->room_key = attn_room(c, 3 * most, sizeof *e->room_key);
    e->room_mark = attn_room(c, most, 1);
    e->direct = attn_room_of(c, 2 * pairs, sizeof *e->direct, 0);
    e->member = attn_room(c, pairs * keys + keys, 1);
    e->noise = attn_room(c, pairs * keys * width, sizeof *e->noise);
    e->draw = attn_room(c, pairs * keys, sizeof *e->draw);
    if (!compute_ok(c) || !sets_allocate(c, &e->set, pairs, keys)) return 0;
    e->before = numbers;
    e->after = numbers + pairs;
    e->dose = numbers + 2 * pairs;
    e->new_before = numbers + 3 * pairs;
    e->new_after = numbers + 4 * pairs;
    e->new_dose = numbers + 5 * pairs;
    e->new_direct = e->direct + pairs;
    e->mark = e->member + pairs * keys;
    for (int i = 0; i < e->n; i++)
        if (!sets_allocate(c, &e->chosen[i], pairs, most)) return 0;
    return output_allocate(c, call, e, pairs);
}

/* The call's operands, as far as the edit goes. */
static attention_args args_of(const attn_call *call, const item_edit *e) {
    return attn_slice(&call->args, e->begin, e->items);
}

static int64_t pairs_of(const attn_call *call, const item_edit *e) { return e->items * call->args.q.dim[2]; }

/* Which keys or query rows each intervention in force touches, from the unedited P of one item, the `at`-th. */
static void choose(compute *c, const attn_call *call, const call_stats *stats, item_edit *e, int at) {
    int b = e->begin + at;
    const attn_item *item = &call->batch->item[b];
    size_t keys = (size_t)call->args.k.dim[1], pair = (size_t)b * (size_t)call->args.q.dim[2];
    ss_error err;
    select_input in = {.heads = (int)call->args.q.dim[2],
                       .keys = (int)keys,
                       .queries = (int)call->args.q.dim[1],
                       .row_max = stats->row_max + pair * (size_t)call->args.q.dim[1],
                       .value_norm = (call->output_gram ? stats->value_projected : stats->value_norm) + pair * keys,
                       .key_class = attn_key_classes(call, item, stats),
                       .word = call->kind == ATTN_SELF ? NULL : item->word,
                       .words = item->words,
                       .segments = call->key_segments,
                       .n_segments = call->n_key_segments,
                       .run = item->run,
                       .step = item->step,
                       .block = call->block,
                       .branch = item->branch,
                       .room_mass = e->room_mass,
                       .room_key = e->room_key,
                       .room_mark = e->room_mark};
    for (int i = 0; compute_ok(c) && i < e->n; i++) {
        const attn_intervention *v = e->intervention[i];
        key_sets own = e->chosen[i];
        own.begin += at * in.heads;
        own.left_out += at * in.heads;
        if (attn_find_rows(call, v->rows, &e->range[i], &err) != SS_OK) {
            compute_fail(c, &err);
            return;
        }
        in.row_begin = (int)e->range[i].begin;
        in.row_end = (int)e->range[i].end;
        in.mass = stats->mass + pair * keys;
        if (attn_recalls(v)) {
            in.mass = attn_run_recalled(item->run, item->step, call->block, item->branch, &err);
            if (!in.mass) {
                compute_fail(c, &err);
                return;
            }
        }
        in.where = v;
        in.k = attn_wanted(v, v->selector->queries ? in.queries : in.keys);
        in.scope = v->scope;
        in.redraw = v->redraw;
        in.options = v->selector_options;
        in.intervention = e->number[i];
        if (v->selector->select(&in, &own, &err) != SS_OK) compute_fail(c, &err);
    }
}

/* ---- editing ---- */

static int is_output_edit(const attn_edit *edit) { return edit->amount != NULL; }

static int is_score_edit(const attn_edit *edit) {
    return !is_output_edit(edit) && (edit->op == EDIT_SCALE || edit->op == EDIT_SHIFT);
}

/* The union of the sets of the interventions whose step is >= 0, with the steps that each key belongs to. */
static void join_sets(const attn_call *call, item_edit *e, const int *step) {
    int heads = (int)call->args.q.dim[2], keys = (int)call->args.k.dim[1], pairs = (int)pairs_of(call, e);
    for (int pair = 0; pair < pairs; pair++) {
        int32_t at = e->set.begin[pair];
        memset(e->mark, 0, (size_t)keys);
        for (int i = 0; i < e->n; i++) {
            const key_sets *s = &e->chosen[i];
            if (step[i] < 0 || !bits_get(&e->intervention[i]->heads, pair % heads)) continue;
            for (int32_t x = s->begin[pair]; x < s->begin[pair + 1]; x++)
                e->mark[s->key[x]] |= (uint8_t)(1u << step[i]);
        }
        for (int j = 0; j < keys; j++) {
            if (!e->mark[j]) continue;
            e->member[at] = e->mark[j];
            e->set.key[at++] = j;
        }
        e->set.begin[pair + 1] = at;
    }
}

/* The stream of an edit's random numbers in a pair: without the step where one draw serves the run. */
static void edit_stream(const attn_call *call, const item_edit *e, const attn_intervention *v, const char *name,
                        int64_t pair, philox *out) {
    int64_t heads = call->args.q.dim[2];
    const attn_item *item = &call->batch->item[e->begin + pair / heads];
    attn_run_stream(item->run, name, v->redraw == REDRAW_RUN ? -1 : item->step, call->block, (int)(pair % heads),
                    item->branch, out);
}

/* Noise rows of the union's keys: N(0, sd^2) with the sd of the last noise step that a key belongs to. The numbers of a
 * key are a block of their own in the stream of its head, so they do not depend on what else is in the set. */
static void draw_noise(compute *c, const attn_call *call, const attention_edit *op, const int *number, item_edit *e) {
    int64_t width = call->args.q.dim[3], n = 0;
    for (int64_t pair = 0; pair < pairs_of(call, e); pair++) {
        philox stream[EDIT_MAX_STEPS];
        for (int s = 0; s < op->n_steps; s++)
            if (op->step[s].op == EDIT_VALUE_NOISE)
                edit_stream(call, e, e->intervention[number[s]], "noise", pair, &stream[s]);
        for (int32_t x = e->set.begin[pair]; x < e->set.begin[pair + 1]; x++) {
            int last = -1;
            for (int s = 0; s < op->n_steps; s++)
                if (op->step[s].op == EDIT_VALUE_NOISE && e->member[x] >> s & 1) last = s;
            if (last < 0) continue;
            normal_run *run = &e->draw[n++];
            *run = (normal_run){stream[last], (double)op->step[last].param, width, e->noise + x * width};
            philox_skip(&run->stream, (uint64_t)e->set.key[x] * (uint64_t)width);
        }
    }
    op_normals(c, e->draw, n);
}

/* The interventions that act on `rows` (ROWS_ALL: whatever rows they name), as one operation on a range of rows. */
static void edit_rows(compute *c, const attn_call *call, const double *lse, item_edit *e, attn_rows rows,
                      row_range range) {
    int step[EDIT_MAX_STEPS], number[EDIT_MAX_STEPS], noisy = 0; /* number: place in e of each step */
    attention_args args = args_of(call, e);
    attention_edit op = {.row_begin = range.begin, .row_end = range.end, .lse = lse};
    for (int pass = 0; pass < 2; pass++) /* score edits first, each kind in the program's order */
        for (int i = 0; i < e->n; i++) {
            const attn_intervention *v = e->intervention[i];
            if (is_score_edit(v->edit) != (pass == 0)) continue;
            step[i] = -1;
            if (is_output_edit(v->edit)) continue;
            if (rows != ROWS_ALL && v->rows != ROWS_ALL && v->rows != rows) continue;
            step[i] = op.n_steps++;
            number[step[i]] = i;
            noisy |= v->edit->op == EDIT_VALUE_NOISE;
            op.step[step[i]].op = v->edit->op;
            v->edit->configure(v->edit_options, &op.step[step[i]]);
        }
    if (op.n_steps == 0 || range.begin == range.end) return;
    join_sets(call, e, step);
    op.set_begin = e->set.begin;
    op.keys = e->set.key;
    op.member = e->member;
    op.noise = e->noise;
    if (noisy) draw_noise(c, call, &op, number, e);
    op.mass_before = e->new_before;
    op.mass_after = e->new_after;
    op.dose = e->new_dose;
    op.direct_rows = e->new_direct;
    op_attention_edit(c, &args, &op);
    double n = (double)(range.end - range.begin);
    e->rows += range.end - range.begin;
    for (int64_t pair = 0; pair < pairs_of(call, e); pair++) {
        e->before[pair] += n * e->new_before[pair];
        e->after[pair] += n * e->new_after[pair];
        e->dose[pair] += n * e->new_dose[pair] * e->new_dose[pair];
        e->direct[pair] += e->new_direct[pair];
    }
}

/* ---- the output ---- */

/* What a mask of intervention i's keys would do, row by row: e->rest, e->push for a push, and its results by pairs. */
static void preview(compute *c, const attn_call *call, const double *lse, item_edit *e, int i, row_range range) {
    int step[EDIT_MAX_STEPS];
    attention_args args = args_of(call, e);
    for (int j = 0; j < e->n; j++) step[j] = j == i ? 0 : -1;
    join_sets(call, e, step);
    attention_edit op = {.row_begin = range.begin,
                         .row_end = range.end,
                         .n_steps = 1,
                         .step = {{.op = EDIT_SCALE}},
                         .set_begin = e->set.begin,
                         .keys = e->set.key,
                         .member = e->member,
                         .lse = lse,
                         .preview = 1,
                         .mass_before = e->new_before,
                         .direct_rows = e->new_direct,
                         .row_rest = e->rest,
                         .row_push = e->intervention[i]->edit->output == OUTPUT_PUSH ? e->push : NULL};
    op_attention_edit(c, &args, &op);
}

/* Rows of every head in the directions of a stream: N(0, 1) components, a row's numbers in a block of their own. */
static void draw_directions(compute *c, const attn_call *call, const attn_intervention *v, row_range range,
                            item_edit *e) {
    int64_t width = call->args.q.dim[3], rows = call->args.q.dim[1], n = 0;
    for (int64_t pair = 0; pair < pairs_of(call, e); pair++) {
        if (!e->touched[pair]) continue;
        normal_run *run = &e->draw[n++];
        *run = (normal_run){.scale = 1,
                            .n = (range.end - range.begin) * width,
                            .out = e->direction + (pair * rows + range.begin) * width};
        edit_stream(call, e, v, "norm-matched", pair, &run->stream);
        philox_skip(&run->stream, (uint64_t)range.begin * (uint64_t)width);
    }
    op_normals(c, e->draw, n);
}

/* The amounts of intervention i, an edit of the output, from the unedited P. */
static void find_amounts(compute *c, const attn_call *call, const double *lse, item_edit *e, int i, row_range range) {
    const attn_intervention *v = e->intervention[i];
    int64_t rows = call->args.q.dim[1], heads = call->args.q.dim[2];
    if (v->edit->on == EDIT_ON_KEYS) preview(c, call, lse, e, i, range);
    for (int64_t pair = 0; compute_ok(c) && pair < pairs_of(call, e); pair++) {
        const int32_t *begin = e->chosen[i].begin;
        double *amount = e->amount[i] + pair * rows;
        output_input in = {.options = v->edit_options,
                           .row_begin = range.begin,
                           .row_end = range.end,
                           .lse = lse + pair * rows,
                           .rest = e->rest + pair * rows,
                           .push = e->push + pair * rows,
                           .chosen = e->chosen[i].key + begin[pair],
                           .n_chosen = begin[pair + 1] - begin[pair]};
        for (int64_t row = range.begin; row < range.end; row++) amount[row] = v->edit->output == OUTPUT_GAIN ? 1 : 0;
        if (!bits_get(&v->heads, (int)(pair % heads)) || (v->edit->on != EDIT_ON_NOTHING && in.n_chosen == 0)) continue;
        v->edit->amount(&in, amount);
        e->touched[pair] += v->edit->on == EDIT_ON_QUERIES ? in.n_chosen : 1;
    }
}

/* The output edits, in the program's order; the rows of all interventions are the same (checked with the
 * program). Amounts were found before anything was edited. The dose is that of all edits together. */
static void edit_output(compute *c, const attn_call *call, item_edit *e, row_range range) {
    attention_args args = args_of(call, e);
    double n = (double)(range.end - range.begin);
    for (int i = 0; i < e->n; i++) {
        const attn_intervention *v = e->intervention[i];
        if (!is_output_edit(v->edit)) continue;
        if (v->edit->output == OUTPUT_PUSH) draw_directions(c, call, v, range, e);
        attention_output op = {.op = v->edit->output,
                               .row_begin = range.begin,
                               .row_end = range.end,
                               .amount = e->amount[i],
                               .direction = e->direction,
                               .original = e->original,
                               .dose = e->new_dose};
        op_attention_output(c, &args, &op);
    }
    for (int64_t pair = 0; pair < pairs_of(call, e); pair++) e->dose[pair] = n * e->new_dose[pair] * e->new_dose[pair];
    e->rows = range.end - range.begin;
}

/* Masses of the keys that output edits name, where no other edit reports its own: their weights stay as they are. */
static void keep_masses(const attn_call *call, item_edit *e, row_range range) {
    double n = (double)(range.end - range.begin);
    for (int64_t pair = 0; pair < pairs_of(call, e); pair++) {
        e->before[pair] = e->after[pair] = n * e->new_before[pair];
        e->direct[pair] = e->new_direct[pair];
    }
}

/* Interventions on different rows become one operation for each kind of row. */
static void edit_kinds_of_rows(compute *c, const attn_call *call, const double *lse, item_edit *e) {
    static const attn_rows KINDS[] = {ROWS_IMAGE, ROWS_TEXT};
    for (int i = 0; compute_ok(c) && i < 2; i++) {
        row_range range;
        ss_error err;
        if (attn_find_rows(call, KINDS[i], &range, &err) == SS_OK) edit_rows(c, call, lse, e, KINDS[i], range);
        else compute_fail(c, &err);
    }
}

void attn_edit_items(compute *c, const attn_call *call, const call_stats *stats, item_edit *e) {
    const double *lse = stats->lse + e->begin * call->args.q.dim[2] * call->args.q.dim[1];
    int alike = 1;
    e->n_outputs = 0;
    for (int i = 0; i < e->n; i++) {
        e->n_outputs += is_output_edit(e->intervention[i]->edit);
        alike &= e->intervention[i]->rows == e->intervention[0]->rows;
    }
    if (!attn_edit_allocate(c, call, e)) return;
    for (int at = 0; at < e->items; at++) choose(c, call, stats, e, at);
    if (!compute_ok(c)) return;
    row_range same = e->range[0]; /* of all of them, where rows are alike: always with edits of the output */
    if (e->n_outputs)
        op_copy(c, tensor_slice(e->original, 1, same.begin, same.end - same.begin),
                tensor_slice(args_of(call, e).out, 1, same.begin, same.end - same.begin));
    for (int i = 0; i < e->n; i++) {
        if (!is_output_edit(e->intervention[i]->edit)) continue;
        find_amounts(c, call, lse, e, i, same);
        if (e->intervention[i]->edit->on == EDIT_ON_KEYS && e->n_outputs == e->n) keep_masses(call, e, same);
    }
    if (alike) edit_rows(c, call, lse, e, ROWS_ALL, same);
    else edit_kinds_of_rows(c, call, lse, e);
    if (e->n_outputs) edit_output(c, call, e, same);
    if (alike && !e->n_outputs) return;
    int step[EDIT_MAX_STEPS] = {0}; /* every set of keys belongs to the set that is reported */
    for (int i = 0; i < e->n; i++) step[i] = e->intervention[i]->edit->on == EDIT_ON_KEYS ? 0 : -1;
    join_sets(call, e, step);
}
