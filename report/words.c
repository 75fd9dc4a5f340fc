/* Numbers and conditions in words, from the tables of selectors and edits. */
#include "report/words.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

int words_decimals(double low, double high, double x) {
    double half = isfinite(low) && isfinite(high) && high > low ? (high - low) / 2 : fabs(x);
    if (!(half > 0) || !isfinite(half)) return 4;
    double decimals = 1 - floor(log10(half));
    return decimals < 0 ? 0 : decimals > 8 ? 8 : (int)decimals;
}

void words_add_number(text *out, double x, int decimals, int signed_) {
    if (!isfinite(x)) {
        text_add(out, "–");
        return;
    }
    double half = 0.5 * pow(10, -decimals);
    if (x <= -half) text_add(out, "−");
    else if (signed_ && x >= half) text_add(out, "+");
    text_add_fixed(out, fabs(x), decimals);
}

void words_add_estimate_apart(text *number, text *interval, stats_figure mid, stats_figure low, stats_figure high,
                              int signed_) {
    if (mid.state != STATS_DEFINED) {
        text_add(number, stats_states[mid.state].name);
        return;
    }
    int decimals = words_decimals(stats_value(low), stats_value(high), mid.value);
    words_add_number(number, mid.value, decimals, signed_);
    if (low.state != STATS_DEFINED || high.state != STATS_DEFINED) {
        text_add(interval, stats_states[low.state != STATS_DEFINED ? low.state : high.state].name);
        return;
    }
    text_add(interval, "[");
    words_add_number(interval, low.value, decimals, signed_);
    text_add(interval, ", ");
    words_add_number(interval, high.value, decimals, signed_);
    text_add(interval, "]");
}

void words_add_estimate(text *out, stats_figure mid, stats_figure low, stats_figure high, int signed_) {
    text interval = {0};
    words_add_estimate_apart(out, &interval, mid, low, high, signed_);
    if (interval.failed) out->failed = 1;
    else if (interval.len)
        text_addf(out, low.state == STATS_DEFINED && high.state == STATS_DEFINED ? " %s" : " (interval undefined: %s)",
                  interval.s);
    text_free(&interval);
}

void words_add_difference_apart(text *number, text *interval, const stats_contrast *c) {
    if (!stats_contrast_failed(c)) {
        words_add_estimate_apart(number, interval, c->mean, c->ci_low, c->ci_high, 1);
        return;
    }
    int above = c->mean_at_least.state == STATS_DEFINED;
    stats_figure bound = above ? c->mean_at_least : c->mean_at_most;
    if (bound.state == STATS_DEFINED) {
        text_add(number, above ? "at least " : "at most ");
        words_add_number(number, bound.value, words_decimals(NAN, NAN, bound.value) + 1, 1);
    } else text_add(number, "no bound");
    text_addf(interval, "%d failed", c->failed_a + c->failed_b);
}

void words_add_difference(text *out, const stats_contrast *c) {
    text count = {0};
    if (!stats_contrast_failed(c)) words_add_estimate(out, c->mean, c->ci_low, c->ci_high, 1);
    else {
        words_add_difference_apart(out, &count, c);
        text_addf(out, " (%s)", text_for(&count, out));
    }
    text_free(&count);
}

void words_add_percent(text *out, double share, int decimals) {
    if (!isfinite(100 * share)) { /* a damaged store's share may be finite, and its percentage not */
        text_add(out, "–");
        return;
    }
    text_add_fixed(out, 100 * share, decimals);
    text_add(out, " %");
}

/* Names of contrasts are written in ASCII: " - " between the conditions. */
void words_add_contrast_name(text *out, const study_contrast *c) {
    const char *minus = strstr(c->name, " - ");
    if (minus) {
        text_add_n(out, c->name, (size_t)(minus - c->name));
        text_add(out, " − ");
        text_add(out, minus + 3);
    } else text_add(out, c->name);
}

void words_add_contrast(text *out, const study_contrast *c) {
    words_add_contrast_name(out, c);
    if (c->k >= 0) text_addf(out, ", k = %d", c->k);
}

static void add_set(text *out, const char *what, const number_set *set) {
    int some = 0;
    if (set->all) {
        text_addf(out, "; all %s", what);
        return;
    }
    text_addf(out, "; %s ", what);
    for (int i = 0; i < (int)(8 * sizeof set->bits); i++) {
        if (!bits_get(&set->bits, i)) continue;
        text_addf(out, "%s%d", some ? ", " : "", i);
        some = 1;
    }
    for (int i = 0; i < set->n_fractions; i++, some = 1) {
        if (some) text_add(out, ", ");
        text_add_double(out, set->fraction[i], 6);
        text_add(out, " of depth");
    }
    if (!some) text_add(out, "none");
}

