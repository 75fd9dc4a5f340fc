/* The report's files. The store's other files are only read. */
#include "report/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "io/csv.h"
#include "report/latex.h"
#include "report/sections.h"

static const page_section SECTIONS[] = {
    {"answer", "The answer", section_answer},
    {"failed", "Failed images", section_failed},
    {"question", "What was asked", section_question},
    {"images", "Sample images", section_pictures},
    {"metrics", "Every metric", section_metrics},
    {"effects", "Effects", section_effects},
    {"dose", "Effect against k and dose", section_dose},
    {"tags", "Effects by tag", section_tags},
    {"classes", "Effects by class of the suppressed sinks", section_classes},
    {"accuracy", "Accuracy by tag", section_accuracy},
    {"scores", "Scores by condition and tag", section_scores},
    {"sets", "Distances of sets of images", section_sets},
    {"paths", "Distance from the baseline's path", section_paths},
    {"mass", "Attention by block and step", section_mass},
    {"sinks", "What the sinks are", section_sinks},
    {"published", "Beside the paper's numbers", section_published},
    {"checks", "Checks", section_checks},
    {"repeat", "How to repeat it", section_repeat},
};

/* The study and its model, in one line above the title. */
static void add_kicker(const report_facts *f, text *out) {
    const char *model = strrchr(f->study->model, '/');
    int64_t prompts = 0;
    for (int i = 0; i < f->tags.rows; i++) prompts += report_whole(&f->tags, i, 1);
    text_addf(out, "sinkscope report · %s · ", model ? model + 1 : f->study->model);
    text_add_grouped(out, prompts);
    text_addf(out, " prompts × %d seed%s · ", f->study->n_seeds, f->study->n_seeds == 1 ? "" : "s");
    text_add_grouped(out, f->analysis->images);
    text_add(out, " images");
}

void report_page(const report_facts *f, text *out) {
    text kicker = {0};
    add_kicker(f, &kicker);
    page_write(f->study->name, text_for(&kicker, out), f->study->question, SECTIONS, sizeof SECTIONS / sizeof *SECTIONS,
               f, out);
    text_free(&kicker);
}

void report_effects_csv(const analysis *a, text *out) {
    text_add(out, "contrast,k,metric,primary,readable_only,");
    int any_failed = 0;
    for (int i = 0; i < a->n_rows; i++) any_failed |= stats_contrast_failed(&a->rows[i].stats);
    stats_contrast_add_csv_header(any_failed, out);
    text_add(out, ",reads\n");
    for (int i = 0; i < a->n_rows; i++) {
        const analysis_row *r = &a->rows[i];
        csv_add_text(out, 0, r->contrast->name);
        if (r->contrast->k >= 0) csv_add_int(out, 1, r->contrast->k);
        else csv_add_text(out, 1, "");
        csv_add_text(out, 2, r->metric);
        csv_add_int(out, 3, r->is_primary);
        csv_add_int(out, 4, r->without_unreadable);
        text_add(out, ",");
        stats_contrast_add_csv_row(&r->stats, any_failed, out);
        csv_add_text(out, 1, r->reads);
        csv_add_end(out);
    }
}

/* "metric,contrast,k" of a row. */
static void add_row_name(text *out, const analysis_row *r) {
    csv_add_text(out, 0, r->metric);
    csv_add_text(out, 1, r->contrast->name);
    if (r->contrast->k >= 0) csv_add_int(out, 2, r->contrast->k);
    else csv_add_text(out, 2, "");
}

/* Headings, and the number of failed images as a last column where there are some. */
static void add_parts_csv(const analysis_tag *part, int n, const char *heading, text *out) {
    int failed = 0;
    for (int i = 0; i < n; i++) failed |= part[i].failed > 0;
    text_addf(out, "%s%s\n", heading, failed ? ",failed" : "");
    for (int i = 0; i < n; i++) {
        const analysis_tag *t = &part[i];
        add_row_name(out, t->row);
        csv_add_text(out, 3, t->tag);
        csv_add_int(out, 4, t->n);
        csv_add_double(out, 5, stats_value(t->mean), 17);
        csv_add_double(out, 6, stats_value(t->ci_low), 17);
        csv_add_double(out, 7, stats_value(t->ci_high), 17);
        if (failed) csv_add_int(out, 8, t->failed);
        csv_add_end(out);
    }
}

void report_tags_csv(const analysis *a, text *out) {
    add_parts_csv(a->by_tag, a->n_by_tag, "metric,contrast,k,tag,n,mean,low,high", out);
}

void report_classes_csv(const analysis *a, text *out) {
    add_parts_csv(a->by_class, a->n_by_class, "metric,contrast,k,class,n,mean,low,high", out);
}

