/* Arena over mappings of its own. A limit of address space (ulimit -v) and strict overcommit count what is mapped, used
 * or not, so a piece is made when it is needed and not before. Positions (marks, top, peak) count the bytes that were
 * requested, without the unused end of a piece; so they are the same for every way to cut an arena into pieces, and for
 * a counting arena. Pieces come from mmap; a block never moves. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS, MAP_NORESERVE, madvise */
#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ARENA_ALIGN = 64, PAGE = 4096, HUGE_PAGE = 2 << 20, MAX_PIECES = 64, SMALLEST_PIECE = 4 << 20 };
#ifdef SS_ARENA_REDZONES
enum { REDZONE = 64 };
#else
enum { REDZONE = 0 };
#endif
static const unsigned char REDZONE_BYTE = 0xA5;

/* No process has memory here: x86-64 has no such addresses. */
static const uintptr_t NOWHERE = (uintptr_t)1 << 63;

typedef struct piece {
    unsigned char *base;
    size_t size;
    size_t begin; /* position of its first byte; of those above the current piece without meaning */
} piece;

struct arena {
    int counting, failed, small_pages;
    size_t limit, top, peak, touched;
    size_t most; /* the highest top ever: what an empty arena is made for */
    piece piece[MAX_PIECES];
    int n_pieces, current; /* the top lies in the current piece; those after it are empty */
};

static size_t arena_round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

static ss_status arena_create_as(arena **out, size_t limit, int counting, ss_error *err) {
    arena *a = calloc(1, sizeof *a);
    *out = a;
    if (!a) return error_no_memory(err, "arena", sizeof *a);
    a->counting = counting;
    a->limit = limit ? limit : SIZE_MAX / 2;
    return SS_OK;
}

ss_status arena_create(arena **out, size_t limit, ss_error *err) { return arena_create_as(out, limit, 0, err); }

ss_status arena_create_counting(arena **out, size_t limit, ss_error *err) {
    return arena_create_as(out, limit, 1, err);
}

void arena_use_small_pages(arena *a) { a->small_pages = 1; }
int arena_is_counting(const arena *a) { return a->counting; }
int arena_is_counted(const void *p) { return (uintptr_t)p >= NOWHERE; }

/* ---- pieces ---- */

/* Unmap the pieces from number n on. */
static void drop_pieces(arena *a, int n) {
    while (a->n_pieces > n) {
        const piece *p = &a->piece[--a->n_pieces];
        munmap(p->base, p->size);
    }
    if (a->current >= n) a->current = n > 0 ? n - 1 : 0;
}

/* A mapping that begins on a huge page and is made of whole ones, where it is larger than one. */
static void *map_piece(const arena *a, size_t bytes, size_t *size) {
    size_t page = bytes > HUGE_PAGE && !a->small_pages ? HUGE_PAGE : PAGE;
    *size = arena_round_up(bytes, page);
    size_t all = *size + page - PAGE;
    if (*size < bytes || all < *size) return NULL;
    void *base = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) return NULL;
    size_t before = arena_round_up((uintptr_t)base, page) - (uintptr_t)base, after = all - before - *size;
    unsigned char *first = (unsigned char *)base + before;
    if (before) munmap(base, before);
    if (after) munmap(first + *size, after);
    /* a hint: activations are walked at large strides */
    madvise(first, *size, a->small_pages ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);
    return first;
}

static int add_piece(arena *a, size_t bytes) {
    size_t size;
    void *base = a->n_pieces < MAX_PIECES ? map_piece(a, bytes, &size) : NULL;
    if (!base) return 0;
    a->piece[a->n_pieces++] = (piece){.base = base, .size = size};
    return 1;
}

/* An empty arena gets one piece in the place of all. */
static int join_pieces(arena *a, size_t bytes) {
    drop_pieces(a, 0);
    return add_piece(a, bytes);
}

static size_t room_in(const arena *a) {
    const piece *p = &a->piece[a->current];
    return a->n_pieces ? p->size - (a->top - p->begin) : 0;
}

