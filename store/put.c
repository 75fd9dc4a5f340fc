/* One unit into the store: files first (temporary name, sync, rename, sync of the folder), then the one transaction
 * that makes it part of the store. A failure before the commit leaves unreferenced files. */
#include "store/internal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/folder.h"
#include "io/hdf5.h"
#include "io/png.h"

/* GenEval's layout: images/CONDITION/PROMPT/samples/SEED.png, relative to the store. */
static void put_add_prompt_folder(const plan *p, const plan_unit *u, text *out) {
    text_addf(out, "images/%s/%05d", p->study->condition[u->condition].folder, u->prompt);
}

/* ---- folders ---- */

/* Make the folders of `relative` (a path of folders) below the store; a new one's parent is synced. */
static ss_status make_folders(const store *s, const char *relative, ss_error *err) {
    char *path = file_join(s->folder, relative);
    if (!path) return error_no_memory(err, "a file name", 1);
    ss_status status = SS_OK;
    for (char *p = path + strlen(s->folder) + 1; status == SS_OK; p++) {
        if (*p != '/' && *p != '\0') continue;
        char keep = *p;
        *p = '\0';
        if (mkdir(path, 0777) == 0) status = folder_sync_of(path, err);
        else if (errno != EEXIST) status = error_set_errno(err, SS_ERR_RESOURCE, path, "cannot make the folder");
        *p = keep;
        if (keep == '\0') break;
    }
    free(path);
    return status;
}

static ss_status write_metadata(const store *s, const plan *p, const plan_unit *u, const char *folder, ss_error *err) {
    const geneval_prompt *g = &p->prompts.prompt[u->prompt];
    text path = {0}, line = {0};
    text_addf(&path, "%s/%s/metadata.jsonl", s->folder, folder);
    if (g->line) text_add(&line, g->line);
    else {
        text_add(&line, "{\"prompt\": ");
        text_add_json(&line, g->prompt);
        text_add(&line, "}");
    }
    text_add(&line, "\n");
    ss_status status = SS_OK;
    if (path.failed || line.failed) status = error_no_memory(err, "a prompt's metadata", 1);
    else if (!file_exists(path.s)) status = file_write(path.s, line.s, line.len, err);
    text_free(&path);
    text_free(&line);
    return status;
}

/* ---- files ---- */

static ss_status write_image(const store *s, const plan *p, const store_result *r, text *relative, ss_error *err) {
    const plan_unit *u = r->unit;
    const plan_condition *c = &p->condition[u->condition];
    const study_condition *condition = &p->study->condition[u->condition];
    text folder = {0}, settings = {0};
    seed_text seed;
    put_add_prompt_folder(p, u, &folder);
    text_addf(relative, "%s/samples/%04d.png", text_for(&folder, relative), u->seed_index);
    settings_add_words(&c->settings, &settings);
    seed_write(plan_unit_seed(p, u), seed);
    char *samples = folder.failed ? NULL : file_join(folder.s, "samples");
    char *path = relative->failed ? NULL : file_join(s->folder, relative->s);
    ss_status status = SS_OK;
    if (!samples || !path || settings.failed) status = error_no_memory(err, "a file name", 1);
    if (status == SS_OK) status = make_folders(s, samples, err);
    if (status == SS_OK) status = write_metadata(s, p, u, folder.s, err);
    if (status == SS_OK) {
        const png_note notes[] = {{"prompt", plan_unit_prompt(p, u)},
                                  {"seed", seed},
                                  {"sampler", settings.s},
                                  {"condition", condition->name},
                                  {"study", p->study->name}};
        status = png_write(path, r->image, notes, sizeof notes / sizeof *notes, err);
    }
    free(samples);
    free(path);
    text_free(&folder);
    text_free(&settings);
    return status;
}

/* All masses as [step, block, head, branch, key]; NAN where nothing was visited. */
static float *gather_masses(const attn_run *run, attn_shape shape, int branches) {
    size_t keys = (size_t)shape.keys;
    float *out = malloc((size_t)shape.steps * (size_t)shape.blocks * (size_t)shape.heads * (size_t)branches * keys *
                        sizeof *out);
    float *to = out;
    for (int s = 0; out && s < shape.steps; s++)
        for (int b = 0; b < shape.blocks; b++)
            for (int h = 0; h < shape.heads; h++)
                for (int g = 0; g < branches; g++, to += keys) {
                    const float *m = attn_run_masses(run, s, b, h, (attn_branch)g);
                    for (size_t k = 0; k < keys; k++) to[k] = m ? m[k] : NAN;
                }
    return out;
}

