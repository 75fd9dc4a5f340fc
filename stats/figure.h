/* A figure: a number that may be undefined, and then says why. No statistic of this folder is ever NaN, infinite
 * or a silent 0: where a formula has no value (zero variance, one prompt, ...) the figure's state says so. */
#ifndef STATS_FIGURE_H
#define STATS_FIGURE_H

/* A row of a table of words: what a reader sees, and one line that explains it. */
typedef struct stats_word {
    const char *name, *help;
} stats_word;

typedef enum stats_state {
    STATS_NOT_ASKED = 0, /* not part of this analysis (no margin given, say); not a member of any family */
    STATS_DEFINED,       /* `value` holds */
    STATS_TOO_FEW,       /* too few prompts */
    STATS_NO_VARIANCE,   /* every difference is the same */
    STATS_ALL_ZERO,      /* no difference other than zero */
    STATS_NOT_BINARY,    /* outcomes other than 0 and 1 */
    STATS_SEVERAL_SEEDS, /* pairs within a prompt are not independent: no table of prompts can be made */
    STATS_OUT_OF_RANGE,  /* beyond what the formula or a double can hold */
    STATS_FAILED,        /* images that failed have no value that the formula could use */
    STATS_STATE_COUNT
} stats_state;

/* `value` may be read only where state is STATS_DEFINED (it is 0 otherwise). Zero-initialised: not asked. */
typedef struct stats_figure {
    stats_state state;
    double value;
} stats_figure;

typedef struct stats_interval {
    stats_figure low, high;
} stats_interval;

extern const stats_word stats_states[STATS_STATE_COUNT];

/* A defined figure; STATS_OUT_OF_RANGE where x is not finite. */
stats_figure stats_defined(double x);
stats_figure stats_undefined(stats_state why);
double stats_value(stats_figure f); /* the value, to be drawn or written; NAN where there is none */
stats_interval stats_interval_undefined(stats_state why);

/* Defined and below `limit`: the only test for a small p value in this folder. */
int stats_below(stats_figure p, double limit);

#endif
