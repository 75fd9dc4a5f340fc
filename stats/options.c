/* Options of an analysis. The table is the only place of the defaults. */
#include "stats/options.h"

#include <string.h>

enum {
    LEVEL,
    ALPHA,
    POWER,
    MARGIN,
    RESAMPLES,
    FLIPS,
    FLIPS_EXACT,
    RANKS_EXACT,
    ZEROS,
    BETTER,
    WORST,
    SEED,
    OPTION_COUNT
};

const option stats_option_table[] = {
    [LEVEL] = {"level", OPTION_DOUBLE, NULL, 0.5, 0.9999, "0.95", "confidence level of the intervals"},
    [ALPHA] = {"alpha", OPTION_DOUBLE, NULL, 0.0001, 0.5, "0.05", "level of the tests and verdicts"},
    [POWER] = {"power", OPTION_DOUBLE, NULL, 0.51, 0.999, "0.8", "power of the smallest detectable effect"},
    [MARGIN] = {"margin", OPTION_DOUBLE, NULL, 0, 1e300, "0",
                "margin of equivalence and non-inferiority, in the metric's units; 0: none"},
    [RESAMPLES] = {"resamples", OPTION_INT, NULL, 100, 1e7, "10000", "bootstrap resamples"},
    [FLIPS] = {"flips", OPTION_INT, NULL, 99, 1e8, "99999", "draws of the sign-flip test where it is sampled"},
    [FLIPS_EXACT] = {"flips-exact", OPTION_INT, NULL, 0, 24, "20",
                     "the sign-flip test is exact up to this many nonzero differences"},
    [RANKS_EXACT] = {"ranks-exact", OPTION_INT, NULL, 0, 200, "50",
                     "Wilcoxon's test is exact up to this many nonzero differences"},
    [ZEROS] = {"zeros", OPTION_WORD, "drop|pratt", 0, 0, "drop", "what Wilcoxon's test does with differences of zero"},
    [BETTER] = {"better", OPTION_WORD, "neither|higher|lower", 0, 0, "neither",
                "which values of the metric are better"},
    [WORST] =
        {"worst", OPTION_WORD, "auto|lowest|highest", 0, 0, "auto",
         "where an image that failed stands: below the lowest value or above the highest; auto: as --better says"},
    [SEED] = {"seed", OPTION_SEED, NULL, 0, 0, "0", "seed of bootstrap and sign-flips"},
    [OPTION_COUNT] = {0},
};

static ss_status options_set(stats_options *o, int which, const char *value, const char *where, ss_error *err) {
    static const int better[] = {0, 1, -1}, worst[] = {0, -1, 1};
    option_value v;
    SS_TRY(option_parse(&stats_option_table[which], value, where, &v, err));
    switch (which) {
    case LEVEL: o->level = v.number; break;
    case ALPHA: o->alpha = v.number; break;
    case POWER: o->power = v.number; break;
    case MARGIN: o->margin = v.number; break;
    case RESAMPLES: o->resamples = (int)v.integer; break;
    case FLIPS: o->flips = (int)v.integer; break;
    case FLIPS_EXACT: o->flips_exact = (int)v.integer; break;
    case RANKS_EXACT: o->ranks_exact = (int)v.integer; break;
    case ZEROS: o->zeros = v.word; break;
    case BETTER: o->better = better[v.word]; break;
    case WORST: o->worst = worst[v.word]; break;
    case SEED: o->seed = v.seed.bits; break;
    default: break;
    }
    return SS_OK;
}

stats_options stats_options_default(void) {
    stats_options o = {0};
    ss_error err; /* the defaults of a const table parse; a test holds that */
    for (int i = 0; i < OPTION_COUNT; i++) (void)options_set(&o, i, stats_option_table[i].by_default, NULL, &err);
    return o;
}

ss_status stats_options_set(stats_options *o, const char *name, const char *value, const char *where, ss_error *err) {
    const char *names[OPTION_COUNT];
    for (int i = 0; i < OPTION_COUNT; i++) {
        names[i] = stats_option_table[i].name;
        if (strcmp(names[i], name) == 0) return options_set(o, i, value, where, err);
    }
    const char *near = text_nearest(name, names, OPTION_COUNT);
    return error_set(err, SS_ERR_INPUT, where, "unknown option '%s'%s%s%s of the statistics; see their table", name,
                     near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}
