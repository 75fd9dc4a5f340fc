/* The progress line and the answer; see progress.h. */
#include "cli/progress.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "analysis/analyse.h"
#include "store/sets.h"

void progress_begin(progress_line *line, const invocation *in, run_options *o) {
    *line = (progress_line){.active = isatty(STDERR_FILENO)};
    *o = (run_options){
        .progress = invocation_has(in, "quiet") ? NULL : progress_show, .user = line, .stop = invocation_stop(in)};
}

static void progress_add_duration(double seconds, text *out) {
    if (!isfinite(seconds)) text_add(out, "?");
    else if (seconds < 100) text_addf(out, "%d s", (int)ceil(seconds));
    else if (seconds < 6000) text_addf(out, "%d min", (int)ceil(seconds / 60));
    else text_addf(out, "%d h %02d min", (int)(seconds / 3600), (int)(seconds / 60) % 60);
}

/* sinks-at-block-12  texts encoded: 32/553 */
static void add_texts(const run_progress *now, text *out) {
    text_addf(out, "%s  texts encoded: ", now->study);
    text_add_grouped(out, now->texts_done);
    text_add(out, "/");
    text_add_grouped(out, now->texts_total);
}

/* sinks-at-block-12  312/1,280 images  24 %  5.1/s  3 min left  (unit: 'two stars', seed 2, like k=5) */
static void progress_add_images(const run_progress *now, int last, text *out) {
    text_addf(out, "%s  ", now->study);
    text_add_grouped(out, now->units_done);
    text_add(out, "/");
    text_add_grouped(out, now->units_total);
    text_addf(out, " images  %d %%  ", now->units_total ? (int)(100 * now->units_done / now->units_total) : 100);
    if (isfinite(now->units_per_second)) {
        text_add_double(out, now->units_per_second, 2);
        text_add(out, "/s  ");
    }
    if (last) return;
    progress_add_duration(now->seconds_left, out);
    text_add(out, " left");
    if (now->unit) text_addf(out, "  (unit: %s)", now->unit);
}

void progress_show(void *user, const run_progress *now) {
    progress_line *line = user;
    int last = now->units_done == now->units_total;
    if (!last && now->seconds - line->last_seconds < (line->active ? 0.2 : 15)) return;
    line->last_seconds = now->seconds;
    text t = {0};
    if (now->texts_done < now->texts_total) add_texts(now, &t);
    else progress_add_images(now, last, &t);
    if (!t.failed && line->active) fprintf(stderr, "\r%-*s%s", line->width, t.s, last ? "\n" : "");
    else if (!t.failed) fprintf(stderr, "%s\n", t.s);
    line->width = t.failed ? 0 : (int)t.len;
    text_free(&t);
}

ss_status cli_print(text *t, ss_error *err) {
    ss_status status = t->failed ? error_no_memory(err, "the output", t->len) : SS_OK;
    if (t->s && !t->failed) fputs(t->s, stdout);
    text_free(t);
    return status;
}

/* The main table, and how to go on. */
ss_status cli_print_answer(store *s, ss_error *err) {
    analysis *a;
    text t = {0};
    SS_TRY(analysis_make(&a, s, err));
    text_add(&t, "\n");
    analysis_describe(a, &t);
    analysis_describe_trends(a, &t);
    text_add(&t, "\n");
    analysis_describe_accuracy(a, &t);
    ss_status status = sets_describe(s, &t, err);
    text_addf(&t, "\nstore   %s\nreport  sinkscope report %s\nrepeat  sinkscope run %s/study.yaml -o NEW-FOLDER\n",
              store_folder(s), store_folder(s), store_folder(s));
    analysis_free(a);
    if (status == SS_OK) return cli_print(&t, err);
    text_free(&t);
    return status;
}
