/* The tables of what can be asked of attention: help, validation of study files, error messages and the manifest derive
 * from them. Their rows are listed in rows.def. */
#include "attn/internal.h"

const attn_selector *const ATTN_SELECTORS[] = {
#define SELECTOR(id) &attn_selector_##id,
#define EDIT(id)
#define PROBE(id)
#include "attn/rows.def"
};
const int ATTN_SELECTOR_COUNT = sizeof ATTN_SELECTORS / sizeof ATTN_SELECTORS[0];

const attn_edit *const ATTN_EDITS[] = {
#define SELECTOR(id)
#define EDIT(id) &attn_edit_##id,
#define PROBE(id)
#include "attn/rows.def"
};
const int ATTN_EDIT_COUNT = sizeof ATTN_EDITS / sizeof ATTN_EDITS[0];

const attn_probe *const ATTN_PROBES[] = {
#define SELECTOR(id)
#define EDIT(id)
#define PROBE(id) &attn_probe_##id,
#include "attn/rows.def"
};
const int ATTN_PROBE_COUNT = sizeof ATTN_PROBES / sizeof ATTN_PROBES[0];
