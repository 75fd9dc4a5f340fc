/* The sample images of a report: a prompt of each tag, at its first seed, under the baseline, every studied condition
 * at its smallest and largest k, and the positive control. */
#include "report/facts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PICTURE_SIDE = 256 };

/* Whether condition `c` is one of its family's two ends over k. Conditions of a family stand in the order of k. */
static int is_end_of_family(const study *y, int c) {
    int first = 1, last = 1;
    for (int i = 0; i < y->n_conditions; i++) {
        if (i == c || strcmp(y->condition[i].family, y->condition[c].family) != 0) continue;
        if (y->condition[i].intervention.k < y->condition[c].intervention.k) first = 0;
        if (y->condition[i].intervention.k > y->condition[c].intervention.k) last = 0;
    }
    return first || last || !y->condition[c].k_listed;
}

static void choose_columns(report_facts *f) {
    static const condition_role ORDER[] = {CONDITION_BASELINE, CONDITION_STUDIED, CONDITION_POSITIVE};
    const study *y = f->study;
    for (int o = 0; o < (int)(sizeof ORDER / sizeof *ORDER); o++)
        for (int c = 0; c < y->n_conditions && f->n_columns < FACTS_MAX_PICTURE_COLUMNS; c++)
            if (y->condition[c].role == ORDER[o] && is_end_of_family(y, c)) f->column[f->n_columns++] = c;
}

static ss_status gather_pictures_keep(char **to, const char *s, ss_error *err) {
    if (!*s) return SS_OK;
    *to = text_copy(s);
    return *to ? SS_OK : error_no_memory(err, "a prompt", strlen(s));
}

/* A prompt of each tag; where there are no tags, the first prompts. */
static ss_status choose_samples(report_facts *f, const store *s, ss_error *err) {
    report_table t;
    int several = f->tags.rows > 1;
    SS_TRY(report_table_read(&t, s,
                             several ? "SELECT u.prompt, u.seed, u.text, u.tag, p.swapped FROM (SELECT min(prompt) AS"
                                       " prompt, min(seed) AS seed, text, coalesce(tag, '') AS tag FROM units"
                                       " WHERE role = 'baseline' GROUP BY coalesce(tag, '')) u"
                                       " JOIN prompt p ON p.prompt = u.prompt ORDER BY u.prompt LIMIT 8"
                                     : "SELECT u.prompt, min(u.seed), u.text, u.tag, p.swapped FROM units u"
                                       " JOIN prompt p ON p.prompt = u.prompt WHERE u.role = 'baseline'"
                                       " GROUP BY u.prompt ORDER BY u.prompt LIMIT 6",
                             err));
    ss_status status = SS_OK;
    for (int i = 0; status == SS_OK && i < t.rows && i < FACTS_MAX_PICTURE_ROWS; i++) {
        facts_sample *sample = &f->sample[f->n_samples++];
        sample->prompt = report_whole(&t, i, 0);
        sample->seed = report_seed(&t, i, 1);
        status = gather_pictures_keep(&sample->words, report_words(&t, i, 2), err);
        if (status == SS_OK) status = gather_pictures_keep(&sample->tag, report_words(&t, i, 3), err);
        if (status == SS_OK) status = gather_pictures_keep(&sample->swapped, report_words(&t, i, 4), err);
    }
    report_table_free(&t);
    return status;
}

/* The unit of a sample under a condition, its score and image. */
static ss_status gather_picture(report_facts *f, const store *s, int row, int column, ss_error *err) {
    const study_condition *c = &f->study->condition[f->column[column]];
    const facts_sample *sample = &f->sample[row];
    facts_picture *p = &f->picture[row][column];
    report_table t = {0};
    text sql = {0}, what = {0};
    rgb_image image = {0};
    seed_text seed;
    const char *quote = seed_is_int64(sample->seed) ? "" : "'"; /* from 2^63 on it is text */
    text_addf(&sql,
              "SELECT u.unit, x.value, x.unreadable, x.note, u.failed FROM units u LEFT JOIN long_scores x ON x.unit = "
              "u.unit AND"
              " x.metric = '%s' WHERE u.prompt = %lld AND u.seed = %s%s%s AND u.condition = '%s'",
              f->study->metric[f->study->primary].row->about.name, (long long)sample->prompt, quote,
              seed_write(sample->seed, seed), quote, c->name);
    text_addf(&what, "%s: %s", c->name, sample->words ? sample->words : "");
    ss_status status = sql.failed || what.failed ? error_no_memory(err, "a question", 1) : SS_OK;
    if (status == SS_OK) status = report_table_read(&t, s, sql.s, err);
    p->value = NAN;
    if (status == SS_OK && t.rows == 1) {
        p->value = report_number(&t, 0, 1);
        p->unreadable = report_number(&t, 0, 2) > 0;
        status = gather_pictures_keep(&p->note, report_words(&t, 0, 3), err);
        p->failed = report_number(&t, 0, 4) > 0;
        if (status == SS_OK && !p->failed) status = store_image(s, report_whole(&t, 0, 0), &image, err);
        if (status == SS_OK && !p->failed) status = page_add_image(&p->img, &image, NULL, what.s, PICTURE_SIDE, err);
        if (status == SS_OK && p->img.failed) status = error_no_memory(err, "a picture", 1);
    }
    rgb_image_free(&image);
    report_table_free(&t);
    text_free(&sql);
    text_free(&what);
    return status;
}

ss_status facts_gather_pictures(report_facts *f, const store *s, ss_error *err) {
    choose_columns(f);
    SS_TRY(choose_samples(f, s, err));
    for (int i = 0; i < f->n_samples; i++)
        for (int j = 0; j < f->n_columns; j++) SS_TRY(gather_picture(f, s, i, j, err));
    return SS_OK;
}