static ss_status write_trace(const store *s, const plan *p, const store_result *r, text *relative, sha256_hex hash,
                             ss_error *err) {
    attn_shape shape = attn_run_shape(r->run);
    int branches = r->key_class[BRANCH_UNCOND] ? 2 : 1;
    hdf5_writer *w = NULL;
    text_addf(relative, "traces/%lld.h5", (long long)r->unit->id);
    char *path = relative->failed ? NULL : file_join(s->folder, relative->s);
    float *masses = gather_masses(r->run, shape, branches);
    hdf5_array array = {.name = "mass",
                        .ndim = 5,
                        .shape = {shape.steps, shape.blocks, shape.heads, branches, shape.keys},
                        .dims = {"step", "block", "head", "branch", "key"},
                        .data = masses};
    ss_status status = path && masses ? make_folders(s, "traces", err) : error_no_memory(err, "a trace", 1);
    SS_TRY_GOTO(status, done);
    SS_TRY_GOTO(hdf5_create(&w, path, err), done);
    SS_TRY_GOTO(hdf5_put_text(w, "prompt", p->prompts.prompt[r->unit->prompt].prompt, err), done);
    SS_TRY_GOTO(hdf5_put_seed(w, "seed", r->unit->seed, err), done);
    SS_TRY_GOTO(hdf5_put_text(w, "condition", p->study->condition[r->unit->condition].name, err), done);
    SS_TRY_GOTO(hdf5_put_array(w, &array, err), done);
    status = hdf5_commit(w, err);
    w = NULL;
    if (status == SS_OK) status = file_hash(path, hash, err);
done:
    hdf5_abandon(w);
    free(masses);
    free(path);
    return status;
}

/* ---- rows ---- */

/* As a whole number where SQLite has it; from 2^63 on its digits, as text. */
static void bind_seed(sqlite3_stmt *q, int column, image_seed seed, seed_text digits) {
    if (seed_is_int64(seed)) sqlite3_bind_int64(q, column, seed_key(seed));
    else sqlite3_bind_text(q, column, seed_write(seed, digits), -1, SQLITE_STATIC);
}

static ss_status put_unit(store *s, const store_result *r, const char *image, const char *pixels, const char *trace,
                          const char *trace_hash, ss_error *err) {
    sqlite3_stmt *q = s->statement[PUT_UNIT];
    const plan_unit *u = r->unit;
    seed_text seed;
    sqlite3_bind_int64(q, 1, u->id);
    sqlite3_bind_int(q, 2, u->prompt);
    bind_seed(q, 3, u->seed, seed);
    sqlite3_bind_int(q, 4, u->condition);
    sqlite3_bind_int(q, 5, s->numeric_class);
    sqlite3_bind_text(q, 6, image, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 7, pixels, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 8, trace, -1, SQLITE_STATIC); /* NULL binds NULL */
    sqlite3_bind_text(q, 9, trace ? trace_hash : NULL, -1, SQLITE_STATIC);
    return store_step(s, q, "table unit", err);
}

ss_status store_put_score(store *s, int64_t unit, int number, const metric_value *v, ss_error *err) {
    sqlite3_stmt *q = s->statement[isfinite(v->value) ? PUT_SCORE : PUT_SCORE_FAILURE];
    sqlite3_bind_int64(q, 1, unit);
    if (!isfinite(v->value)) {
        sqlite3_bind_int(q, 2, number);
        sqlite3_bind_text(q, 3,
                          *v->note          ? v->note
                          : isnan(v->value) ? "it is not a number"
                                            : "it is infinite",
                          -1, SQLITE_STATIC);
        return store_step(s, q, "table score_failure", err);
    }
    sqlite3_bind_int(q, 2, number);
    sqlite3_bind_double(q, 3, v->value);
    sqlite3_bind_int(q, 4, v->unreadable);
    sqlite3_bind_text(q, 5, v->note, -1, SQLITE_STATIC);
    return store_step(s, q, "table score", err);
}

static void bind_site(sqlite3_stmt *q, int64_t unit, int step, int block, int head, int branch) {
    sqlite3_bind_int64(q, 1, unit);
    sqlite3_bind_int(q, 2, step);
    sqlite3_bind_int(q, 3, block);
    sqlite3_bind_int(q, 4, head);
    sqlite3_bind_int(q, 5, branch);
}

