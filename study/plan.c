/* From study and model to units: sampling of prompts, groups, counts and cost. The pipeline gives only shapes and
 * defaults; a plan does not depend on time, threads or what a store already holds. */
#include "study/plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/philox.h"
#include "study/plan_internal.h"
#include "study/swap.h"

/* ---- order ---- */

typedef struct ranked {
    double key; /* (rank within the tag + 1/2) / prompts of the tag: spreads every tag evenly over the order */
    int tag, item;
} ranked;

static int compare_ranked(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return x->tag != y->tag ? (x->tag < y->tag ? -1 : 1) : (x->item > y->item) - (x->item < y->item);
}

static const char *tag_of(const study *y, const geneval_prompt *p) { return y->stratify && p->tag ? p->tag : ""; }

/* Prompts in a seeded order, stratified by tag: order[i] is an index into p->prompts. */
static ss_status plan_order_prompts(const plan *p, int *order, ss_error *err) {
    const study *y = p->study;
    int n = p->prompts.n, tags = 0;
    ranked *r = malloc((size_t)n * sizeof *r);
    int *members = malloc((size_t)n * sizeof *members);
    if (!r || !members) {
        free(r);
        free(members);
        return error_no_memory(err, "the order of prompts", (unsigned long long)n);
    }
    for (int i = 0; i < n; i++) r[i] = (ranked){.tag = -1, .item = i};
    for (int i = 0; i < n; i++) {
        if (r[i].tag >= 0) continue;
        const char *tag = tag_of(y, &p->prompts.prompt[i]);
        int count = 0;
        for (int j = i; j < n; j++)
            if (strcmp(tag, tag_of(y, &p->prompts.prompt[j])) == 0) members[count++] = j;
        philox stream;
        philox_init(&stream, y->study_seed, (uint64_t[]){philox_hash_text("prompts"), philox_hash_text(tag)}, 2);
        for (int j = count - 1; j > 0; j--) {
            int k = (int)philox_below(&stream, (uint32_t)j + 1), t = members[j];
            members[j] = members[k];
            members[k] = t;
        }
        for (int j = 0; j < count; j++) {
            r[members[j]].tag = tags;
            r[members[j]].key = (j + 0.5) / count;
        }
        tags++;
    }
    qsort(r, (size_t)n, sizeof *r, compare_ranked);
    for (int i = 0; i < n; i++) order[i] = r[i].item;
    free(r);
    free(members);
    return SS_OK;
}

/* ---- units ---- */

/* The image seed of a prompt's seed_index-th group; those after the study's own are for calibration. */
static image_seed group_seed(const study *y, int prompt, int seed_index) {
    if (seed_index >= y->n_seeds) return y->calibration_seed[seed_index - y->n_seeds];
    image_seed seed = y->seed[y->seeds_by_prompt ? 0 : seed_index];
    if (y->seeds_by_prompt) seed_add(seed, prompt, &seed); /* check_seeds has looked at the range */
    return seed;
}

image_seed plan_unit_seed(const plan *p, const plan_unit *u) {
    image_seed seed = u->seed;
    seed_add(seed, p->study->condition[u->condition].seed_add, &seed); /* likewise */
    return seed;
}

static ss_status add_unit(plan *p, int prompt, int seed_index, int condition, ss_error *err) {
    const study *y = p->study;
    SS_TRY(ARRAY_ROOM(p->unit, p->unit_capacity, p->n_units + 1, "units", err));
    int64_t seeds = y->n_seeds + y->n_calibration;
    p->unit[p->n_units++] = (plan_unit){.id = (prompt * seeds + seed_index) * y->n_conditions + condition,
                                        .prompt = prompt,
                                        .seed_index = seed_index,
                                        .seed = group_seed(y, prompt, seed_index),
                                        .condition = condition};
    return SS_OK;
}

static ss_status add_group(plan *p, int prompt, int seed_index, int with_shams, ss_error *err) {
    const study *y = p->study;
    int calibration = seed_index >= y->n_seeds;
    plan_group g = {.prompt = prompt, .seed_index = seed_index, .first_unit = p->n_units};
    g.seed = group_seed(y, prompt, seed_index);
    for (int i = 0; i < y->n_conditions; i++) {
        condition_role role = y->condition[i].role;
        if (calibration != (role == CONDITION_CALIBRATION) || (role == CONDITION_SHAM && !with_shams)) continue;
        SS_TRY(add_unit(p, prompt, seed_index, i, err));
    }
    g.n_units = p->n_units - g.first_unit;
    p->group[p->n_groups++] = g;
    return SS_OK;
}

/* Groups in order of execution: prompts in their seeded order, the seeds of one together. `order` holds the `prompts`
 * drawn. `limit` takes groups seed by seed, so a small limit still covers many prompts. */
