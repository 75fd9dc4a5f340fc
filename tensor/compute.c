/* The compute context: creation, the sticky error, scratch tensors, weights and taps. Relies on base/arena; the
 * operations are in ops.c, the arithmetic in the backends. Never prints, never exits. */
#include "tensor/compute.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/thread.h"
#include "tensor/backend.h"
#include "tensor/ops.h"

/* Rows of the table of backends, in the order of `--help`. */
static const backend *const ROWS[] = {&backend_cpu, &backend_reference, &backend_dry};
enum { ROW_COUNT = sizeof ROWS / sizeof ROWS[0] };
const int COMPUTE_BACKEND_COUNT = ROW_COUNT;

const entry *compute_backend(int i) { return &ROWS[i]->about; }
int compute_has_values(const compute *c) { return !c->be->counts; }

static const backend *find_backend(const char *name, ss_error *err) {
    entry about[ROW_COUNT];
    const backend *tests = &backend_of_tests;
    if (tests && strcmp(name, tests->about.name) == 0) return tests;
    for (int i = 0; i < ROW_COUNT; i++) about[i] = ROWS[i]->about;
    const entry *e = entry_find(about, sizeof about[0], ROW_COUNT, "backend", name, NULL, err);
    return e ? ROWS[e - about] : NULL;
}

/* As many threads as were asked for, or an error; where it was left to us, as many as there are. */
static ss_status choose_threads(compute *c, int asked, ss_error *err) {
    static const char LIMITS[] = "limits of processes (ulimit -u), address space (ulimit -v) or the control group";
    int wanted = asked > 0 ? asked : thread_default_count(), roomy = asked > 0 ? wanted : thread_roomy_count();
    c->threads = wanted;
    if (c->be->counts) return SS_OK; /* no run */
    SS_TRY(thread_pool_create(&c->pool, wanted < roomy ? wanted : roomy, err));
    c->threads = thread_pool_threads(c->pool);
    if (c->threads == wanted) return SS_OK;
    if (asked > 0)
        return error_set(err, SS_ERR_RESOURCE, NULL,
                         "%d threads were asked for and %d can be started: %s; ask for fewer", asked, c->threads,
                         LIMITS);
    return notices_add(&c->notices, err, "%d threads for %d processors: %s", c->threads, wanted, LIMITS);
}

/* All arenas of a context. */
typedef struct arenas {
    arena *of[4];
} arenas;

static arenas arenas_of(const compute *c) { return (arenas){{c->scratch, c->kept, c->host, c->notes}}; }

static size_t sum_of_arenas(const compute *c, size_t (*figure)(const arena *a)) {
    const arenas all = arenas_of(c);
    size_t sum = 0;
    for (int i = 0; i < 4; i++) sum += figure(all.of[i]);
    return sum;
}

static void each_arena(const compute *c, void (*act)(arena *a)) {
    const arenas all = arenas_of(c);
    for (int i = 0; i < 4; i++) act(all.of[i]);
}

static void release_all(compute *c) {
    each_arena(c, arena_destroy);
    thread_pool_destroy(c->pool);
    free(c->profile);
    notices_free(&c->notices);
    free(c);
}

ss_status compute_create(compute **out, const char *name, int threads, size_t scratch_limit, ss_error *err) {
    *out = NULL;
    const backend *be = find_backend(name, err);
    if (!be) return err->code;
    compute *c = calloc(1, sizeof *c);
    if (!c) return error_no_memory(err, "compute context", sizeof *c);
    c->be = be;
    ss_status status = choose_threads(c, threads, err);
    arena **const memory[] = {&c->scratch, &c->kept, &c->host, &c->notes};
    for (int i = 0; i < 4 && status == SS_OK; i++)
        status = be->counts ? arena_create_counting(memory[i], scratch_limit, err)
                            : arena_create(memory[i], scratch_limit, err);
    for (int i = 1; i < 4 && status == SS_OK; i++) arena_use_small_pages(*memory[i]);
    if (status == SS_OK && be->create && be->create(c) != SS_OK) {
        *err = c->error;
        status = err->code;
    }
    if (status != SS_OK) {
        release_all(c);
        return status;
    }
    *out = c;
    return SS_OK;
}

void compute_destroy(compute *c) {
    if (!c) return;
    if (c->be->destroy) c->be->destroy(c);
    release_all(c);
}

ss_status compute_status(compute *c, ss_error *err) {
    ss_status status = c->error.code;
    if (status == SS_OK) return SS_OK;
    *err = c->error;
    c->error = (ss_error){0};
    return status;
}

void compute_fail(compute *c, const ss_error *err) {
    if (compute_ok(c)) c->error = *err;
}

const char *const WEIGHT_FORM_NAMES[] = {"stored", "int8", "bf16"};

void compute_numeric_class(const compute *c, char *out, size_t size) { c->be->numeric_class(c, out, size); }

/* ---- memory of a pass ---- */

compute_mark compute_get_mark(const compute *c) {
    return (compute_mark){arena_get_mark(c->scratch), arena_get_mark(c->kept), arena_get_mark(c->host),
                          arena_get_mark(c->notes)};
}

void compute_release(compute *c, compute_mark mark) {
    arena_release(c->scratch, mark.scratch);
    arena_release(c->kept, mark.kept);
    arena_release(c->host, mark.host);
    arena_release(c->notes, mark.notes);
}