void report_trends_csv(const analysis *a, text *out) {
    int failed = 0;
    for (int i = 0; i < a->n_trends; i++) failed |= a->trends[i].failed > 0;
    text_addf(out, "metric,contrast,k,k_last,levels,n,slope,low,high,l,p,method%s\n", failed ? ",failed" : "");
    for (int i = 0; i < a->n_trends; i++) {
        const analysis_trend *t = &a->trends[i];
        add_row_name(out, t->first);
        csv_add_int(out, 3, t->last->contrast->k);
        csv_add_int(out, 4, t->stats.levels);
        csv_add_int(out, 5, t->stats.n);
        csv_add_double(out, 6, stats_value(t->stats.slope), 17);
        csv_add_double(out, 7, stats_value(t->stats.slope_low), 17);
        csv_add_double(out, 8, stats_value(t->stats.slope_high), 17);
        csv_add_double(out, 9, stats_value(t->stats.l), 17);
        csv_add_double(out, 10, stats_value(t->stats.p), 17);
        csv_add_text(out, 11, analysis_trend_method(&t->stats));
        if (failed) csv_add_int(out, 12, t->failed);
        csv_add_end(out);
    }
}

void report_accuracy_csv(const analysis *a, text *out) {
    text_add(out, "metric,condition,tag,images,right,unreadable,low,high\n");
    for (int i = 0; i < a->n_accuracy; i++) {
        const analysis_accuracy *c = &a->accuracy[i];
        csv_add_text(out, 0, c->metric);
        csv_add_text(out, 1, c->condition);
        csv_add_text(out, 2, c->tag);
        csv_add_int(out, 3, c->images);
        csv_add_int(out, 4, c->right);
        csv_add_int(out, 5, c->unreadable);
        csv_add_double(out, 6, stats_value(c->interval.low), 17);
        csv_add_double(out, 7, stats_value(c->interval.high), 17);
        csv_add_end(out);
    }
}

void report_scores_csv(const analysis *a, text *out) {
    int failed = 0;
    for (int i = 0; i < a->n_means; i++) failed |= a->means[i].failed > 0;
    text_addf(out, "metric,condition,tag,n,images,mean,low,high%s\n", failed ? ",failed" : "");
    for (int i = 0; i < a->n_means; i++) {
        const analysis_mean *m = &a->means[i];
        csv_add_text(out, 0, m->metric);
        csv_add_text(out, 1, m->condition);
        csv_add_text(out, 2, m->tag);
        csv_add_int(out, 3, m->n);
        csv_add_int(out, 4, m->images);
        csv_add_double(out, 5, stats_value(m->mean), 17);
        csv_add_double(out, 6, stats_value(m->low), 17);
        csv_add_double(out, 7, stats_value(m->high), 17);
        if (failed) csv_add_int(out, 8, m->failed);
        csv_add_end(out);
    }
}

static ss_status write_tables(const report_facts *f, const char *folder, ss_error *err) {
    const struct {
        const char *name;
        const report_table *table;
    } FILES[] = {{CSV_MASS, &f->baseline},   {CSV_EDITS, &f->means}, {CSV_CENSUS, &f->classes},
                 {CSV_BLOCKS, &f->blocks},   {CSV_WORDS, &f->words}, {CSV_PLACES, &f->places},
                 {CSV_MODULES, &f->modules}, {CSV_PATHS, &f->paths}, {CSV_SETS, &f->sets}};
    for (int i = 0; i < (int)(sizeof FILES / sizeof *FILES); i++) {
        text t = {0};
        if (FILES[i].table->rows == 0) continue;
        report_table_add_csv(FILES[i].table, &t);
        SS_TRY(file_write_text(folder, FILES[i].name, &t, err));
    }
    return SS_OK;
}

static ss_status write_files(const report_facts *f, const char *folder, ss_error *err) {
    static const struct {
        const char *name;
        void (*write)(const analysis *, text *);
    } FILES[] = {{CSV_EFFECTS, report_effects_csv}, {CSV_ACCURACY, report_accuracy_csv},
                 {CSV_SCORES, report_scores_csv},   {CSV_TAGS, report_tags_csv},
                 {CSV_CLASSES, report_classes_csv}, {CSV_TRENDS, report_trends_csv}};
    text t = {0};
    SS_TRY(file_make_folder(folder, err));
    for (int i = 0; i < (int)(sizeof FILES / sizeof *FILES); i++) {
        FILES[i].write(f->analysis, &t);
        SS_TRY(file_write_text(folder, FILES[i].name, &t, err));
    }
    SS_TRY(write_tables(f, folder, err));
    if (f->analysis->n_failed) {
        report_failed_csv(f->analysis, &t);
        SS_TRY(file_write_text(folder, CSV_FAILED, &t, err));
    }
    latex_tables(f, &t);
    SS_TRY(file_write_text(folder, "tables.tex", &t, err));
    report_page(f, &t);
    return file_write_text(folder, "index.html", &t, err);
}

ss_status report_write(const store *s, const analysis *a, const char *folder, const char *command_to_repeat,
                       ss_error *err) {
    report_facts f;
    ss_status status = facts_gather(&f, s, a, command_to_repeat, err);
    if (status == SS_OK) status = write_files(&f, folder, err);
    facts_free(&f);
    return status;
}
