/* The slots that a look-up in a set of texts visits at most: it ends at the first free one. */
#ifndef SUPPORT_LONGEST_LOOK_UP_H
#define SUPPORT_LONGEST_LOOK_UP_H

#include "base/text_set.h"

static inline size_t longest_look_up(const text_set *w) {
    size_t run = 0, longest = 0;
    for (size_t i = 0; i < 2 * w->numbers.capacity; i++) { /* twice: the table's end goes on at its beginning */
        run = w->numbers.slots[i % w->numbers.capacity].key ? run + 1 : 0;
        if (run > longest) longest = run;
    }
    return longest;
}

#endif