static ss_status lay_out(plan *p, const int *order, int prompts, ss_error *err) {
    const study *y = p->study;
    int64_t images = (int64_t)prompts * (y->n_seeds + y->n_calibration) * y->n_conditions;
    if (images > INT32_MAX)
        return error_set(err, SS_ERR_INPUT, y->prompts_file,
                         "gives %lld images: %d prompts x %d seeds x %d conditions; a study has at most %d. Sample the "
                         "prompts or take fewer seeds",
                         (long long)images, prompts, y->n_seeds + y->n_calibration, y->n_conditions, INT32_MAX);
    int all = prompts * y->n_seeds, drawn = p->limit > 0 && p->limit < all ? p->limit : all;
    int shams = y->sham_groups == STUDY_ALL ? drawn : y->sham_groups;
    p->group = calloc((size_t)prompts * (size_t)(y->n_seeds + y->n_calibration), sizeof *p->group);
    if (!p->group) return error_no_memory(err, "groups", (unsigned long long)all);
    for (int i = 0; i < prompts; i++) {
        if (i >= drawn) break;
        for (int s = 0; s < y->n_seeds; s++)
            if (s * prompts + i < drawn) SS_TRY(add_group(p, order[i], s, s * prompts + i < shams, err));
        for (int s = 0; s < y->n_calibration; s++) SS_TRY(add_group(p, order[i], y->n_seeds + s, 0, err));
        p->counts.prompts++;
    }
    return SS_OK;
}

static ss_status swap_prompts(plan *p, ss_error *err) {
    const study *y = p->study;
    p->swapped = calloc((size_t)p->prompts.n, sizeof *p->swapped);
    if (!p->swapped) return error_no_memory(err, "prompts", (unsigned long long)p->prompts.n);
    for (int i = 0; i < p->n_units; i++) {
        const plan_unit *u = &p->unit[i];
        if (y->condition[u->condition].prompt != PROMPT_SWAP_ATTRIBUTE || p->swapped[u->prompt]) continue;
        SS_TRY(swap_attribute(&p->prompts, u->prompt, y->study_seed, y->prompts_file, &p->swapped[u->prompt], err));
    }
    return SS_OK;
}

/* What the study requires of its prompts. */
static ss_status check_prompts(const plan *p, ss_error *err) {
    const study *y = p->study;
    if (p->prompts.n == 0) return error_set(err, SS_ERR_INPUT, y->prompts_file, "has no prompts");
    if (y->sample > p->prompts.n)
        return yaml_error(y->file, yaml_find(yaml_find(yaml_root(y->file), "prompts"), "sample"), NULL, err,
                          "sample is %d; the file has %d prompts", y->sample, p->prompts.n);
    for (int i = 0; i < y->n_metrics; i++)
        for (int j = 0; (y->metric[i].row->needs & METRIC_NEEDS_GENEVAL) && j < p->prompts.n; j++)
            if (p->prompts.prompt[j].n_include == 0)
                return error_set(err, SS_ERR_INPUT, y->prompts_file,
                                 "the metric '%s' needs GenEval metadata (*.jsonl); prompt %d has none",
                                 y->metric[i].row->about.name, j + 1);
    return SS_OK;
}

/* Every seed with what is added to it is one, and no prompt has one noise twice; the lists were looked at when they
 * were read. */
static ss_status plan_check_seeds(const plan *p, ss_error *err) {
    const study *y = p->study;
    seed_text first, second;
    for (int i = 0; y->seeds_by_prompt && i < y->n_calibration; i++) {
        uint32_t prompt = seed_noise(y->calibration_seed[i]) - seed_noise(y->seed[0]);
        if (prompt >= (uint32_t)p->prompts.n || y->store_version > 0) continue;
        image_seed own = group_seed(y, (int)prompt, 0);
        if (seed_compare(own, y->calibration_seed[i]) == 0)
            return error_set(err, SS_ERR_INPUT, y->path, "calibration seed %s is a seed of the study; expected others",
                             seed_write(own, first));
        return error_set(err, SS_ERR_INPUT, y->path,
                         "calibration seed %s and the seed %s of prompt %d are one noise: torch's generator takes "
                         "seeds modulo 2^32; expected seeds that differ",
                         seed_write(y->calibration_seed[i], first), seed_write(own, second), (int)prompt + 1);
    }
    for (int c = 0; c < y->n_conditions; c++)
        for (int i = 0; i < y->n_seeds; i++) {
            image_seed at = y->seed[i];
            if ((!y->seeds_by_prompt || seed_add(at, p->prompts.n - 1, &at) == 0) &&
                seed_add(at, y->condition[c].seed_add, &at) == 0 &&
                seed_add(y->seed[i], y->condition[c].seed_add, &at) == 0)
                continue;
            return error_set(err, SS_ERR_INPUT, y->path,
                             "condition '%s': the seed %s with what is added to it is beyond -2^63 to 2^64 - 1",
                             y->condition[c].name, seed_write(y->seed[i], first));
        }
    return SS_OK;
}

