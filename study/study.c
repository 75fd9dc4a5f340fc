/* Loading a study file: the top-level keys, in the order in which the file reads. A study that cannot be run as written
 * is refused. */
#define _XOPEN_SOURCE 700 /* realpath */
#include "study/loader.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "score/weights.h"

const char *condition_role_name(condition_role r) {
    static const char *const NAMES[] = {"baseline", "studied", "positive", "sham", "calibration"};
    return NAMES[r];
}

int study_find_condition(const study *y, const char *name) {
    for (int i = 0; i < y->n_conditions; i++)
        if (strcmp(y->condition[i].name, name) == 0) return i;
    return -1;
}

void study_free(study *y) {
    if (!y) return;
    loader_free_strings(y);
    yaml_close(y->file);
    free(y->condition);
    free(y->contrast);
    free(y);
}

/* ---- top-level keys ---- */

static ss_status read_format(loader *l, const yaml_node *root) {
    option_value o;
    SS_TRY(loader_get(l, root, STUDY_KEYS, "format", &o));
    if (o.integer <= STUDY_FORMAT) return SS_OK;
    return yaml_error(l->f, yaml_find(root, "format"), NULL, l->err,
                      "the study is of format %d; this program reads formats up to %d: use a newer one", (int)o.integer,
                      STUDY_FORMAT);
}

