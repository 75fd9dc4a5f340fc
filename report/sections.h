/* The parts of a report, in the order of the page (report.c lists them). Each writes HTML from the facts (a
 * report_facts) below its heading, or nothing where the study has nothing of the kind. */
#ifndef REPORT_SECTIONS_H
#define REPORT_SECTIONS_H

#include "report/facts.h"

void section_answer(const void *facts, text *out);   /* section_answer.c */
void section_question(const void *facts, text *out); /* section_question.c */
void section_repeat(const void *facts, text *out);
void section_failed(const void *facts, text *out);   /* section_failed.c */
void section_pictures(const void *facts, text *out); /* section_pictures.c */
void section_metrics(const void *facts, text *out);  /* section_metrics.c */
void section_effects(const void *facts, text *out);  /* section_effects.c */
void section_dose(const void *facts, text *out);     /* section_dose.c */
void section_tags(const void *facts, text *out);     /* section_tags.c */
void section_classes(const void *facts, text *out);
void section_scores(const void *facts, text *out);
void section_accuracy(const void *facts, text *out); /* section_accuracy.c */
void section_sets(const void *facts, text *out);     /* section_sets.c */

/* Columns of facts' sets (sets_select); whether a row's metric has random weights; "0.012" and "[0.004, 0.031]" of it:
 * distances of sets may be very small, and have significant digits where there is no interval. */
enum { SETS_METRIC, SETS_CONDITION, SETS_ROLE, SETS_N, SETS_N_BASELINE, SETS_VALUE, SETS_LOW, SETS_HIGH, SETS_OPTIONS };
int sets_are_random(const report_table *t, int row);
void sets_add_apart(text *number, text *interval, const report_table *t, int row);

void section_paths(const void *facts, text *out); /* section_paths.c */
void paths_add_figures(const report_table *t, const char *csv, text *out);
void section_mass(const void *facts, text *out);      /* section_mass.c */
void section_sinks(const void *facts, text *out);     /* section_sinks.c */
void section_published(const void *facts, text *out); /* section_published.c */
void section_checks(const void *facts, text *out);    /* section_checks.c */

/* Files beside the page, named where their numbers are shown. */
#define CSV_EFFECTS "effects.csv"
#define CSV_TRENDS "trends.csv"
#define CSV_TAGS "effects-by-tag.csv"
#define CSV_CLASSES "effects-by-class.csv"
#define CSV_ACCURACY "accuracy.csv"
#define CSV_SCORES "scores-by-tag.csv"
#define CSV_MASS "baseline-sites.csv"
#define CSV_EDITS "edited-sites.csv"
#define CSV_CENSUS "sinks-by-class.csv"
#define CSV_BLOCKS "sinks-by-block.csv"
#define CSV_MODULES "blocks.csv"
#define CSV_WORDS "sinks-by-word.csv"
#define CSV_PATHS "trajectories.csv"
#define CSV_SETS "sets.csv"
#define CSV_FAILED "failed.csv"
#define CSV_PLACES "sinks-in-image.csv"

/* " name (kind)" of a block, in small letters, where the model has several kinds of attention. */
void section_add_module(text *out, const report_facts *f, int64_t block);

#endif
