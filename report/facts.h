/* The data of a report: the analysis, tables from the store, images. They are read-only; pages, CSV and LaTeX are
 * written from them alone, so equal facts give equal bytes. */
#ifndef REPORT_FACTS_H
#define REPORT_FACTS_H

#include "report/page.h"
#include "report/table.h"
#include "base/notices.h"
#include "base/sha256.h"
#include "analysis/analyse.h"

enum { FACTS_MAX_PICTURE_ROWS = 8, FACTS_MAX_PICTURE_COLUMNS = 16 };

/* One image of the samples. */
typedef struct facts_picture {
    text img;     /* <img> with the pixels inside; empty where the image was not made */
    double value; /* on the primary metric; NAN = none */
    int unreadable, failed;
    char *note; /* owned, may be NULL */
} facts_picture;

/* A prompt and seed of the samples. */
typedef struct facts_sample {
    int64_t prompt;
    image_seed seed;
    char *words, *tag, *swapped; /* owned; tag and swapped may be NULL */
} facts_sample;

/* A name and its value, for versions, classes and hashes. */
typedef struct facts_entry {
    char *name, *value; /* owned */
} facts_entry;

typedef struct report_facts {
    const analysis *analysis;
    const study *study;
    const char *store_folder, *command; /* command: repeats the study */

    report_table tags;     /* tag, prompts */
    report_table baseline; /* block, step, every probe column: means over heads, branches and images */
    report_table means;    /* condition, every probe column: means over all sites */
    report_table
        classes; /* token_class, sinks, share, strongest, mean_mass, keys: shares of all (strongest) sinks, of keys */
    report_table blocks;       /* block, token_class, share: among the block's sinks */
    report_table words;        /* segment, token_class, word, sinks, share, mean_mass */
    report_table places;       /* row, column, sinks, grid_height, grid_width: in the image, on the grid of the block */
    report_table modules;      /* block, name, kind, heads, queries, keys, segments: the model's blocks */
    report_table paths;        /* condition, step, latent_rmse, velocity_cosine: means over images */
    report_table sets;         /* metric, condition, role, n, n_baseline, value, low, high, options */
    int kinds;                 /* kinds of attention in the model; a single one need not be named */
    sha256_hex prompts_sha256; /* of the drawn prompts' texts in order, each with a line feed behind it */
    double first_image_key;    /* share of the heaviest keys that are the first image key; NAN = no census */

    int n_samples, n_columns;
    facts_sample sample[FACTS_MAX_PICTURE_ROWS];
    int column[FACTS_MAX_PICTURE_COLUMNS];                                    /* conditions */
    facts_picture picture[FACTS_MAX_PICTURE_ROWS][FACTS_MAX_PICTURE_COLUMNS]; /* [sample][column] */

    int n_entries;
    facts_entry *entry;
    report_table cuts; /* branch, encoder, prompts: texts that are longer than the encoder takes */
    notices notices;   /* of the manifest */
} report_facts;

/* Ask the store. `a` must outlive the facts. Free with facts_free, also after a failure. */
ss_status facts_gather(report_facts *out, const store *s, const analysis *a, const char *command, ss_error *err);
void facts_free(report_facts *f);

/* gather_pictures.c, gather_provenance.c: parts of facts_gather. */
ss_status facts_gather_pictures(report_facts *f, const store *s, ss_error *err);
ss_status facts_gather_provenance(report_facts *f, const store *s, ss_error *err);

#endif