static ss_status read_names(loader *l, const yaml_node *root) {
    static const char ALLOWED[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    study *y = l->y;
    option_value o;
    SS_TRY(loader_get(l, root, STUDY_KEYS, "study", &o));
    if (!*o.text || strspn(o.text, ALLOWED) != strlen(o.text) || *o.text == '.')
        return yaml_error(l->f, yaml_find(root, "study"), NULL, l->err,
                          "'%s' is no name for a study; expected letters, digits, '-', '_', '.'", o.text);
    y->name = o.text;
    SS_TRY(loader_get(l, root, STUDY_KEYS, "question", &o));
    y->question = o.text;
    SS_TRY(loader_get(l, root, STUDY_KEYS, "series", &o));
    y->series = o.text ? o.text : "";
    SS_TRY(loader_get(l, root, STUDY_KEYS, "model", &o));
    SS_TRY(loader_model(l, root, o.text));
    SS_TRY(loader_get(l, root, STUDY_KEYS, "variant", &o));
    y->variant = o.is_set && *o.text ? o.text : NULL;
    SS_TRY(loader_get(l, root, STUDY_KEYS, "weights", &o));
    y->weights = (weight_form)o.word; /* its words are the forms' names */
    for (int i = 0; i < PIPELINE_RULE_COUNT; i++) {
        SS_TRY(loader_get(l, root, STUDY_KEYS, PIPELINE_RULES[i].name, &o));
        pipeline_rules_ask(&y->rules, (pipeline_rule)i, &o);
    }
    SS_TRY(loader_get(l, root, STUDY_KEYS, "study-seed", &o));
    y->study_seed = o.seed.bits;
    return SS_OK;
}

static ss_status study_read_prompts(loader *l, const yaml_node *root) {
    study *y = l->y;
    const option *tables[] = {STUDY_PROMPT_KEYS};
    const yaml_node *n = yaml_find(root, "prompts"), *at = n;
    option_value o;
    y->stratify = 1;
    if (!n) return loader_get(l, root, STUDY_KEYS, "prompts", &o);
    if (n->kind == YAML_MAPPING) {
        SS_TRY(loader_check_keys(l, n, tables, 1, "key of prompts"));
        SS_TRY(loader_get(l, n, STUDY_PROMPT_KEYS, "sample", &o));
        y->sample = (int)o.integer;
        SS_TRY(loader_get(l, n, STUDY_PROMPT_KEYS, "stratify", &o));
        y->stratify = o.word == 0;
        SS_TRY(loader_get(l, n, STUDY_PROMPT_KEYS, "file", &o));
        at = yaml_find(n, "file");
    } else if (n->kind == YAML_SEQUENCE)
        return yaml_error(l->f, n, STUDY_PROMPT_KEYS[0].help, l->err,
                          "prompts is a list; expected the name of a file, or {file, sample, stratify}");
    else SS_TRY(loader_get(l, root, STUDY_KEYS, "prompts", &o));
    SS_TRY(loader_path(l, at, o.text, "prompts", &y->prompts_file));
    if (file_exists(y->prompts_file)) return SS_OK;
    return yaml_error(l->f, at, NULL, l->err, "prompts '%s' is not a file", o.text);
}

/* ---- seeds ---- */

static ss_status same_noise(loader *l, const yaml_node *at, image_seed a, image_seed b) {
    seed_text first, second;
    return yaml_error(
        l->f, at, NULL, l->err,
        "the seeds %s and %s are one noise: torch's generator takes them modulo 2^32, so their images are "
        "the same; expected seeds that differ",
        seed_write(a, first), seed_write(b, second));
}

/* A study is refused that counts one noise twice; in a store that an older program made it is read, with a notice. */
static int takes_same_noise(const study *y) { return y->store_version > 0; }

/* A list of different seeds (or one seed alone). */
static ss_status read_seed_list(loader *l, const yaml_node *n, const char *what, image_seed *seed, int *count) {
    static const option SEED = {"seed", OPTION_SEED, NULL, 0, 0, NULL, "image seed"};
    int items = n->kind == YAML_SCALAR ? 1 : n->count, first;
    if (n->kind == YAML_MAPPING || items == 0)
        return yaml_error(l->f, n, NULL, l->err, "%s: expected a list of seeds", what);
    if (items > STUDY_MAX_SEEDS)
        return yaml_error(l->f, n, NULL, l->err, "%s: %d seeds; at most %d are allowed", what, items, STUDY_MAX_SEEDS);
    for (int i = 0; i < items; i++) {
        const yaml_node *item = n->kind == YAML_SCALAR ? n : &n->items[i];
        option_value o;
        SS_TRY(loader_parse(l, item, &SEED, &o));
        for (int j = 0; j < i; j++)
            if (seed_compare(seed[j], o.seed) == 0)
                return yaml_error(l->f, item, NULL, l->err, "seed %s is listed twice", item->text);
        seed[i] = o.seed;
    }
    int again = takes_same_noise(l->y) ? -1 : seed_find_same_noise(seed, items, &first);
    if (again == -2) return loader_no_memory(l);
    if (again >= 0) return same_noise(l, &n->items[again], seed[first], seed[again]);
    *count = items;
    return SS_OK;
}

static ss_status read_seeds(loader *l, const yaml_node *root) {
    study *y = l->y;
    const option *tables[] = {STUDY_SEED_KEYS};
    const yaml_node *n = yaml_find(root, "seeds");
    option_value o;
    if (!n) return loader_get(l, root, STUDY_KEYS, "seeds", &o);
    if (n->kind != YAML_MAPPING) return read_seed_list(l, n, "seeds", y->seed, &y->n_seeds);
    SS_TRY(loader_check_keys(l, n, tables, 1, "key of seeds"));
    SS_TRY(loader_get(l, n, STUDY_SEED_KEYS, "add", &o));
    SS_TRY(loader_get(l, n, STUDY_SEED_KEYS, "base", &o));
    y->seed[0] = o.seed;
    y->n_seeds = y->seeds_by_prompt = 1;
    return SS_OK;
}

/* Of the image to be made. */
static int parse_size(const char *s, int *width, int *height) {
    enum { MOST = 16384 };
    int64_t w, h;
    if (text_to_pair(s, &w, &h) != 0 || w < 1 || h < 1 || w > MOST || h > MOST) return -1;
    *width = (int)w;
    *height = (int)h;
    return 0;
}

static ss_status read_noise(loader *l, const yaml_node *root) {
    const yaml_node *n = yaml_find(root, "noise");
    option_value o;
    ss_error reason;
    SS_TRY(loader_get(l, root, STUDY_KEYS, "noise", &o));
    if (!n || torch_device_read(&l->y->sampler.noise, o.text, NULL, &reason) == SS_OK) return SS_OK;
    return yaml_error(l->f, n, NULL, l->err, "%s", reason.message);
}

static ss_status read_sampler(loader *l, const yaml_node *root) {
    const option *tables[] = {STUDY_SAMPLER_KEYS};
    const yaml_node *n = yaml_find(root, "sampler");
    sample_settings *s = &l->y->sampler;
    option_value o;
    s->guidance = NAN;
    SS_TRY(read_noise(l, root));
    if (!n) return SS_OK;
    SS_TRY(loader_expect(l, n, YAML_MAPPING, "sampler"));
    SS_TRY(loader_check_keys(l, n, tables, 1, "key of sampler"));
    SS_TRY(loader_get(l, n, STUDY_SAMPLER_KEYS, "steps", &o));
    s->steps = (int)o.integer;
    SS_TRY(loader_get(l, n, STUDY_SAMPLER_KEYS, "guidance", &o));
    if (o.is_set) s->guidance = o.number;
    SS_TRY(loader_get(l, n, STUDY_SAMPLER_KEYS, "max-text-tokens", &o));
    s->max_text_tokens = (int)o.integer;
    SS_TRY(loader_get(l, n, STUDY_SAMPLER_KEYS, "negative", &o));
    s->negative = o.is_set ? o.text : NULL;
    SS_TRY(loader_get(l, n, STUDY_SAMPLER_KEYS, "scheduler", &o));
    s->scheduler = o.is_set ? o.text : NULL;
    SS_TRY(loader_get(l, n, STUDY_SAMPLER_KEYS, "size", &o));
    if (o.is_set && parse_size(o.text, &s->width, &s->height) != 0)
        return yaml_error(l->f, yaml_find(n, "size"), NULL, l->err,
                          "size is '%s'; expected pixels: 512, or 512x768 (width x height)", o.text);
    return loader_picture_sizes(l, n, &s->sizes);
}

static ss_status read_probes(loader *l, const yaml_node *root) {
    study *y = l->y;
    const loader_table tables[] = {{ATTN_PROBES, ENTRY_POINTERS, ATTN_PROBE_COUNT},
                                   {STUDY_PROBES, sizeof *STUDY_PROBES, STUDY_PROBE_COUNT}};
    const yaml_node *n = yaml_find(root, "probes");
    const entry *row, *listed[STUDY_MAX_PROBES + 1];
    if (!n) return SS_OK;
    SS_TRY(loader_expect(l, n, YAML_SEQUENCE, "probes"));
    if (n->count > STUDY_MAX_PROBES) return yaml_error(l->f, n, NULL, l->err, "more than %d probes", STUDY_MAX_PROBES);
    for (int i = 0; i < n->count; i++) {
        SS_TRY(loader_find_in(l, &n->items[i], tables, 2, "probe", &row));
        for (int j = 0; j < i; j++)
            if (listed[j] == row)
                return yaml_error(l->f, &n->items[i], NULL, l->err, "probe '%s' is listed twice", row->name);
        listed[i] = row;
        if (row == &STUDY_PROBES[0]) y->top = 1; /* census; how many: `measure` */
        else if (row == &STUDY_PROBES[1]) y->follow = 1;
        else y->probe[y->n_probes++] = (const attn_probe *)(const void *)row;
    }
    return SS_OK;
}

static ss_status read_measure(loader *l, const yaml_node *root) {
    study *y = l->y;
    const option *tables[] = {STUDY_MEASURE_KEYS};
    const yaml_node *n = yaml_find(root, "measure");
    option_value o;
    if (n) {
        SS_TRY(loader_expect(l, n, YAML_MAPPING, "measure"));
        SS_TRY(loader_check_keys(l, n, tables, 1, "key of measure"));
    }
    SS_TRY(loader_get(l, n, STUDY_MEASURE_KEYS, "rows", &o));
    y->rows = (attn_rows)o.word;
    SS_TRY(loader_get(l, n, STUDY_MEASURE_KEYS, "r", &o));
    y->r = (int)o.integer;
    SS_TRY(loader_get(l, n, STUDY_MEASURE_KEYS, "noop", &o));
    y->noop_below = o.number;
    SS_TRY(loader_get(l, n, STUDY_MEASURE_KEYS, "sinks", &o));
    if (o.is_set && !y->top)
        return yaml_error(l->f, yaml_find(n, "sinks"), NULL, l->err,
                          "sinks are kept by the probe 'census', which is not listed");
    if (y->top) y->top = (int)o.integer;
    SS_TRY(loader_get(l, n, STUDY_MEASURE_KEYS, "masses", &o));
    y->keep_masses = (int)o.integer;
    return SS_OK;
}

ss_status loader_metrics(loader *l, const yaml_node *n, study_metric *out, int capacity, int *count) {
    *count = 0;
    SS_TRY(loader_expect(l, n, YAML_SEQUENCE, "metrics"));
    for (int i = 0; i < n->count; i++) {
        const yaml_node *item = &n->items[i], *name = item, *options = item;
        if (item->kind == YAML_MAPPING && item->count == 1) {
            name = yaml_key(item, 0);
            options = yaml_value(item, 0);
            if (yaml_is_nothing(options)) options = name;
            else SS_TRY(loader_expect(l, options, YAML_MAPPING, name->text));
        } else SS_TRY(loader_expect(l, item, YAML_SCALAR, "a metric"));
        const entry *row;
        SS_TRY(loader_find(l, name, SCORE_METRICS, ENTRY_POINTERS, SCORE_METRIC_COUNT, "metric", &row));
        if (*count == capacity) return yaml_error(l->f, n, NULL, l->err, "more than %d metrics", capacity);
        for (int j = 0; j < *count; j++)
            if (&out[j].row->about == row)
                return yaml_error(l->f, name, NULL, l->err, "metric '%s' is listed twice", row->name);
        study_metric *m = &out[(*count)++];
        *m = (study_metric){.row = (const metric *)(const void *)row};
        const option *tables[] = {row->options};
        if (options->kind == YAML_MAPPING) SS_TRY(loader_check_keys(l, options, tables, 1, "option of a metric"));
        SS_TRY(loader_options(l, options, row, "metric", m->options));
        int k = 0;
        for (const option *o = row->options; o && o->name; o++, k++) {
            if (o->type != OPTION_PATH || !*m->options[k].text) continue;
            const yaml_node *at = options->kind == YAML_MAPPING ? yaml_find(options, o->name) : NULL;
            SS_TRY(loader_weights(l, at ? at : name, m->options[k].text, o->name, &m->options[k].text));
            int random;
            SS_TRY(weights_are_random(m->options[k].text, &random, l->err));
            m->is_random |= random;
        }
    }
    return SS_OK;
}

/* Metrics of sets move behind those of images, the order otherwise kept; -> how many are of images. */
static int images_first(study_metric *m, int n) {
    int images = 0;
    for (int i = 0; i < n; i++) {
        study_metric at = m[i];
        if (at.row->kind == METRIC_SET) continue;
        memmove(m + images + 1, m + images, (size_t)(i - images) * sizeof *m);
        m[images++] = at;
    }
    return images;
}

static ss_status study_read_metrics(loader *l, const yaml_node *root) {
    study *y = l->y;
    option_value o;
    const yaml_node *n = yaml_find(root, "metrics");
    if (!n) return loader_get(l, root, STUDY_KEYS, "metrics", &o);
    SS_TRY(loader_metrics(l, n, y->metric, STUDY_MAX_METRICS, &y->n_metrics));
    int images = images_first(y->metric, y->n_metrics);
    y->n_set_metrics = y->n_metrics - images;
    memcpy(y->set_metric, y->metric + images, (size_t)y->n_set_metrics * sizeof *y->metric);
    y->n_metrics = images;
    SS_TRY(loader_get(l, root, STUDY_KEYS, "primary", &o));
    const char *names[STUDY_MAX_METRICS];
    for (y->primary = 0; y->primary < y->n_metrics; y->primary++) {
        names[y->primary] = y->metric[y->primary].row->about.name;
        if (strcmp(names[y->primary], o.text) == 0) return SS_OK;
    }
    text hint = {0};
    loader_hint(o.text, names, y->n_metrics, "metric", NULL, &hint);
    yaml_error(l->f, yaml_find(root, "primary"), hint.s, l->err, "primary is '%s', which is not among the metrics",
               o.text);
    text_free(&hint);
    return SS_ERR_INPUT;
}

static ss_status read_sham(loader *l, const yaml_node *root) {
    static const option GROUPS = {"sham", OPTION_INT, NULL, 0, 1e9, "2", "groups that run the shams"};
    const yaml_node *n = yaml_find(root, "sham");
    option_value o;
    if (n && n->kind == YAML_SCALAR && strcmp(n->text, "all") == 0) {
        l->y->sham_groups = STUDY_ALL;
        return SS_OK;
    }
    if (n) SS_TRY(loader_parse(l, n, &GROUPS, &o));
    l->y->sham_groups = n ? (int)o.integer : 2;
    return SS_OK;
}

/* Whether `a` has the noise of one of `n` seeds. */
static int is_noise_of(image_seed a, const image_seed *seed, int n) {
    for (int i = 0; i < n; i++)
        if (seed_noise(seed[i]) == seed_noise(a)) return 1;
    return 0;
}

/* Two seeds from the largest on that are no noise of the study; where the range ends there, from the smallest on. Seeds
 * by prompt run upwards from the base: stay clear of them. */
static ss_status default_calibration(loader *l) {
    enum { CLEAR = 999999999, ROOM = 2 * STUDY_MAX_SEEDS };
    study *y = l->y;
    image_seed at = y->seed[0], smallest = y->seed[0], unused;
    int64_t clear = y->seeds_by_prompt ? CLEAR : 0;
    for (int i = 1; i < y->n_seeds; i++) {
        if (seed_compare(y->seed[i], at) > 0) at = y->seed[i];
        if (seed_compare(y->seed[i], smallest) < 0) smallest = y->seed[i];
    }
    if (seed_add(at, clear + ROOM, &unused) != 0) {
        at = smallest;
        clear = y->seeds_by_prompt ? -CLEAR : 0;
    }
    seed_add(at, clear, &at);
    while (y->n_calibration < 2) {
        seed_add(at, 1, &at);
        int older = y->store_version == 1 || y->store_version == 2; /* knew of no noise */
        if (older || !is_noise_of(at, y->seed, y->n_seeds)) y->calibration_seed[y->n_calibration++] = at;
    }
    return SS_OK;
}

/* Calibration seeds: as written, or two that the study does not use. Only where a margin is calibrated, or they were
 * written. */
static ss_status read_calibration(loader *l, const yaml_node *root) {
    study *y = l->y;
    const option *tables[] = {STUDY_CALIBRATION_KEYS};
    const yaml_node *n = yaml_find(root, "calibration");
    int asked = 0;
    for (int i = 0; i < y->n_contrasts; i++) asked |= y->contrast[i].margin_kind == MARGIN_CALIBRATED;
    if (!n) return asked ? default_calibration(l) : SS_OK;
    SS_TRY(loader_expect(l, n, YAML_MAPPING, "calibration"));
    SS_TRY(loader_check_keys(l, n, tables, 1, "key of calibration"));
    const yaml_node *list = yaml_find(n, "seeds");
    option_value o;
    if (!list) return loader_get(l, n, STUDY_CALIBRATION_KEYS, "seeds", &o);
    SS_TRY(read_seed_list(l, list, "calibration", y->calibration_seed, &y->n_calibration));
    if (y->n_calibration < 2)
        return yaml_error(l->f, list, NULL, l->err, "calibration needs at least two seeds a prompt, found %d",
                          y->n_calibration);
    for (int i = 0; i < y->n_calibration; i++)
        for (int j = 0; j < y->n_seeds; j++) {
            const yaml_node *at = list->kind == YAML_SEQUENCE ? &list->items[i] : list;
            if (seed_compare(y->calibration_seed[i], y->seed[j]) == 0)
                return yaml_error(l->f, at, NULL, l->err, "calibration seed %s is a seed of the study; expected others",
                                  at->text);
            if (seed_noise(y->calibration_seed[i]) == seed_noise(y->seed[j]) && !takes_same_noise(y) &&
                !y->seeds_by_prompt)
                return same_noise(l, at, y->seed[j], y->calibration_seed[i]);
        }
    return SS_OK;
}

static ss_status read_all(loader *l) {
    const option *tables[] = {STUDY_KEYS};
    const yaml_node *root = yaml_root(l->f);
    option_value o;
    SS_TRY(loader_expect(l, root, YAML_MAPPING, "the study"));
    SS_TRY(read_format(l, root));
    SS_TRY(loader_check_keys(l, root, tables, 1, "key of a study"));
    SS_TRY(read_names(l, root));
    SS_TRY(study_read_prompts(l, root));
    SS_TRY(read_seeds(l, root));
    SS_TRY(read_sampler(l, root));
    SS_TRY(read_probes(l, root));
    SS_TRY(read_measure(l, root));
    SS_TRY(study_read_metrics(l, root));
    const yaml_node *conditions = yaml_find(root, "conditions");
    if (!conditions) return loader_get(l, root, STUDY_KEYS, "conditions", &o);
    SS_TRY(loader_conditions(l, conditions));
    SS_TRY(loader_contrasts(l, yaml_find(root, "contrasts")));
    SS_TRY(read_sham(l, root));
    SS_TRY(read_calibration(l, root));
    return loader_builtin_conditions(l);
}

/* ---- the whole ---- */

/* `path` as an absolute one (kept by the study). */
static ss_status absolute(loader *l, const char *path, const char **out) {
    char *real = realpath(path, NULL);
    if (!real) return error_set_errno(l->err, SS_ERR_INPUT, path, "cannot be found");
    *out = loader_keep(l->y, real);
    free(real);
    return *out ? SS_OK : loader_no_memory(l);
}

static ss_status set_places(loader *l, const char *path, const study_places *places) {
    const char *slash = strrchr(path, '/');
    char *folder = text_copy(path);
    if (!folder) return loader_no_memory(l);
    if (slash) folder[slash == path ? 1 : slash - path] = '\0';
    ss_status status = absolute(l, places && places->base ? places->base : slash ? folder : ".", &l->y->base_folder);
    free(folder);
    SS_TRY(status);
    SS_TRY(absolute(l, places && places->current ? places->current : ".", &l->y->current_folder));
    if (places && places->data && file_is_folder(places->data)) SS_TRY(absolute(l, places->data, &l->y->data_folder));
    return SS_OK;
}

static ss_status study_load_keys(loader *l, const char *path, const study_places *places) {
    study *y = l->y;
    size_t size;
    SS_TRY(yaml_read_file(path, &y->file, l->err));
    l->f = y->file;
    const char *source = yaml_source(y->file, &size);
    sha256_of(source, size, y->hash);
    y->path = loader_keep(y, path);
    if (!y->path) return loader_no_memory(l);
    SS_TRY(set_places(l, path, places));
    return read_all(l);
}

tokenizer_rules study_tokenizer_rules(const study *y) { return (tokenizer_rules)y->rules.word[RULE_TOKENIZER]; }

ss_status study_load(study **out, const char *path, const study_places *places, ss_error *err) {
    *out = NULL;
    study *y = calloc(1, sizeof *y);
    if (!y) return error_no_memory(err, "a study", sizeof *y);
    y->store_version = places ? places->store_version : 0;
    loader l = {.y = y, .err = err, .model = places ? places->model : NULL};
    ss_status status = study_load_keys(&l, path, places);
    if (places && places->rules) y->rules = *places->rules;
    if (status == SS_OK) *out = y;
    else study_free(y);
    return status;
}

ss_status study_empty(study **out, const study_places *places, ss_error *err) {
    *out = NULL;
    study *y = calloc(1, sizeof *y);
    if (!y) return error_no_memory(err, "a study", sizeof *y);
    loader l = {.y = y, .err = err};
    ss_status status = set_places(&l, "./", places);
    if (status == SS_OK) *out = y;
    else study_free(y);
    return status;
}

ss_status study_parse_metrics(study *y, const char *written, const char *where, study_metric *out, int capacity, int *n,
                              int *n_images, ss_error *err) {
    text list = {0};
    char *kept = NULL;
    yaml_file *f = NULL;
    text_addf(&list, "[%s]", written);
    if (list.failed) return error_no_memory(err, "metrics", strlen(written));
    ss_status status = yaml_read_bytes(list.s, list.len, where, &f, err);
    loader l = {.y = y, .f = f, .err = err};
    if (status == SS_OK) status = loader_metrics(&l, yaml_root(f), out, capacity, n);
    /* option texts point into the document: keep them with the study */
    for (int i = 0; status == SS_OK && i < *n; i++) {
        int k = 0;
        for (const option *o = out[i].row->about.options; o && o->name && k < STUDY_MAX_OPTIONS; o++, k++)
            if (out[i].options[k].is_set && out[i].options[k].text) {
                kept = loader_keep(y, out[i].options[k].text);
                if (!kept) status = loader_no_memory(&l);
                out[i].options[k].text = kept;
            }
    }
    *n_images = status == SS_OK ? images_first(out, *n) : 0;
    yaml_close(f);
    text_free(&list);
    return status;
}
