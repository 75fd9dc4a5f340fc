/* Arena over one reserved mapping. Relies on mmap with MAP_NORESERVE; never moves a block. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS, MAP_NORESERVE, madvise */
#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ARENA_ALIGN = 64 };
#ifdef SS_ARENA_REDZONES
enum { REDZONE = 64 };
#else
enum { REDZONE = 0 };
#endif
static const unsigned char REDZONE_BYTE = 0xA5;

struct arena {
    unsigned char *base;
    size_t capacity, top, peak, touched;
    int failed;
};

static size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

ss_status arena_create(arena **out, size_t capacity, ss_error *err) {
    arena *a = calloc(1, sizeof *a);
    if (!a) return error_no_memory(err, "arena", sizeof *a);
    a->capacity = round_up(capacity ? capacity : 1, 4096);
    a->base = mmap(NULL, a->capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (a->base == MAP_FAILED) {
        size_t wanted = a->capacity;
        free(a);
        return error_no_memory(err, "arena", wanted);
    }
    madvise(a->base, a->capacity, MADV_HUGEPAGE); /* a hint: activations are walked at large strides */
    *out = a;
    return SS_OK;
}

void arena_destroy(arena *a) {
    if (!a) return;
    munmap(a->base, a->capacity);
    free(a);
}

/* A redzone follows its block: where the block starts, then bytes that nobody may change. */
static void write_redzone(unsigned char *zone, size_t block_start) {
    memset(zone, REDZONE_BYTE, REDZONE);
    memcpy(zone, &block_start, sizeof block_start);
}

static size_t check_redzone(const unsigned char *zone) {
    size_t block_start;
    memcpy(&block_start, zone, sizeof block_start);
    for (const unsigned char *p = zone + sizeof block_start; p < zone + REDZONE; p++)
        if (*p != REDZONE_BYTE) abort(); /* a write past a block */
    return block_start;
}

void *arena_alloc(arena *a, size_t bytes) {
    size_t need = round_up(bytes, ARENA_ALIGN) + REDZONE;
    if (need < bytes || need > a->capacity - a->top) {
        a->failed = 1;
        return NULL;
    }
    unsigned char *p = a->base + a->top;
    if (REDZONE) write_redzone(p + need - REDZONE, a->top);
    a->top += need;
    if (a->top > a->peak) a->peak = a->top;
    if (a->top > a->touched) a->touched = a->top;
    return p;
}

arena_mark arena_get_mark(const arena *a) { return a->top; }

void arena_release(arena *a, arena_mark mark) {
    if (mark > a->top) abort(); /* a mark of another time: a defect, and memory is at stake */
    while (REDZONE && a->top > mark) a->top = check_redzone(a->base + a->top - REDZONE);
    a->top = mark;
}

size_t arena_used(const arena *a) { return a->top; }
size_t arena_peak(const arena *a) { return a->peak; }
void arena_reset_peak(arena *a) { a->peak = a->top; }
size_t arena_touched(const arena *a) { return a->touched; }
int arena_failed(const arena *a) { return a->failed; }

void arena_trim(arena *a) {
    size_t from = round_up(a->top, 4096);
    if (from < a->capacity) madvise(a->base + from, a->capacity - from, MADV_DONTNEED);
    a->touched = a->top;
}