/* The next piece holds `need` bytes and becomes the current one. */
static int next_piece(arena *a, size_t need) {
    size_t roomy = arena_reserved(a) / 4;
    int next = a->n_pieces ? a->current + 1 : 0;
    if (next < a->n_pieces && a->piece[next].size < need) drop_pieces(a, next);
    if (roomy < SMALLEST_PIECE) roomy = SMALLEST_PIECE;
    if (next == a->n_pieces && !(roomy > need && add_piece(a, roomy)) && !add_piece(a, need)) return 0;
    a->current = next;
    a->piece[next].begin = a->top;
    return 1;
}

/* Room for `need` bytes at the top. */
static int make_room(arena *a, size_t need) {
    size_t whole = a->most > need ? a->most : need;
    if (a->top == 0 && (a->n_pieces > 1 || room_in(a) < whole) && a->n_pieces > 0 && join_pieces(a, whole)) return 1;
    return need <= room_in(a) || next_piece(a, need);
}

void arena_reserve(arena *a, size_t bytes) {
    if (a->counting || a->top > 0 || bytes > a->limit) return;
    if (bytes > a->most) a->most = bytes;
    if (a->n_pieces == 1 && a->piece[0].size >= a->most) return;
    join_pieces(a, a->most);
}

void arena_destroy(arena *a) {
    if (!a) return;
    drop_pieces(a, 0);
    free(a);
}

/* ---- blocks ---- */

/* A redzone follows its block: where the block starts, then bytes that must not change. */
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

/* The byte at a position of the current piece. */
static unsigned char *byte_at(const arena *a, size_t position) {
    const piece *p = &a->piece[a->current];
    return a->counting ? (unsigned char *)(NOWHERE + position) : p->base + (position - p->begin);
}

void *arena_alloc(arena *a, size_t bytes) {
    size_t need = arena_round_up(bytes, ARENA_ALIGN) + REDZONE;
    if (need < bytes || need > a->limit - a->top || (!a->counting && !make_room(a, need ? need : ARENA_ALIGN))) {
        a->failed = 1;
        return NULL;
    }
    unsigned char *p = byte_at(a, a->top);
    if (REDZONE && !a->counting) write_redzone(p + need - REDZONE, a->top);
    a->top += need;
    if (a->top > a->peak) a->peak = a->top;
    if (a->top > a->touched) a->touched = a->top;
    if (a->top > a->most) a->most = a->top;
    return p;
}

arena_mark arena_get_mark(const arena *a) { return a->top; }

/* A piece that begins at the top is empty. */
static void set_top(arena *a, size_t top) {
    a->top = top;
    while (a->current > 0 && a->piece[a->current].begin >= top) a->current--;
}

void arena_release(arena *a, arena_mark mark) {
    if (mark > a->top) abort(); /* a mark of another time: a defect, and memory is at stake */
    while (REDZONE && !a->counting && a->top > mark) set_top(a, check_redzone(byte_at(a, a->top - REDZONE)));
    set_top(a, mark);
}

size_t arena_used(const arena *a) { return a->top; }
size_t arena_peak(const arena *a) { return a->peak; }
void arena_reset_peak(arena *a) { a->peak = a->top; }
size_t arena_touched(const arena *a) { return a->touched; }
int arena_failed(const arena *a) { return a->failed; }

size_t arena_reserved(const arena *a) {
    size_t n = 0;
    for (int i = 0; i < a->n_pieces; i++) n += a->piece[i].size;
    return n;
}

int arena_piece(const arena *a, int i, void **base, size_t *size) {
    if (i >= a->n_pieces) return 0;
    *base = a->piece[i].base;
    *size = a->piece[i].size;
    return 1;
}

void arena_trim(arena *a) {
    if (a->n_pieces > 0) {
        drop_pieces(a, a->current + 1);
        const piece *p = &a->piece[a->current];
        size_t from = arena_round_up(a->top - p->begin, PAGE);
        if (from < p->size) madvise(p->base + from, p->size - from, MADV_DONTNEED);
    }
    a->touched = a->top;
}