static ss_status put_site(store *s, const plan *p, const store_result *r, int step, int block, int head, int branch,
                          ss_error *err) {
    sqlite3_stmt *q = s->statement[PUT_SITE];
    const float *columns = attn_run_site(r->run, step, block, head, (attn_branch)branch);
    int any = 0;
    for (int i = 0; columns && i < s->probe_columns; i++) any |= !isnan(columns[i]);
    if (any) {
        bind_site(q, r->unit->id, step, block, head, branch);
        for (int i = 0; i < s->probe_columns; i++)
            if (isnan(columns[i])) sqlite3_bind_null(q, 6 + i);
            else sqlite3_bind_double(q, 6 + i, (double)columns[i]);
        SS_TRY(store_step(s, q, "table site", err));
    }
    const attn_sink *sink = NULL;
    int n = s->study->top > 0 ? attn_run_sinks(r->run, step, block, head, (attn_branch)branch, &sink) : 0;
    const uint8_t *class = p->block[block].kind == ATTN_SELF ? NULL : r->key_class[branch]; /* NULL: all are image */
    q = s->statement[PUT_SINK];
    for (int i = 0; i < n; i++) {
        bind_site(q, r->unit->id, step, block, head, branch);
        sqlite3_bind_int(q, 6, i);
        sqlite3_bind_int(q, 7, sink[i].key);
        sqlite3_bind_int(q, 8, class ? class[sink[i].key] : KEY_IMAGE);
        sqlite3_bind_double(q, 9, (double)sink[i].mass);
        SS_TRY(store_step(s, q, "table sink", err));
    }
    return SS_OK;
}

static ss_status put_sites(store *s, const plan *p, const store_result *r, ss_error *err) {
    attn_shape shape = attn_run_shape(r->run);
    if (s->probe_columns == 0 && s->study->top == 0) return SS_OK;
    for (int step = 0; step < shape.steps; step++)
        for (int block = 0; block < shape.blocks; block++)
            for (int head = 0; head < p->block[block].heads; head++)
                for (int branch = 0; branch < 2; branch++) SS_TRY(put_site(s, p, r, step, block, head, branch, err));
    return SS_OK;
}

static ss_status put_trajectory(store *s, const store_result *r, ss_error *err) {
    sqlite3_stmt *q = s->statement[PUT_POINT];
    for (int step = 0; step < r->trajectory->steps; step++) {
        const trajectory_point *x = &r->trajectory->point[step];
        sqlite3_bind_int64(q, 1, r->unit->id);
        sqlite3_bind_int(q, 2, step);
        sqlite3_bind_double(q, 3, x->latent_rmse);
        if (isnan(x->velocity_cosine)) sqlite3_bind_null(q, 4);
        else sqlite3_bind_double(q, 4, x->velocity_cosine);
        SS_TRY(store_step(s, q, "table trajectory", err));
    }
    return SS_OK;
}

/* Where the condition's interventions acted. */
static ss_status put_actions(store *s, const plan *p, const store_result *r, ss_error *err) {
    sqlite3_stmt *q = s->statement[PUT_ACTION];
    for (int i = 0; i < p->condition[r->unit->condition].program.n; i++) {
        sqlite3_bind_int64(q, 1, r->unit->id);
        sqlite3_bind_int(q, 2, i);
        sqlite3_bind_int64(q, 3, attn_run_acted(r->run, i));
        SS_TRY(store_step(s, q, "table action", err));
    }
    return SS_OK;
}

ss_status store_put_worst(store *s, int64_t unit, int number, const metric *m, ss_error *err) {
    metric_value worst = {.value = m->worst};
    snprintf(worst.note, sizeof worst.note, "failed: there is no picture");
    return store_put_score(s, unit, number, &worst, err);
}

/* A unit that has failed: done, without an image. */
static ss_status put_failure(store *s, const plan *p, const store_result *r, ss_error *err) {
    sqlite3_stmt *q = s->statement[PUT_FAILURE];
    const study *y = p->study;
    SS_TRY(put_unit(s, r, NULL, NULL, NULL, NULL, err));
    sqlite3_bind_int64(q, 1, r->unit->id);
    if (r->failure->step >= 0) sqlite3_bind_int(q, 2, r->failure->step);
    else sqlite3_bind_null(q, 2);
    sqlite3_bind_text(q, 3, r->failure->reason, -1, SQLITE_STATIC);
    SS_TRY(store_step(s, q, "table failure", err));
    for (int i = 0; i < y->n_metrics; i++)
        if (y->metric[i].row->has_worst) SS_TRY(store_put_worst(s, r->unit->id, i, y->metric[i].row, err));
    return SS_OK;
}

