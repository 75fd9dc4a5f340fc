/* The attention call: kernel -> selectors -> edits -> probes. Relies on the backend's two operations for every touch of
 * q, k, v, and on the runs that travel with the batch for what is asked. Statistics are those of the unedited P; each
 * item of a batch is measured and edited as if it were alone. Must never change `out` where nothing is asked. */
#include "attn/attn.h"

#include <math.h>
#include <string.h>
#include "attn/internal.h"
#include "tensor/backend.h"

/* A range of query rows. */
typedef struct row_range {
    int64_t begin, end;
} row_range;

/* What the kernel reports about the whole batch; [B, H, ..] as in attention_stats. */
typedef struct call_stats {
    double *mass, *entropy, *concentration, *lse;
} call_stats;

/* The edit of one item's call: which interventions are in force, what they chose, what came of it. */
typedef struct item_edit {
    int n; /* interventions in force; 0 = nothing is edited */
    const attn_intervention *intervention[EDIT_MAX_STEPS];
    int number[EDIT_MAX_STEPS];                /* their indices in the program */
    key_sets chosen[EDIT_MAX_STEPS];           /* per intervention; heads it leaves alone are empty */
    key_sets set;                              /* the union of those at hand */
    uint8_t *member, *mark;                    /* [heads keys] as attention_edit.member; [keys] */
    float *noise;                              /* [heads keys, width] as attention_edit.noise */
    double *before, *after, *dose;             /* [heads] sums over rows; dose squared */
    double *new_before, *new_after, *new_dose; /* [heads] of one operation */
    int64_t *direct, *new_direct;
    int64_t rows;      /* acted on */
    double *room_mass; /* the selectors' room */
    int32_t *room_key;
    uint8_t *room_mark;
} item_edit;

