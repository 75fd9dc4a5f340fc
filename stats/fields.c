/* The table of a contrast's figures, and the output that is made from it. */
#include "stats/contrast.h"

#include <string.h>

#include "stats/paired.h"

#define FIELD(member, role, kind, words, help, of_failed)                                                              \
    { #member, help, STATS_ROLE_##role, STATS_FIELD_##kind, offsetof(stats_contrast, member), words, of_failed }
#define COUNT(member, role, help) FIELD(member, role, COUNT, NULL, help, 0)
#define FIGURE(member, role, help) FIELD(member, role, FIGURE, NULL, help, 0)
#define WORD(member, role, words, help) FIELD(member, role, WORD, words, help, 0)
/* of images that failed */
#define FAILED_COUNT(member, role, help) FIELD(member, role, COUNT, NULL, help, 1)
#define FAILED_FIGURE(member, role, help) FIELD(member, role, FIGURE, NULL, help, 1)
#define FAILED_WORD(member, role, words, help) FIELD(member, role, WORD, words, help, 1)

static const stats_word no_yes[] = {{"no", ""}, {"yes", ""}};
static const stats_word primary_tests[] = {
    [STATS_PRIMARY_SIGN_FLIP] = {"sign flip", "the permutation test of the mean"},
    [STATS_PRIMARY_SIGNED_RANK] = {"signed rank", "Wilcoxon's test, failed images beyond every value"},
};

const stats_word stats_roles[STATS_ROLE_COUNT] = {
    [STATS_ROLE_DESIGN] = {"design", "what was compared"},
    [STATS_ROLE_ESTIMATE] = {"estimate", "how large the difference is"},
    [STATS_ROLE_PRIMARY] = {"primary", "the test that the verdict rests on"},
    [STATS_ROLE_SENSITIVITY] = {"sensitivity", "sensitivity analysis: other tests of the same question"},
    [STATS_ROLE_EQUIVALENCE] = {"equivalence", "what can be said where no difference was found"},
    [STATS_ROLE_BINARY] = {"binary", "outcomes 0 and 1, one seed a prompt; sensitivity analysis"},
    [STATS_ROLE_VERDICT] = {"verdict", "how the contrast reads"},
};

const stats_field stats_fields[] = {
    COUNT(n, DESIGN, "prompts, the unit of inference"),
    COUNT(pairs, DESIGN, "pairs of images (prompt and seed)"),
    COUNT(seeds_min, DESIGN, "fewest image seeds of a prompt"),
    COUNT(seeds_max, DESIGN, "most image seeds of a prompt"),
    FAILED_COUNT(failed_a, DESIGN, "pairs whose image of the first condition failed"),
    FAILED_COUNT(failed_b, DESIGN, "pairs whose image of the second condition failed"),
    FIGURE(mean_a, ESTIMATE, "mean of the first condition over prompts"),
    FIGURE(mean_b, ESTIMATE, "mean of the second condition over prompts"),
    FIGURE(mean, ESTIMATE, "mean difference, first - second"),
    FIGURE(sd, ESTIMATE, "standard deviation of the prompts' differences"),
    FIGURE(se, ESTIMATE, "standard error of the mean difference"),
    FIGURE(d_z, ESTIMATE, "effect size, mean / sd"),
    FIGURE(ci_low, ESTIMATE, "lower end of the BCa bootstrap interval of the mean difference"),
    FIGURE(ci_high, ESTIMATE, "upper end of the BCa bootstrap interval of the mean difference"),
    FAILED_FIGURE(mean_at_least, ESTIMATE,
                  "the mean difference is no lower, if no failed image is better than the worst observed value"),
    FAILED_FIGURE(mean_at_most, ESTIMATE, "the mean difference is no higher, under the same condition"),
    FAILED_WORD(primary_test, PRIMARY, primary_tests, "the test whose p is corrected and judged"),
    FIGURE(sign_flip_p, PRIMARY, "two-sided p of the sign-flip permutation test, before correction"),
    WORD(sign_flip_method, PRIMARY, stats_methods, "how the sign-flip p was found"),
    FIGURE(p_holm, PRIMARY, "sign-flip p, corrected over the family (Holm)"),
    FIGURE(p_bh, PRIMARY, "sign-flip p, corrected over the family (Benjamini-Hochberg)"),
    FIGURE(t, SENSITIVITY, "paired t statistic"),
    FIGURE(t_df, SENSITIVITY, "its degrees of freedom"),
    FIGURE(t_p, SENSITIVITY, "two-sided p of the paired t test"),
    FIGURE(t_low, SENSITIVITY, "lower end of the t interval"),
    FIGURE(t_high, SENSITIVITY, "upper end of the t interval"),
    COUNT(wilcoxon_used, SENSITIVITY, "prompts with a difference other than zero"),
    FIGURE(wilcoxon_w, SENSITIVITY, "Wilcoxon's rank sum of the positive differences"),
    FIGURE(wilcoxon_p, SENSITIVITY, "two-sided p of the Wilcoxon signed-rank test"),
    WORD(wilcoxon_method, SENSITIVITY, stats_methods, "how the Wilcoxon p was found"),
    FAILED_FIGURE(sign_p, SENSITIVITY, "two-sided p of the exact sign test"),
    FIGURE(margin, EQUIVALENCE, "margin of equivalence, in the metric's units"),
    FIGURE(tost_p, EQUIVALENCE, "p of the two one-sided tests (TOST), before correction"),
    FIGURE(tost_p_holm, EQUIVALENCE, "TOST p, corrected over the family of equivalence tests (Holm)"),
    FIGURE(tost_low, EQUIVALENCE, "lower end of the t interval of level 1 - 2 alpha that belongs to TOST"),
    FIGURE(tost_high, EQUIVALENCE, "upper end of that interval"),
    FIGURE(noninferiority_p, EQUIVALENCE, "one-sided p of 'worse by the margin or more': small = not inferior"),
    FIGURE(detectable, EQUIVALENCE,
           "smallest mean difference a paired t test of this n and sd detects with the power asked"),
    FIGURE(detectable_d_z, EQUIVALENCE, "the same as an effect size"),
    FIGURE(both, BINARY, "prompts with 1 in both conditions"),
    FIGURE(only_a, BINARY, "prompts with 1 in the first condition only"),
    FIGURE(only_b, BINARY, "prompts with 1 in the second condition only"),
    FIGURE(neither, BINARY, "prompts with 0 in both conditions"),
    FIGURE(mcnemar_p, BINARY, "two-sided p of the exact McNemar test"),
    FIGURE(newcombe_low, BINARY,
           "lower end of Newcombe's paired interval of the difference of rates (1998, method 10)"),
    FIGURE(newcombe_high, BINARY, "upper end of that interval"),
    FIGURE(rate_a_low, BINARY, "lower end of the Wilson interval of the first condition's rate"),
    FIGURE(rate_a_high, BINARY, "upper end of that interval"),
    FIGURE(rate_b_low, BINARY, "lower end of the Wilson interval of the second condition's rate"),
    FIGURE(rate_b_high, BINARY, "upper end of that interval"),
    WORD(assay, VERDICT, stats_assays, "whether the metric saw the positive control at this n"),
    WORD(within_margin, VERDICT, no_yes, "whether the corrected TOST puts the difference within the margin"),
    WORD(verdict, VERDICT, stats_verdicts, "how the contrast reads"),
    {0},
};

const stats_field *stats_field_find(const char *name) {
    for (const stats_field *f = stats_fields; f->name; f++)
        if (strcmp(f->name, name) == 0) return f;
    return NULL;
}

static const void *member_of(const stats_field *f, const stats_contrast *c) { return (const char *)c + f->offset; }

stats_figure stats_field_figure(const stats_field *f, const stats_contrast *c) {
    return *(const stats_figure *)member_of(f, c);
}

static int fields_whole(const stats_field *f, const stats_contrast *c) { return *(const int *)member_of(f, c); }

void stats_field_add(const stats_field *f, const stats_contrast *c, int digits, text *out) {
    if (f->kind == STATS_FIELD_COUNT) text_addf(out, "%d", fields_whole(f, c));
    else if (f->kind == STATS_FIELD_WORD) text_add(out, f->words[fields_whole(f, c)].name);
    else {
        stats_figure figure = stats_field_figure(f, c);
        if (figure.state == STATS_DEFINED) text_add_double(out, figure.value, digits);
        else if (figure.state != STATS_NOT_ASKED) text_addf(out, "undefined: %s", stats_states[figure.state].name);
    }
}

enum { ALL_DIGITS = 17 }; /* a double read back is the double written */

int stats_field_shown(const stats_field *f, int any_failed) { return any_failed || !f->of_failed; }

void stats_contrast_add_csv_header(int any_failed, text *out) {
    int n = 0;
    for (const stats_field *f = stats_fields; f->name; f++)
        if (stats_field_shown(f, any_failed)) text_addf(out, "%s%s", n++ ? "," : "", f->name);
}

void stats_contrast_add_csv_row(const stats_contrast *c, int any_failed, text *out) {
    int n = 0;
    for (const stats_field *f = stats_fields; f->name; f++) {
        if (!stats_field_shown(f, any_failed)) continue;
        if (n++) text_add(out, ",");
        stats_field_add(f, c, ALL_DIGITS, out);
    }
}

void stats_contrast_add_json(const stats_contrast *c, text *out) {
    int n = 0;
    text_add(out, "{");
    for (const stats_field *f = stats_fields; f->name; f++) {
        if (!stats_field_shown(f, stats_contrast_failed(c))) continue;
        text_addf(out, "%s\"%s\": ", n++ ? ", " : "", f->name);
        stats_state state = f->kind == STATS_FIELD_FIGURE ? stats_field_figure(f, c).state : STATS_DEFINED;
        if (f->kind == STATS_FIELD_WORD) text_add_json(out, f->words[fields_whole(f, c)].name);
        else if (state == STATS_DEFINED) stats_field_add(f, c, ALL_DIGITS, out);
        else if (state == STATS_NOT_ASKED) text_add(out, "null");
        else text_addf(out, "{\"undefined\": \"%s\"}", stats_states[state].name);
    }
    text_add(out, "}");
}

void stats_fields_describe(text *out) {
    for (int role = 0; role < STATS_ROLE_COUNT; role++) {
        text_addf(out, "%s: %s\n", stats_roles[role].name, stats_roles[role].help);
        for (const stats_field *f = stats_fields; f->name; f++)
            if ((int)f->role == role) text_addf(out, "  %-18s %s\n", f->name, f->help);
    }
}
