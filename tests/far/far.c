/* See far.h. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "far/far.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "tensor/backend.h"
#include "tensor/cpu.h"

enum { MAX_COPIES = 8, PAGE = 4096 };
static const size_t WEIGHTS_BYTES = (size_t)16 << 30; /* of address space, for packed weights; it is not used again */

typedef struct far_call {
    void (*run)(compute *c, const struct far_call *call);
    void *argument; /* a structure of the operation's arguments */
    void *copy[MAX_COPIES];
    int copies;
} far_call;

typedef struct far {
    struct far *next;
    compute *c;
    far_call *call;
    int n, capacity;
    arena *inner;   /* what operations take while they run */
    char *weights;  /* the weights' memory */
    size_t used;    /* bytes of it */
    size_t guarded; /* bytes of arenas that were guarded */
    long reads;
} far;

static far *all;
size_t far_scratch_limit;

static far *far_of(const compute *c) {
    for (far *f = all; f; f = f->next)
        if (f->c == c) return f;
    abort();
}

long far_reads(const compute *c) { return far_of(c)->reads; }
int far_waiting(const compute *c) { return far_of(c)->n; }

static void *must_have(void *p) {
    if (!p) abort();
    return p;
}

/* ---- memory ---- */

static void guard_arena(const arena *a, int protection) {
    void *base;
    size_t size;
    for (int i = 0; arena_piece(a, i, &base, &size); i++)
        if (mprotect(base, size, protection) != 0) abort();
}

static size_t arenas_size(const far *f) { return arena_reserved(f->c->scratch) + arena_reserved(f->c->kept); }

static void guard(far *f, int protection) {
    guard_arena(f->c->scratch, protection);
    guard_arena(f->c->kept, protection);
    if (f->used && mprotect(f->weights, f->used, protection) != 0) abort();
    f->guarded = arenas_size(f);
}

/* What an arena has mapped since. */
static void guard_new(far *f) {
    if (arenas_size(f) != f->guarded) guard(f, PROT_NONE);
}

static int holds(const arena *a, const void *p) {
    void *base;
    size_t size;
    for (int i = 0; arena_piece(a, i, &base, &size); i++)
        if ((uintptr_t)p - (uintptr_t)base < size) return 1;
    return 0;
}

static int is_near(const far *f, tensor t) {
    return !tensor_is_none(t) && t.data && !holds(f->c->scratch, t.data) && !holds(f->c->kept, t.data);
}

/* Whether an argument is a tensor in memory of the test's own, or a structure that names one. */
static int near_tensor(const far *f, tensor t) { return is_near(f, t); }
static int near_args(const far *f, const attention_args *a) { return is_near(f, a->out); }
static int near_linears(const far *f, const linear_call *call) { return is_near(f, call->out); }
static int near_nothing(const far *f, ...) {
    (void)f;
    return 0;
}
#define NEAR(f, x)                                                                                                     \
    _Generic((x), tensor : near_tensor, const attention_args * : near_args, const linear_call * : near_linears,        \
             default : near_nothing)(f, x)

/* ---- the queue ---- */

static far_call *new_call(far *f) {
    if (f->n == f->capacity) {
        f->capacity = f->capacity ? 2 * f->capacity : 64;
        f->call = must_have(realloc(f->call, (size_t)f->capacity * sizeof *f->call));
    }
    far_call *q = &f->call[f->n++];
    *q = (far_call){0};
    return q;
}

static void *copied(far_call *q, const void *from, size_t bytes) {
    if (!from) return NULL;
    if (q->copies == MAX_COPIES) abort();
    void *p = must_have(malloc(bytes ? bytes : 1));
    memcpy(p, from, bytes);
    return q->copy[q->copies++] = p;
}

static void forget(far_call *q) {
    for (int i = 0; i < q->copies; i++) free(q->copy[i]);
    free(q->argument);
}

/* Runs what waits. The operations' own scratch is apart: what is in use belongs to the host's next calls. */
static void flush(far *f) {
    compute *c = f->c;
    arena *scratch = c->scratch;
    guard(f, PROT_READ | PROT_WRITE);
    c->scratch = f->inner;
    for (int i = 0; i < f->n; i++) {
        if (compute_ok(c)) f->call[i].run(c, &f->call[i]);
        forget(&f->call[i]);
    }
    f->n = 0;
    c->scratch = scratch;
}

static void close_memory(far *f) { guard(f, PROT_NONE); }

#define COPY(p, n) copied(q, p, (size_t)(n) * sizeof *(p))
#define COPY_EDIT(a, e) copied_edit(q, a, e)
#define COPY_OUTPUT(a, e) copied_output(q, a, e)

static const attention_edit *copied_edit(far_call *q, const attention_args *a, const attention_edit *e) {
    attention_edit *to = COPY(e, 1);
    int64_t pairs = a->q.dim[0] * a->q.dim[2], n = e->set_begin[pairs];
    to->set_begin = COPY(e->set_begin, pairs + 1);
    to->keys = COPY(e->keys, n);
    to->member = COPY(e->member, n);
    return to;
}

static const attention_output *copied_output(far_call *q, const attention_args *a, const attention_output *e) {
    attention_output *to = COPY(e, 1);
    to->amount = COPY(e->amount, a->q.dim[0] * a->q.dim[1] * a->q.dim[2]);
    return to;
}

/* ---- the operations ---- */