static ss_status put_rows(store *s, const plan *p, const store_result *r, const char *image, const char *trace,
                          const char *trace_hash, ss_error *err) {
    sha256_hex pixels;
    if (r->failure) return put_failure(s, p, r, err);
    rgb_image_hash(r->image, pixels);
    SS_TRY(put_unit(s, r, image, pixels, trace, trace_hash, err));
    for (int i = 0; i < r->n_scores; i++) {
        int number = (int)(r->score[i].metric - p->study->metric);
        SS_TRY(store_put_score(s, r->unit->id, number, &r->score[i].value, err));
    }
    if (r->trajectory) SS_TRY(put_trajectory(s, r, err));
    if (!r->run) return SS_OK;
    SS_TRY(put_actions(s, p, r, err));
    return put_sites(s, p, r, err);
}

ss_status store_put(store *s, const plan *p, const store_result *r, ss_error *err) {
    text image = {0}, trace = {0};
    sha256_hex trace_hash = "";
    ss_status status = r->failure ? SS_OK : write_image(s, p, r, &image, err);
    if (status == SS_OK && !r->failure && s->study->keep_masses && r->run)
        status = write_trace(s, p, r, &trace, trace_hash, err);
    if (status == SS_OK) status = store_begin(s, err);
    if (status == SS_OK) {
        status = put_rows(s, p, r, image.s, trace.s, trace_hash, err);
        if (status == SS_OK) status = store_commit(s, err);
        if (status != SS_OK) store_rollback(s);
    }
    text_free(&image);
    text_free(&trace);
    return status;
}

static ss_status put_tokens(store *s, const plan *p, int prompt, const embedding *e, ss_error *err) {
    sqlite3_stmt *q = s->statement[PUT_TOKEN];
    int branches = p->settings.guidance > 1 ? 2 : 1;
    for (int branch = 0; branch < branches; branch++) {
        const uint8_t *classes = embedding_key_classes(e, (attn_branch)branch);
        for (int key = 0; classes && key < embedding_keys(e); key++) {
            const char *word = embedding_key_word(e, (attn_branch)branch, key);
            if (classes[key] == KEY_IMAGE) continue;
            sqlite3_bind_int(q, 1, prompt);
            sqlite3_bind_int(q, 2, branch);
            sqlite3_bind_int(q, 3, key);
            sqlite3_bind_int(q, 4, classes[key]);
            sqlite3_bind_text(q, 5, word ? word : "", -1, SQLITE_STATIC);
            SS_TRY(store_step(s, q, "table token", err));
        }
    }
    return SS_OK;
}

ss_status store_put_tokens(store *s, const plan *p, int prompt, const embedding *e, ss_error *err) {
    SS_TRY(store_begin(s, err));
    ss_status status = put_tokens(s, p, prompt, e, err);
    if (status == SS_OK) status = store_commit(s, err);
    if (status != SS_OK) store_rollback(s);
    return status;
}

static ss_status put_cut(store *s, int prompt, attn_branch branch, const char *text_, const text_cut *cut,
                         ss_error *err) {
    sqlite3_stmt *q = s->statement[PUT_CUT];
    text words = {0};
    text_cut_add_words(cut, text_, &words);
    ss_status status = words.failed ? error_no_memory(err, "words of a prompt", words.len) : SS_OK;
    if (status == SS_OK) {
        sqlite3_bind_int(q, 1, prompt);
        sqlite3_bind_int(q, 2, branch);
        sqlite3_bind_text(q, 3, cut->encoder, -1, SQLITE_STATIC);
        sqlite3_bind_int(q, 4, cut->tokens);
        sqlite3_bind_int(q, 5, cut->kept);
        sqlite3_bind_text(q, 6, words.s ? words.s : "", -1, SQLITE_STATIC);
        status = store_step(s, q, "table cut", err);
    }
    text_free(&words);
    return status;
}

ss_status store_put_cuts(store *s, int prompt, attn_branch branch, const char *text_, const text_cut *cut, int n,
                         ss_error *err) {
    for (int i = 0; i < n; i++)
        if (cut[i].kept < cut[i].tokens) SS_TRY(put_cut(s, prompt, branch, text_, &cut[i], err));
    return SS_OK;
}