size_t compute_peak(const compute *c) { return sum_of_arenas(c, arena_peak); }
size_t compute_touched(const compute *c) { return sum_of_arenas(c, arena_touched); }
void compute_reset_peak(compute *c) { each_arena(c, arena_reset_peak); }
void compute_trim(compute *c) { each_arena(c, arena_trim); }

void compute_reserve(compute *c, const compute *dry) {
    const arenas all = arenas_of(c), counted = arenas_of(dry);
    for (int i = 0; i < 4; i++) arena_reserve(all.of[i], arena_peak(counted.of[i]));
}

void *compute_host(compute *c, size_t n, size_t size) {
    void *p = compute_ok(c) ? arena_alloc(c->host, n * size) : NULL;
    if (!p && compute_ok(c))
        error_set(&c->error, SS_ERR_RESOURCE, NULL, "out of scratch memory: %zu bytes in use, %zu more asked for",
                  arena_used(c->host), n * size);
    return p;
}

static tensor tensor_from(compute *c, arena *memory, tensor_type type, int ndim, const int64_t *dim) {
    tensor t = tensor_nd(NULL, type, ndim, dim);
    if (!compute_ok(c)) return t;
    size_t bytes = (size_t)tensor_elements(t) * tensor_type_size(type);
    t.data = arena_alloc(memory, bytes);
    if (!t.data)
        error_set(&c->error, SS_ERR_RESOURCE, NULL,
                  "out of scratch memory: %zu bytes in use, %zu more asked for; use a smaller image or batch",
                  arena_used(memory), bytes);
    return t;
}

tensor compute_tensor_of(compute *c, tensor_type type, int ndim, const int64_t *dim) {
    return tensor_from(c, c->scratch, type, ndim, dim);
}

tensor compute_kept(compute *c, tensor_type type, int ndim, const int64_t *dim) {
    return tensor_from(c, c->kept, type, ndim, dim);
}

tensor compute_tensor(compute *c, int ndim, const int64_t *dim) { return compute_tensor_of(c, TENSOR_F32, ndim, dim); }

tensor compute_1d(compute *c, int64_t d0) { return compute_tensor(c, 1, (int64_t[]){d0}); }

tensor compute_2d(compute *c, int64_t d0, int64_t d1) { return compute_tensor(c, 2, (int64_t[]){d0, d1}); }

tensor compute_3d(compute *c, int64_t d0, int64_t d1, int64_t d2) {
    return compute_tensor(c, 3, (int64_t[]){d0, d1, d2});
}

tensor compute_4d(compute *c, int64_t d0, int64_t d1, int64_t d2, int64_t d3) {
    return compute_tensor(c, 4, (int64_t[]){d0, d1, d2, d3});
}

/* ---- weights ---- */

static int weight_dims(weight_kind kind) {
    switch (kind) {
    case WEIGHT_VECTOR: return 1;
    case WEIGHT_TABLE:
    case WEIGHT_TRANSPOSED:
    case WEIGHT_LINEAR: return 2;
    case WEIGHT_CONV: return 4;
    }
    return 0;
}

weight weight_with_values(compute *c, const weight *w) {
    weight out = *w;
    if (w->source.data || !w->values.read || !compute_ok(c)) return out;
    int64_t n = tensor_elements(w->source);
    ss_error err;
    void *data = compute_host(c, (size_t)n, tensor_type_size(w->source.type));
    if (!data) return out;
    if (!c->be->counts && w->values.read(w->values.from, 0, n, data, &err) != SS_OK) compute_fail(c, &err);
    else out.source.data = data;
    return out;
}

void weight_pack(compute *c, weight *w) {
    if (!op_begin(c)) return;
    char shape[OP_SHAPE_TEXT];
    if (w->source.ndim != weight_dims(w->kind) || !tensor_is_contiguous(w->source)) {
        error_set(&c->error, SS_ERR_INTERNAL, NULL, "weight_pack: expected %d contiguous dimensions, found %s",
                  weight_dims(w->kind), op_shape_text(w->source, shape));
        return;
    }
    if (w->kind == WEIGHT_TABLE) return;
    arena_mark mark = arena_get_mark(c->host);
    weight whole = weight_with_values(c, w);
    if (compute_ok(c)) c->be->weight_pack(c, &whole);
    w->packed = whole.packed;
    arena_release(c->host, mark);
    if (!w->packed) return;
    c->packed_bytes += weight_packed_bytes(c, w);
    if (c->packed_bytes > c->packed_peak) c->packed_peak = c->packed_bytes;
}

void weight_free(compute *c, weight *w) {
    if (w->packed) c->packed_bytes -= weight_packed_bytes(c, w);
    c->be->weight_free(c, w);
    w->packed = NULL;
}

size_t weight_packed_bytes(const compute *c, const weight *w) { return c->be->weight_packed_bytes(c, w); }

tensor_type compute_input_type(const compute *c, const weight *w) {
    return c->tap || !c->be->input_type ? TENSOR_F32 : c->be->input_type(c, w);
}

/* ---- taps ---- */

void compute_tap(compute *c, tensor t, const char *name_format, ...) {
    if (!c->tap || !compute_ok(c)) return;
    char name[256];
    va_list args;
    va_start(args, name_format);
    vsnprintf(name, sizeof name, name_format, args);
    va_end(args);
    c->tap->take(c->tap->user, name, t);
}
