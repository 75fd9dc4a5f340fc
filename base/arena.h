/* Arena: stack-like scratch memory for compute code. Address space is reserved once, pages are committed as
 * they are touched, pointers never move, and the high-water mark is known (a dry run of a forward pass on
 * the `dry` backend gives the peak before any real run). Not thread-safe: one owner at a time. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>
#include "base/error.h"

typedef struct arena arena;

/* Reserve up to `capacity` bytes of address space (rounded up to pages). Free with arena_destroy. */
ss_status arena_create(arena **out, size_t capacity, ss_error *err);
void arena_destroy(arena *a); /* NULL is allowed */

/* `bytes` of memory aligned to 64, NOT zeroed; NULL when the capacity is used up (then arena_failed() is set).
 * With sanitizers or -DSS_ARENA_REDZONES each block is followed by a redzone that arena_release checks. */
void *arena_alloc(arena *a, size_t bytes);

/* Stack discipline: everything allocated after the mark is given back by arena_release. */
typedef size_t arena_mark;
arena_mark arena_get_mark(const arena *a);
void arena_release(arena *a, arena_mark mark);

size_t arena_used(const arena *a);
size_t arena_peak(const arena *a);
void arena_reset_peak(arena *a); /* peak becomes what is in use now */
int arena_failed(const arena *a);

/* The most that was in use since the last arena_trim: what of the arena may be in memory. */
size_t arena_touched(const arena *a);

/* Give the pages above the present top back to the operating system. */
void arena_trim(arena *a);

#endif
