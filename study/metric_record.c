/* What is recorded of a metric beside its values: its options as one would write them, and one checksum over all that
 * decides a value: the name, the options, the bytes of every file that they name. Paths do not count. */
#include "study/study.h"

#include <string.h>
#include "base/file.h"
#include "score/weights.h"

/* SHA-256 of one file, or of the files of a folder (what opening reads lies in it). */
static ss_status hash_path(const char *path, text *out, ss_error *err) {
    sha256_hex hash;
    if (file_is_folder(path)) return weights_hash_folder(path, out, err);
    SS_TRY(file_hash(path, hash, err));
    text_addf(out, " %s", hash);
    return SS_OK;
}

ss_status study_metric_hash(const study_metric *m, sha256_hex out, ss_error *err) {
    text all = {0};
    int i = 0;
    ss_status status = SS_OK;
    text_add(&all, m->row->about.name);
    for (const option *o = m->row->about.options; status == SS_OK && o && o->name; o++, i++) {
        const char *value = m->options[i].text ? m->options[i].text : "";
        text_addf(&all, "\n%s:", o->name);
        if (o->type == OPTION_PATH && *value) status = hash_path(value, &all, err);
        else text_addf(&all, " %s", value);
    }
    if (status == SS_OK && all.failed) status = error_no_memory(err, "a checksum", all.len);
    if (status == SS_OK) sha256_of(all.s, all.len, out);
    text_free(&all);
    return status;
}

ss_status study_metric_describe(const study_metric *m, text *out, ss_error *err) {
    sha256_hex hash;
    int i = 0;
    for (const option *o = m->row->about.options; o && o->name && i < STUDY_MAX_OPTIONS; o++, i++)
        text_addf(out, "%s%s: %s", i ? ", " : "", o->name, m->options[i].text ? m->options[i].text : "");
    if (i) {
        SS_TRY(study_metric_hash(m, hash, err));
        text_addf(out, ", " STUDY_METRIC_CHECKSUM "%s", hash);
    }
    if (m->is_random) text_add(out, ", " STUDY_RANDOM_WEIGHTS);
    return out->failed ? error_no_memory(err, "options", out->len) : SS_OK;
}

ss_status study_note_metrics(const study_metric *m, int n, notices *list, ss_error *err) {
    for (int i = 0; i < n; i++)
        if (m[i].is_random)
            SS_TRY(notices_add(list, err, "the metric '%s' has random weights: its values mean nothing",
                               m[i].row->about.name));
    return SS_OK;
}

int study_metric_same(const char *described, const char *other) {
    const char *a = strstr(described, STUDY_METRIC_CHECKSUM), *b = strstr(other, STUDY_METRIC_CHECKSUM);
    size_t n = sizeof STUDY_METRIC_CHECKSUM - 1 + sizeof(sha256_hex) - 1;
    return !a || !b || strncmp(a, b, n) == 0; /* older stores have none */
}
