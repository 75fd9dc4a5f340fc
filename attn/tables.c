/* The tables of what can be asked of attention: help, validation of study files, error messages and the manifest derive
 * from them. Adding a selector, an edit or a probe = one file, its line in internal.h, one row here. */
#include "attn/internal.h"

const attn_selector ATTN_SELECTORS[] = {
    {.about = {"top", "the k keys of largest incoming mass, found afresh in every call (dynamic sinks)", NULL},
     .select = attn_select_top},
    {.about = {"random", "k keys drawn uniformly without replacement", ATTN_SELECT_RANDOM_OPTIONS},
     .select = attn_select_random},
    {.about = {"index", "k keys from a fixed position of a segment on", ATTN_SELECT_INDEX_OPTIONS},
     .select = attn_select_index,
     .check = attn_select_index_check},
};
const int ATTN_SELECTOR_COUNT = sizeof ATTN_SELECTORS / sizeof ATTN_SELECTORS[0];

const attn_edit ATTN_EDITS[] = {
    {.about = {"mask", "score path: no weight on the set, the rest rescaled (a mask of -infinity)", NULL},
     .op = EDIT_SCALE,
     .configure = attn_edit_mask},
    {.about = {"scale", "score path: weights of the set times eta, the rest rescaled", ATTN_EDIT_SCALE_OPTIONS},
     .op = EDIT_SCALE,
     .configure = attn_edit_scale},
    {.about = {"zero", "value path: values of the set become 0, weights unchanged", NULL},
     .op = EDIT_VALUE_LERP,
     .configure = attn_edit_zero},
};
const int ATTN_EDIT_COUNT = sizeof ATTN_EDITS / sizeof ATTN_EDITS[0];

const attn_probe ATTN_PROBES[] = {
    {.about = {"mass", "the largest incoming mass and the key that has it", NULL},
     .needs = NEED_MASS,
     .n_columns = 2,
     .column = {"max_mass", "top_key"},
     .column_help = {"largest mean weight that a key receives, 0 to 1", "the key that receives it (index of the call)"},
     .nominal = 1u << 1,
     .observe = attn_probe_mass},
    {.about = {"entropy", "mean entropy of the rows", NULL},
     .needs = NEED_ENTROPY,
     .n_columns = 1,
     .column = {"entropy"},
     .column_help = {"mean entropy of the measured rows, nats"},
     .observe = attn_probe_entropy},
    {.about = {"concentration", "how much of the weight the r largest keys hold", NULL},
     .needs = NEED_CONCENTRATION | NEED_MASS,
     .n_columns = 2,
     .column = {"concentration", "mass_top_r"},
     .column_help = {"mean over rows of the sum of the row's r largest weights, 0 to 1",
                     "sum of the r largest masses, 0 to 1"},
     .observe = attn_probe_concentration},
    {.about = {"reduction", "what an intervention did to its keys and to the output", NULL},
     .n_columns = 5,
     .column = {"set_size", "set_mass_before", "set_mass_after", "dose", "direct_rows"},
     .column_help = {"keys of the set", "mass of the set over the edited rows, before, 0 to 1",
                     "the same under the edited weights", "rms over the edited rows of |o' - o| / |o|",
                     "rows recomputed directly because the correction would cancel"},
     .observe = attn_probe_reduction},
};
const int ATTN_PROBE_COUNT = sizeof ATTN_PROBES / sizeof ATTN_PROBES[0];
