/* Figures and the words for their states. A defined figure is always finite. */
#include "stats/figure.h"

#include <math.h>

const stats_word stats_states[STATS_STATE_COUNT] = {
    [STATS_NOT_ASKED] = {"not asked", "not part of this analysis"},
    [STATS_DEFINED] = {"defined", "a number"},
    [STATS_TOO_FEW] = {"too few prompts", "the formula needs more prompts than there are"},
    [STATS_NO_VARIANCE] = {"no variance", "every prompt gave the same value"},
    [STATS_ALL_ZERO] = {"all differences zero", "no prompt gave a difference other than zero"},
    [STATS_NOT_BINARY] = {"not binary", "outcomes other than 0 and 1 occur"},
    [STATS_SEVERAL_SEEDS] = {"several seeds a prompt",
                             "the 2 x 2 table needs one pair a prompt; see the sign-flip test"},
    [STATS_OUT_OF_RANGE] = {"out of range", "the formula has no finite value here"},
    [STATS_FAILED] = {"failed images", "images that failed have no value; see the ranks and the bounds"},
};

stats_figure stats_defined(double x) {
    if (!isfinite(x)) return stats_undefined(STATS_OUT_OF_RANGE);
    return (stats_figure){STATS_DEFINED, x};
}

stats_figure stats_undefined(stats_state why) { return (stats_figure){why, 0.0}; }

double stats_value(stats_figure f) { return f.state == STATS_DEFINED ? f.value : (double)NAN; }

stats_interval stats_interval_undefined(stats_state why) {
    return (stats_interval){stats_undefined(why), stats_undefined(why)};
}

int stats_below(stats_figure p, double limit) { return p.state == STATS_DEFINED && p.value < limit; }