static void *room(compute *c, size_t n, size_t size) {
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

/* The query rows of a kind: the run of its segments, which must be one. Empty where the call has none. */
static ss_status find_rows(const attn_call *call, attn_rows rows, row_range *out, ss_error *err) {
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

/* ---- measuring ---- */

static int in_force(const attn_intervention *v, const attn_item *item, int block) {
    return bits_get(&v->blocks, block) && bits_get(&v->steps, item->step) && (v->branches >> item->branch & 1);
}

static int any_in_force(const attn_item *item, int block) {
    const attn_program *p = item->run ? attn_run_program(item->run) : NULL;
    for (int i = 0; p && i < p->n; i++)
        if (in_force(&p->intervention[i], item, block)) return 1;
    return 0;
}

/* NEED_* of an item: its probes', the record's, the selectors'. */
static unsigned needs_of(const attn_item *item, int block) {
    if (!item->run) return 0;
    const attn_measure *m = attn_run_measure(item->run);
    unsigned needs = m->top > 0 || m->keep_masses || any_in_force(item, block) ? NEED_MASS : 0;
    for (int i = 0; i < m->n_probes; i++) needs |= m->probe[i]->needs;
    return needs;
}

static attention_args slice_args(const attention_args *a, int begin, int n) {
    attention_args s = *a;
    s.q = tensor_slice(a->q, 0, begin, n);
    s.k = tensor_slice(a->k, 0, begin, n);
    s.v = tensor_slice(a->v, 0, begin, n);
    s.out = tensor_slice(a->out, 0, begin, n);
    return s;
}

/* Items begin .. end attend; all that measure anything do so over the same rows and r. */
static void attend(compute *c, const attn_call *call, int begin, int end, const call_stats *all) {
    attention_args args = slice_args(&call->args, begin, end - begin);
    size_t heads = (size_t)args.q.dim[2], pair = (size_t)begin * heads;
    attention_stats stats = {0};
    unsigned needs = 0;
    int edits = 0;
    for (int i = begin; i < end; i++) {
        const attn_item *item = &call->batch->item[i];
        unsigned own = needs_of(item, call->block);
        edits |= any_in_force(item, call->block);
        if (own && !needs) {
            const attn_measure *m = attn_run_measure(item->run);
            row_range rows;
            ss_error err;
            if (find_rows(call, m->rows, &rows, &err) != SS_OK) {
                compute_fail(c, &err);
                return;
            }
            if (rows.begin == rows.end) {
                error_set(&err, SS_ERR_INPUT, NULL, "block %d has no %s queries to measure; choose other rows",
                          call->block, m->rows == ROWS_TEXT ? "text" : "image");
                compute_fail(c, &err);
                return;
            }
            stats.row_begin = rows.begin;
            stats.row_end = rows.end;
            stats.r = m->r;
        }
        needs |= own;
    }
    if (needs & NEED_MASS) stats.mass = all->mass + pair * (size_t)args.k.dim[1];
    if (needs & NEED_ENTROPY) stats.entropy = all->entropy + pair;
    if (needs & NEED_CONCENTRATION) stats.concentration = all->concentration + pair;
    if (edits) stats.lse = all->lse + pair * (size_t)args.q.dim[1];
    op_attention(c, &args, needs ? &stats : NULL);
}

static int measures_alike(const attn_item *a, const attn_item *b) {
    const attn_measure *m = attn_run_measure(a->run), *n = attn_run_measure(b->run);
    return m->rows == n->rows && m->r == n->r;
}

/* The whole batch, in as few operations as its measures allow: one, unless items differ in what Q is. */
static void attend_batch(compute *c, const attn_call *call, const call_stats *stats) {
    const attn_item *first = NULL; /* the group's first item that measures */
    int begin = 0;
    for (int i = 0; i < call->batch->n; i++) {
        const attn_item *item = &call->batch->item[i];
        if (!needs_of(item, call->block)) continue;
        if (first && !measures_alike(first, item)) {
            attend(c, call, begin, i, stats);
            begin = i;
            first = NULL;
        }
        if (!first) first = item;
    }
    attend(c, call, begin, call->batch->n, stats);
}

/* ---- choosing keys ---- */

static int sets_allocate(compute *c, key_sets *sets, size_t heads, size_t keys) {
    sets->begin = room(c, heads + 1, sizeof *sets->begin);
    sets->key = room(c, heads * keys, sizeof *sets->key);
    sets->left_out = room(c, heads, sizeof *sets->left_out);
    if (!sets->begin || !sets->key || !sets->left_out) return 0;
    memset(sets->begin, 0, (heads + 1) * sizeof *sets->begin);
    memset(sets->left_out, 0, heads * sizeof *sets->left_out);
    return 1;
}

static int edit_allocate(compute *c, item_edit *e, size_t heads, size_t keys, size_t width) {
    double *numbers = room(c, 6 * heads, sizeof *numbers);
    e->room_mass = room(c, keys, sizeof *e->room_mass);
    e->room_key = room(c, 3 * keys, sizeof *e->room_key);
    e->room_mark = room(c, keys, 1);
    e->direct = room(c, 2 * heads, sizeof *e->direct);
    e->member = room(c, heads * keys + keys, 1);
    e->noise = room(c, heads * keys * width, sizeof *e->noise);
    if (!numbers || !e->direct || !e->member || !e->noise || !sets_allocate(c, &e->set, heads, keys)) return 0;
    memset(numbers, 0, 6 * heads * sizeof *numbers);
    memset(e->direct, 0, 2 * heads * sizeof *e->direct);
    e->before = numbers;
    e->after = numbers + heads;
    e->dose = numbers + 2 * heads;
    e->new_before = numbers + 3 * heads;
    e->new_after = numbers + 4 * heads;
    e->new_dose = numbers + 5 * heads;
    e->new_direct = e->direct + heads;
    e->mark = e->member + heads * keys;
    for (int i = 0; i < e->n; i++)
        if (!sets_allocate(c, &e->chosen[i], heads, keys)) return 0;
    return 1;
}

/* Which keys each intervention in force touches, from the unedited masses of this item. */
static void choose(compute *c, const attn_call *call, int b, const double *mass, item_edit *e) {
    const attn_item *item = &call->batch->item[b];
    size_t keys = (size_t)call->args.k.dim[1];
    ss_error err;
    select_input in = {.heads = (int)call->args.q.dim[2],
                       .keys = (int)keys,
                       .mass = mass,
                       .key_class = item->key_class,
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
        in.k = v->k;
        in.scope = v->scope;
        in.redraw = v->redraw;
        in.options = v->selector_options;
        in.intervention = e->number[i];
        if (v->selector->select(&in, &e->chosen[i], &err) != SS_OK) compute_fail(c, &err);
    }
}

/* ---- editing ---- */

static int is_score_edit(const attn_edit *edit) { return edit->op == EDIT_SCALE || edit->op == EDIT_SHIFT; }

/* The union of the sets of the interventions whose step is >= 0, with the steps that each key belongs to. */
static void join_sets(const attn_call *call, item_edit *e, const int *step) {
    int heads = (int)call->args.q.dim[2], keys = (int)call->args.k.dim[1];
    for (int h = 0; h < heads; h++) {
        int32_t at = e->set.begin[h];
        memset(e->mark, 0, (size_t)keys);
        for (int i = 0; i < e->n; i++) {
            const key_sets *s = &e->chosen[i];
            if (step[i] < 0 || !bits_get(&e->intervention[i]->heads, h)) continue;
            for (int32_t x = s->begin[h]; x < s->begin[h + 1]; x++) e->mark[s->key[x]] |= (uint8_t)(1u << step[i]);
        }
        for (int j = 0; j < keys; j++) {
            if (!e->mark[j]) continue;
            e->member[at] = e->mark[j];
            e->set.key[at++] = j;
        }
        e->set.begin[h + 1] = at;
    }
}

/* Noise rows of the union's keys: N(0, sd^2) with the sd of the last noise step that a key belongs to. The numbers of a
 * key are a block of their own in the stream of its head, so they do not depend on what else is in the set. */
static void draw_noise(const attn_call *call, int b, const attention_edit *op, const int *number, item_edit *e) {
    const attn_item *item = &call->batch->item[b];
    int64_t width = call->args.q.dim[3];
    for (int h = 0; h < call->args.q.dim[2]; h++)
        for (int32_t x = e->set.begin[h]; x < e->set.begin[h + 1]; x++) {
            int last = -1;
            for (int s = 0; s < op->n_steps; s++)
                if (op->step[s].op == EDIT_VALUE_NOISE && e->member[x] >> s & 1) last = s;
            if (last < 0) continue;
            philox r;
            int once = e->intervention[number[last]]->redraw == REDRAW_RUN;
            attn_run_stream(item->run, "noise", once ? -1 : item->step, call->block, h, item->branch, &r);
            philox_skip(&r, (uint64_t)e->set.key[x] * (uint64_t)width);
            for (int64_t i = 0; i < width; i++)
                e->noise[x * width + i] = (float)((double)op->step[last].param * philox_normal(&r));
        }
}

/* The interventions that act on `rows` (ROWS_ALL: whatever rows they name), as one operation on a range of rows. */
static void edit_rows(compute *c, const attn_call *call, int b, const double *lse, item_edit *e, attn_rows rows,
                      row_range range) {
    int step[EDIT_MAX_STEPS], number[EDIT_MAX_STEPS], noisy = 0; /* number: place in e of each step */
    attention_args args = slice_args(&call->args, b, 1);
    attention_edit op = {.row_begin = range.begin, .row_end = range.end, .lse = lse};
    for (int pass = 0; pass < 2; pass++) /* score edits first, each kind in the program's order */
        for (int i = 0; i < e->n; i++) {
            const attn_intervention *v = e->intervention[i];
            if (is_score_edit(v->edit) != (pass == 0)) continue;
            step[i] = -1;
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
    if (noisy) draw_noise(call, b, &op, number, e);
    op.mass_before = e->new_before;
    op.mass_after = e->new_after;
    op.dose = e->new_dose;
    op.direct_rows = e->new_direct;
    op_attention_edit(c, &args, &op);
    double n = (double)(range.end - range.begin);
    e->rows += range.end - range.begin;
    for (int64_t h = 0; h < args.q.dim[2]; h++) {
        e->before[h] += n * e->new_before[h];
        e->after[h] += n * e->new_after[h];
        e->dose[h] += n * e->new_dose[h] * e->new_dose[h];
        e->direct[h] += e->new_direct[h];
    }
}

/* All edits of one item. Interventions on different rows become one operation for each kind of row. */
static void edit_item(compute *c, const attn_call *call, int b, const call_stats *stats, item_edit *e) {
    size_t heads = (size_t)call->args.q.dim[2], keys = (size_t)call->args.k.dim[1];
    const double *lse = stats->lse + (size_t)b * heads * (size_t)call->args.q.dim[1];
    row_range same, image, text_rows;
    ss_error err;
    if (!edit_allocate(c, e, heads, keys, (size_t)call->args.q.dim[3])) return;
    choose(c, call, b, stats->mass + (size_t)b * heads * keys, e);
    int alike = 1;
    for (int i = 1; i < e->n; i++) alike &= e->intervention[i]->rows == e->intervention[0]->rows;
    ss_status status =
        alike ? find_rows(call, e->intervention[0]->rows, &same, &err) : find_rows(call, ROWS_IMAGE, &image, &err);
    if (status == SS_OK && !alike) status = find_rows(call, ROWS_TEXT, &text_rows, &err);
    if (status != SS_OK) {
        compute_fail(c, &err);
        return;
    }
    if (alike) {
        edit_rows(c, call, b, lse, e, ROWS_ALL, same);
        return;
    }
    edit_rows(c, call, b, lse, e, ROWS_IMAGE, image);
    edit_rows(c, call, b, lse, e, ROWS_TEXT, text_rows);
    for (int i = 0; i < e->n; i++) e->number[i] = 0; /* every one belongs to the set that is reported */
    join_sets(call, e, e->number);
}

/* ---- probes ---- */

static void observe_head(const attn_call *call, int b, int head, const call_stats *stats, const item_edit *e) {
    const attn_item *item = &call->batch->item[b];
    const attn_measure *m = attn_run_measure(item->run);
    size_t keys = (size_t)call->args.k.dim[1], pair = (size_t)b * (size_t)call->args.q.dim[2] + (size_t)head;
    const double *mass = stats->mass + pair * keys;
    observation o = {.step = item->step,
                     .block = call->block,
                     .head = head,
                     .keys = (int)keys,
                     .branch = item->branch,
                     .mass = mass,
                     .entropy = stats->entropy[pair],
                     .concentration = stats->concentration[pair],
                     .r = m->r,
                     .edited = e->n > 0 && e->rows > 0 && e->set.begin[head] < e->set.begin[head + 1],
                     .key_class = item->key_class,
                     .segments = call->key_segments,
                     .n_segments = call->n_key_segments};
    if (o.edited) {
        o.set_mass_before = e->before[head] / (double)e->rows;
        o.set_mass_after = e->after[head] / (double)e->rows;
        o.dose = sqrt(e->dose[head] / (double)e->rows);
        o.direct_rows = e->direct[head];
        o.set = e->set.key + e->set.begin[head];
        o.set_size = e->set.begin[head + 1] - e->set.begin[head];
    }
    for (int i = 0; i < e->n; i++) o.left_out += e->chosen[i].left_out[head];
    float *columns = attn_run_columns_at(item->run, item->step, call->block, head, item->branch);
    for (int i = 0; i < m->n_probes; columns += m->probe[i++]->n_columns) m->probe[i]->observe(&o, columns);
    if (m->top > 0 || m->keep_masses) attn_run_keep(item->run, item->step, call->block, head, item->branch, mass);
}

static ss_status check_site(const attn_call *call, const attn_item *item, ss_error *err) {
    attn_shape s = attn_run_shape(item->run);
    if (item->step >= 0 && item->step < s.steps && call->block < s.blocks && call->args.q.dim[2] == s.heads &&
        call->args.k.dim[1] == s.keys)
        return SS_OK;
    return error_set(
        err, SS_ERR_INTERNAL, NULL,
        "attention at step %d, block %d with %lld heads, %lld keys; expected a site of the record's %d steps, "
        "%d blocks, %d heads, %d keys",
        item->step, call->block, (long long)call->args.q.dim[2], (long long)call->args.k.dim[1], s.steps, s.blocks,
        s.heads, s.keys);
}

static void finish_item(compute *c, const attn_call *call, int b, const call_stats *stats) {
    const attn_item *item = &call->batch->item[b];
    const attn_program *p = item->run ? attn_run_program(item->run) : NULL;
    const attn_measure *m = item->run ? attn_run_measure(item->run) : NULL;
    item_edit e = {0};
    arena_mark mark = arena_get_mark(c->scratch);
    for (int i = 0; p && i < p->n; i++)
        if (in_force(&p->intervention[i], item, call->block)) {
            e.number[e.n] = i;
            e.intervention[e.n++] = &p->intervention[i];
        }
    if (e.n) edit_item(c, call, b, stats, &e);
    if (compute_ok(c) && m && (m->n_probes || m->top > 0 || m->keep_masses))
        for (int h = 0; h < call->args.q.dim[2]; h++) observe_head(call, b, h, stats, &e);
    arena_release(c->scratch, mark);
}

/* ---- the call ---- */

/* On the dry backend: what the largest edit of one item would take. */
static void account(compute *c, const attn_call *call) {
    item_edit e = {.n = EDIT_MAX_STEPS};
    attention_args one = slice_args(&call->args, 0, 1);
    arena_mark mark = arena_get_mark(c->scratch);
    op_attention(c, &call->args, NULL);
    if (edit_allocate(c, &e, (size_t)one.q.dim[2], (size_t)one.k.dim[1], (size_t)one.q.dim[3])) {
        attention_edit op = {.row_end = one.q.dim[1], .set_begin = e.set.begin};
        op_attention_edit(c, &one, &op);
    }
    arena_release(c->scratch, mark);
}

void attn_forward(compute *c, const attn_call *call) {
    if (!compute_ok(c)) return;
    if (call->block < 0 || !call->batch) {
        op_attention(c, &call->args, NULL);
        return;
    }
    /* The room for statistics is taken whether or not they are asked for, so that a dry run accounts for it. */
    size_t rows = (size_t)call->args.q.dim[1], keys = (size_t)call->args.k.dim[1];
    size_t pairs = (size_t)(call->args.q.dim[0] * call->args.q.dim[2]);
    arena_mark mark = arena_get_mark(c->scratch);
    call_stats stats = {.mass = room(c, pairs * keys, sizeof(double)),
                        .entropy = room(c, pairs, sizeof(double)),
                        .concentration = room(c, pairs, sizeof(double)),
                        .lse = room(c, pairs * rows, sizeof(double))};
    if (compute_ok(c) && c->be == &backend_dry) account(c, call);
    if (compute_ok(c) && c->be != &backend_dry) {
        ss_error err;
        for (size_t i = 0; i < pairs; i++) stats.entropy[i] = stats.concentration[i] = NAN; /* until asked for */
        for (int b = 0; b < call->batch->n; b++)
            if (call->batch->item[b].run && check_site(call, &call->batch->item[b], &err) != SS_OK)
                compute_fail(c, &err);
        if (compute_ok(c)) attend_batch(c, call, &stats);
        for (int b = 0; compute_ok(c) && b < call->batch->n; b++) finish_item(c, call, b, &stats);
    }
    arena_release(c->scratch, mark);
}
