/* The choices of an analysis, described by an option table: command line, study file and manifest derive from it. */
#ifndef STATS_OPTIONS_H
#define STATS_OPTIONS_H

#include <stdint.h>
#include "base/option.h"

typedef struct stats_options {
    double level;    /* of intervals */
    double alpha;    /* of tests and verdicts */
    double power;    /* of the smallest detectable effect */
    double margin;   /* of equivalence and non-inferiority, in the metric's units; 0 = none */
    int resamples;   /* of the bootstrap */
    int flips;       /* draws of the sign-flip test where it is sampled */
    int flips_exact; /* it is exact up to this many nonzero differences */
    int ranks_exact; /* Wilcoxon's test is exact up to this many */
    int zeros;       /* stats_zeros */
    int better;      /* +1 higher, -1 lower, 0 neither */
    int worst;       /* where failed images stand: -1 below every value, +1 above, 0 as `better` says */
    uint64_t seed;   /* of the random streams */
} stats_options;

/* Ended by a row without a name. */
extern const option stats_option_table[];

/* Every option at its default. */
stats_options stats_options_default(void);

/* Set option `name` from text. SS_ERR_INPUT: no such option (with the nearest name), or a value that is not allowed. */
ss_status stats_options_set(stats_options *o, const char *name, const char *value, const char *where, ss_error *err);

#endif