static void add_options(text *out, const entry *about, const option_value *value) {
    int some = 0;
    for (const option *o = about->options; o && o->name; o++, value++) {
        if (!value->is_set || !value->text) continue;
        text_addf(out, "%s%s %s", some ? ", " : " (", o->name, value->text);
        some = 1;
    }
    if (some) text_add(out, ")");
}

static void add_intervention(text *out, const study_intervention *v, const char *ks) {
    static const char *const ROWS[] = {"image", "all", "text"};
    static const char *const SCOPE[] = {" in each head", " a head on average, one set for the layer",
                                        " a head on average, over all these blocks and heads of a step"};
    if (v->edit->on != EDIT_ON_NOTHING) {
        text_addf(out, "%s: %s", v->selector->queries ? "rows" : "keys", v->selector->about.name);
        add_options(out, &v->selector->about, v->selector_options);
        text_addf(out, " (%s)", v->selector->about.help);
        if (v->share > 0) {
            text_add(out, ", ");
            words_add_percent(out, v->share, 1);
            text_add(out, " of the keys");
        } else if (*ks && !v->selector->sized) text_addf(out, ", k = %s", ks);
        text_add(out, SCOPE[v->scope]);
    }
    if (v->source == SOURCE_BASELINE) text_add(out, ", chosen from the baseline's masses");
    if (v->redraw == REDRAW_RUN) text_add(out, ", one set for the whole run");
    text_addf(out, "%sedit: %s", v->edit->on == EDIT_ON_NOTHING ? "" : "; ", v->edit->about.name);
    add_options(out, &v->edit->about, v->edit_options);
    text_addf(out, " (%s)", v->edit->about.help);
    add_set(out, "blocks", &v->blocks);
    for (int kind = 0, some = 0; kind < ATTN_KIND_COUNT; kind++) {
        if (!(v->kinds >> kind & 1)) continue;
        text_addf(out, "%s%s-attention", some++ ? " and " : " of ", ATTN_KINDS[kind].name);
    }
    add_set(out, "heads", &v->heads);
    if (v->has_phase) {
        text_add(out, "; progress ");
        text_add_double(out, v->phase_low, 4);
        text_add(out, " to ");
        text_add_double(out, v->phase_high, 4);
    } else add_set(out, "steps", &v->steps);
    text_addf(out, "; query rows: %s", ROWS[v->rows]);
    if (v->branches == 1u << BRANCH_COND) text_add(out, "; conditional branch only");
    if (v->branches == 1u << BRANCH_UNCOND) text_add(out, "; unconditional branch only");
}

static void separate(text *out) {
    if (out->len) text_add(out, "; ");
}

void words_add_condition(text *out, const study_condition *c, const char *ks) {
    text words = {0};
    if (c->has_intervention) add_intervention(&words, &c->intervention, ks);
    for (int i = 0; i < c->n_also; i++) {
        char k[16];
        snprintf(k, sizeof k, "%d", c->also[i].k);
        text_add(&words, "; and ");
        add_intervention(&words, &c->also[i], k);
    }
    if (c->prompt == PROMPT_SWAP_ATTRIBUTE) separate(&words), text_add(&words, "one attribute of the prompt swapped");
    if (c->seed_add) separate(&words), text_addf(&words, "image seed %+lld", (long long)c->seed_add);
    if (isfinite(c->guidance)) separate(&words), text_add(&words, "guidance "), text_add_double(&words, c->guidance, 6);
    if (c->sampler_steps) separate(&words), text_addf(&words, "%d sampler steps", c->sampler_steps);
    scheduler_asked_add_words(c->scheduler, words.len ? "; " : "", &words);
    picture_sizes_add_words(&c->sizes, "; ", &words);
    if (words.len == 0) {
        if (c->role == CONDITION_CALIBRATION) text_add(&words, "no intervention, at seeds that the study does not use");
        else if (c->role == CONDITION_SHAM) text_add(&words, "the baseline, made once more");
        else text_add(&words, "no intervention");
    }
    if (words.failed) out->failed = 1;
    else text_add(out, words.s);
    text_free(&words);
}

void words_add_family_ks(text *out, const study *y, const study_condition *c) {
    int some = 0;
    if (!c->has_intervention) return;
    for (int i = 0; i < y->n_conditions; i++) {
        if (strcmp(y->condition[i].family, c->family) != 0) continue;
        text_addf(out, "%s%d", some ? ", " : "", y->condition[i].intervention.k);
        some = 1;
    }
}

const char *words_role(condition_role role) {
    switch (role) {
    case CONDITION_BASELINE: return "baseline";
    case CONDITION_STUDIED: return "studied";
    case CONDITION_POSITIVE: return "positive control";
    case CONDITION_SHAM: return "sham";
    case CONDITION_CALIBRATION: return "calibration";
    }
    return "";
}