/* Every metric can score images of this size. */
static ss_status check_size(const plan *p, ss_error *err) {
    const study *y = p->study;
    int least = p->settings.width < p->settings.height ? p->settings.width : p->settings.height;
    for (int i = 0; i < y->n_metrics; i++)
        if (least < y->metric[i].row->min_side)
            return error_set(err, SS_ERR_INPUT, y->path,
                             "the metric '%s' needs pictures of at least %d x %d; they are %d x %d",
                             y->metric[i].row->about.name, y->metric[i].row->min_side, y->metric[i].row->min_side,
                             p->settings.width, p->settings.height);
    return SS_OK;
}

/* ---- counts and cost ---- */

static void count(plan *p) {
    const study *y = p->study;
    plan_counts *c = &p->counts;
    c->groups = p->n_groups;
    c->images = p->n_units;
    c->conditions = y->n_conditions;
    for (int i = 0; i < p->n_units; i++) {
        const plan_unit *u = &p->unit[i];
        const plan_condition *b = &p->condition[u->condition];
        c->forwards_unshared += b->settings.steps;
        c->forwards += b->shares_prefix && b->program.n ? b->settings.steps - b->first_step : b->settings.steps;
    }
}

static ss_status set_cost(plan *p, pipeline *pl, ss_error *err) {
    enum { SITE_OVERHEAD = 10, COLUMN_BYTES = 8, SINK_BYTES = 20 };
    const double PNG_SHARE = 0.5, MASS_SHARE = 0.8; /* of raw bytes, after compression; seen on a tiny model */
    const size_t ENOUGH = (size_t)600 << 20;
    pipeline_cost cost;
    /* Two images keep all threads busy; where they ask for much memory, one does. No bit depends on it. */
    p->together = 2;
    SS_TRY(pipeline_cost_of(pl, &p->settings, p->together, &cost, err));
    if (cost.step_scratch_bytes > ENOUGH) p->together = 1;
    const plan_counts *c = &p->counts;
    int columns = 0;
    for (int i = 0; i < p->measure.n_probes; i++) columns += p->measure.probe[i]->n_columns;
    double calls = 2.0 * p->settings.steps, sites = 0, masses = 0;
    for (int i = 0; i < p->sites.blocks; i++) {
        sites += calls * p->block[i].heads;
        masses += calls * p->block[i].heads * p->block[i].keys;
    }
    double image = PNG_SHARE * 3 * p->settings.width * p->settings.height;
    image += columns ? sites * (SITE_OVERHEAD + COLUMN_BYTES * columns) : 0;
    image += sites * SINK_BYTES * p->measure.top;
    if (p->measure.keep_masses) image += MASS_SHARE * 4 * masses;
    p->cost = (plan_cost){.flops = (double)c->encodes * cost.flops_text + (double)c->forwards * cost.flops_step +
                                   (double)c->images * cost.flops_decode,
                          .seconds = NAN,
                          .disk_bytes = (double)c->images * image,
                          .text_bytes = (double)c->encodes * (double)cost.text_bytes};
    return SS_OK;
}

static ss_status make(plan *p, pipeline *pl, ss_error *err) {
    const study *y = p->study;
    SS_TRY(geneval_read(y->prompts_file, &p->prompts, err));
    SS_TRY(check_prompts(p, err));
    SS_TRY(plan_check_seeds(p, err));
    SS_TRY(plan_resolve_settings(p, pl, &y->sampler, &p->settings, err));
    SS_TRY(check_size(p, err));
    pipeline_sites_at(pl, &p->settings, &p->sites);
    SS_TRY(pipeline_blocks(pl, &p->settings, &p->block, err));
    SS_TRY(plan_bind_conditions(p, pl, err));
    int *order = calloc((size_t)p->prompts.n, sizeof *order);
    if (!order) return error_no_memory(err, "the order of prompts", (unsigned long long)p->prompts.n);
    ss_status status = plan_order_prompts(p, order, err);
    if (status == SS_OK) status = lay_out(p, order, y->sample > 0 ? y->sample : p->prompts.n, err);
    free(order);
    SS_TRY(status);
    SS_TRY(swap_prompts(p, err));
    count(p);
    SS_TRY(plan_count_texts(p, &p->counts.encodes, err));
    return set_cost(p, pl, err);
}

ss_status plan_make(plan **out, const study *y, pipeline *pl, int limit, ss_error *err) {
    *out = NULL;
    plan *p = calloc(1, sizeof *p);
    if (!p) return error_no_memory(err, "a plan", sizeof *p);
    p->study = y;
    p->limit = limit;
    ss_status status = make(p, pl, err);
    if (status == SS_OK) *out = p;
    else plan_free(p);
    return status;
}

void plan_free(plan *p) {
    if (!p) return;
    for (int i = 0; p->swapped && i < p->prompts.n; i++) free(p->swapped[i]);
    free(p->swapped);
    geneval_free(&p->prompts);
    free(p->block);
    free(p->condition);
    free(p->group);
    free(p->unit);
    free(p);
}