#define FIELD(type, name, keep) type name;
#define KEPT(type, name, keep) , .name = keep
#define PASSED(type, name, keep) , argument->name
#define IS_NEAR(type, name, keep) || NEAR(f, name)
#define OP(name, row, bytes)                                                                                           \
    typedef struct far_##name##_arguments {                                                                            \
        int none;                                                                                                      \
        OP_ARGS_##name(FIELD)                                                                                          \
    } far_##name##_arguments;                                                                                          \
    static void run_##name(compute *c, const far_call *q) {                                                            \
        const far_##name##_arguments *argument = q->argument;                                                          \
        cpu_##name(c OP_ARGS_##name(PASSED));                                                                          \
    }                                                                                                                  \
    static void far_##name OP_PARAMETERS(name) {                                                                       \
        far *f = far_of(c);                                                                                            \
        far_call *q = new_call(f);                                                                                     \
        int near = 0 OP_ARGS_##name(IS_NEAR);                                                                          \
        far_##name##_arguments *argument = must_have(malloc(sizeof *argument));                                        \
        *argument = (far_##name##_arguments){.none = 0 OP_ARGS_##name(KEPT)};                                          \
        q->argument = argument;                                                                                        \
        q->run = run_##name;                                                                                           \
        guard_new(f);                                                                                                  \
        if (!near) return;                                                                                             \
        flush(f);                                                                                                      \
        close_memory(f);                                                                                               \
    }
#define OP_NOW(name, row, bytes)
#include "tensor/ops.def"

static void far_download(compute *c, float *host, tensor x) {
    far *f = far_of(c);
    f->reads++;
    flush(f);
    if (compute_ok(c)) cpu_download(c, host, x);
    close_memory(f);
}

static void far_read(compute *c, arena *memory, host_read *const *list, int n) {
    far *f = far_of(c);
    f->reads++;
    flush(f);
    for (int i = 0; compute_ok(c) && i < n; i++) {
        size_t bytes = (size_t)tensor_elements(list[i]->from) * tensor_type_size(list[i]->from.type);
        void *to = arena_alloc(memory, bytes);
        if (!to) error_no_memory(&c->error, "what is read", bytes);
        else list[i]->values = memcpy(to, list[i]->from.data, bytes);
    }
    close_memory(f);
}

/* The rows of a table may lie in memory of the caller's. */
static void far_embed(compute *c, tensor out, const weight *table, const int32_t *ids) {
    far *f = far_of(c);
    arena *scratch = c->scratch;
    flush(f);
    c->scratch = f->inner;
    if (compute_ok(c)) cpu_embed(c, out, table, ids);
    c->scratch = scratch;
    close_memory(f);
}

static void far_head_gram(compute *c, const weight *w, int64_t heads, float *gram) { cpu_head_gram(c, w, heads, gram); }

/* ---- weights ---- */

static void far_weight_pack(compute *c, weight *w) {
    far *f = far_of(c);
    cpu_weight_pack(c, w);
    if (!w->packed) return;
    size_t bytes = cpu_weight_packed_bytes(c, w), whole = (bytes + PAGE) / PAGE * PAGE;
    char *memory = f->weights + f->used;
    if (whole > WEIGHTS_BYTES - f->used || mprotect(memory, whole, PROT_READ | PROT_WRITE) != 0) abort();
    memcpy(memory, w->packed, bytes);
    cpu_weight_free(c, w);
    w->packed = memory;
    f->used += whole;
    if (mprotect(memory, whole, PROT_NONE) != 0) abort();
}

static void far_weight_free(compute *c, weight *w) {
    if (!w->packed) return;
    far *f = far_of(c);
    size_t whole = (cpu_weight_packed_bytes(c, w) + PAGE) / PAGE * PAGE;
    if (f->n) { /* what waits may need it */
        flush(f);
        close_memory(f);
    }
    madvise(w->packed, whole, MADV_DONTNEED);
}

/* ---- the context ---- */

static ss_status far_create(compute *c) {
    if (cpu_isa_choose(c) != SS_OK) return c->error.code;
    far *f = must_have(calloc(1, sizeof *f));
    if (arena_create(&f->inner, far_scratch_limit, &c->error) != SS_OK) abort();
    f->weights = mmap(NULL, WEIGHTS_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (f->weights == MAP_FAILED) abort();
    f->c = c;
    f->next = all;
    all = f;
    return SS_OK;
}

static void far_destroy(compute *c) {
    far **at = &all, *f = far_of(c);
    while (*at != f) at = &(*at)->next;
    *at = f->next;
    for (int i = 0; i < f->n; i++) forget(&f->call[i]);
    guard(f, PROT_READ | PROT_WRITE);
    munmap(f->weights, WEIGHTS_BYTES);
    arena_destroy(f->inner);
    free(f->call);
    free(f);
}

/* The bits are cpu's, and so is their class: a study made here is that of the processor. */
static void far_numeric_class(const compute *c, char *out, size_t size) { backend_cpu.numeric_class(c, out, size); }

const backend backend_of_tests = {
    .about = {"far", "cpu in memory that the host cannot see, later", NULL},
    .create = far_create,
    .destroy = far_destroy,
    .numeric_class = far_numeric_class,
    .weight_pack = far_weight_pack,
    .weight_free = far_weight_free,
    .weight_packed_bytes = cpu_weight_packed_bytes,
    .input_type = cpu_input_type,
#define OP(name, row, bytes) BACKEND_OPERATION(far, name)
#include "tensor/ops.def"
};
