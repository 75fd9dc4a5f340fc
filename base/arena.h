/* Arena: stack-like scratch memory for compute code. It holds as much address space as was needed so far: it grows by
 * pieces while it is in use, so that pointers never move, and becomes one piece again as soon as it is empty. The
 * high-water mark is known; a counting arena (the `dry` backend's) has no memory at all and only counts. Not
 * thread-safe: one owner at a time. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>
#include "base/error.h"

typedef struct arena arena;

/* An arena of at most `limit` bytes in use; 0 = no limit. No address space is taken yet. Free with arena_destroy. */
ss_status arena_create(arena **out, size_t limit, ss_error *err);

/* The same without memory: the pointers it gives differ and are aligned, and must not be dereferenced. */
ss_status arena_create_counting(arena **out, size_t limit, ss_error *err);

/* Before anything is taken: no huge pages, of which the last may be nearly empty. For an arena that holds little. */
void arena_use_small_pages(arena *a);

void arena_destroy(arena *a); /* NULL is allowed */
int arena_is_counting(const arena *a);
int arena_is_counted(const void *p); /* a pointer of a counting arena */

/* What comes next needs `bytes` in all: an arena that is empty gets them in one piece, another one is left alone. Where
 * the address space does not suffice, arena_alloc reports it later. */
void arena_reserve(arena *a, size_t bytes);

/* `bytes` of memory aligned to 64, NOT zeroed; NULL when there is no more (then arena_failed() is set).
 * With sanitizers or -DSS_ARENA_REDZONES each block is followed by a redzone that arena_release checks. */
void *arena_alloc(arena *a, size_t bytes);

/* Stack discipline: arena_release releases everything allocated after the mark. */
typedef size_t arena_mark;
arena_mark arena_get_mark(const arena *a);
void arena_release(arena *a, arena_mark mark);

size_t arena_used(const arena *a);
size_t arena_peak(const arena *a);
void arena_reset_peak(arena *a); /* peak becomes what is in use now */
int arena_failed(const arena *a);
size_t arena_reserved(const arena *a); /* address space that it has */

/* Mapping number i, whole pages; 0 where there are not so many. For a backend of the tests, which guards them. */
int arena_piece(const arena *a, int i, void **base, size_t *size);

/* The most that was in use since the last arena_trim: what of the arena may be in memory. */
size_t arena_touched(const arena *a);

/* Give the pages above the present top back to the operating system. */
void arena_trim(arena *a);

#endif
