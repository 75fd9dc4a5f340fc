/* The post_processor of a tokenizer.json: which ids stand before and after those of a text. */
#ifndef TEXT_POST_PROCESSOR_H
#define TEXT_POST_PROCESSOR_H

#include <jansson.h>
#include <stdint.h>
#include "base/error.h"

enum { POST_MAX_IDS = 64 };

typedef struct post_ids {
    int32_t before[POST_MAX_IDS], after[POST_MAX_IDS];
    int n_before, n_after;
} post_ids;

/* `tree`: the member "post_processor"; NULL or null adds nothing. */
ss_status post_processor_read(post_ids *out, const json_t *tree, const char *where, ss_error *err);

ss_status decoder_check_types(const json_t *tree, const char *where, ss_error *err);

#endif
