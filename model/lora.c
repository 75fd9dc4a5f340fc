/* Files of LoRA: opening, which of their tensors belong together, and to which weights of a component. Values are read
 * by lora_merge.c, when the component is. */
#include "model/lora.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/file.h"
#include "io/json.h"
#include "model/lora_internal.h"

enum { ADAPTER_CONFIG_LIMIT = 1 << 20, SHOWN = 8 /* names in a notice */ };

/* A matrix pair of a file. */
typedef struct pair {
    lora_name name;
    const checkpoint_entry *up, *down, *alpha;
    int used;
} pair;

typedef struct lora_source {
    char *path;
    checkpoint *file;
    double scale;
    json_t *adapter; /* what diffusers or PEFT says of it: ranks and alphas; or NULL */
    int is_peft;     /* the adapter is adapter_config.json, whose keys have no component before them */
    pair *pairs;
    int n, n_strange;
    text strange; /* names of tensors that are of no pair */
} lora_source;

struct lora_set {
    lora_source source[LORA_MAX_FILES];
    int n;
    lora_term **terms; /* all that were made, owned */
    size_t n_terms, room;
};

/* ---- opening ---- */

char *lora_file(const char *path) {
    static const char *const names[] = {"pytorch_lora_weights.safetensors", "adapter_model.safetensors"};
    if (!file_is_folder(path)) return text_copy(path);
    char *first = NULL;
    for (int i = 0; i < 2; i++) {
        char *file = file_join(path, names[i]);
        if (!file || file_exists(file)) {
            free(first);
            return file;
        }
        if (!first) first = file; /* which the error names */
        else free(file);
    }
    return first;
}

ss_status lora_parse(const char *s, const char *where, char **path, double *scale, ss_error *err) {
    const char *colon = strrchr(s, ':');
    *scale = 1;
    *path = NULL;
    size_t n = strlen(s);
    if (colon && colon > s && text_to_double(colon + 1, scale) == 0) n = (size_t)(colon - s);
    else *scale = 1;
    if (!(fabs(*scale) <= 1e6))
        return error_set(err, SS_ERR_USAGE, where, "the scale of '%s' is not a number up to 1e6; expected FILE[:SCALE]",
                         s);
    text t = {0};
    text_add_n(&t, s, n);
    if (t.failed || !t.s) return error_no_memory(err, "a path", n);
    *path = t.s;
    return SS_OK;
}

static int same_module(const lora_name *a, const lora_name *b) {
    assert(a->module.s && b->module.s);
    return strcmp(a->component, b->component) == 0 && strcmp(a->module.s, b->module.s) == 0;
}

/* The pair of the module, made if need be. Names of a file are sorted: those of a module are near each other. */
static pair *find_pair(lora_source *f, lora_name *name) {
    for (int i = f->n - 1; i >= 0; i--)
        if (same_module(&f->pairs[i].name, name)) {
            text_free(&name->module);
            return &f->pairs[i];
        }
    pair *p = &f->pairs[f->n++];
    *p = (pair){.name = *name};
    return p;
}

static ss_status sort_tensor(lora_source *f, const checkpoint_entry *e, ss_error *err) {
    lora_name name;
    lora_read_name(e->name, &name);
    if (name.kind == LORA_REFUSED || name.kind == LORA_UNKNOWN || name.module.failed || !name.module.s) {
        const int failed = name.module.failed;
        text_free(&name.module);
        if (failed) return error_no_memory(err, e->name, strlen(e->name));
        if (name.kind != LORA_REFUSED) {
            if (f->n_strange++ < SHOWN) text_addf(&f->strange, ", %s", e->name);
            return f->strange.failed ? error_no_memory(err, e->name, f->strange.len) : SS_OK;
        }
        return error_set(err, SS_ERR_INPUT, e->file,
                         "%s: %s, which is not supported; expected matrices of low rank alone (lora_down and lora_up, "
                         "lora_A and lora_B)",
                         e->name, name.what);
    }
    const lora_kind kind = name.kind;
    pair *p = find_pair(f, &name);
    const checkpoint_entry **slot = kind == LORA_UP ? &p->up : kind == LORA_DOWN ? &p->down : &p->alpha;
    if (*slot) return error_set(err, SS_ERR_INPUT, e->file, "%s and %s are one matrix", (*slot)->name, e->name);
    *slot = e;
    return SS_OK;
}

/* Every pair is whole and of one rank. */
static ss_status lora_check_pair(const pair *p, ss_error *err) {
    const checkpoint_entry *any = p->up ? p->up : p->down ? p->down : p->alpha;
    assert(any); /* a tensor made the pair */
    if (!p->up || !p->down)
        return error_set(err, SS_ERR_INPUT, any->file, "%s has no %s beside it; expected both", any->name,
                         p->up ? "lora_down (lora_A)" : "lora_up (lora_B)");
    const int64_t rank = p->down->ndim >= 2 ? p->down->shape[0] : 0;
    if (rank < 1 || p->up->ndim < 2 || p->up->count != p->up->shape[0] * rank)
        return error_set(err, SS_ERR_INPUT, any->file, "%s and %s do not multiply: expected [rank, in] and [out, rank]",
                         p->down->name, p->up->name);
    return SS_OK;
}

/* lora_adapter_metadata of diffusers, or adapter_config.json of PEFT. */
static ss_status read_adapter(lora_source *f, ss_error *err) {
    const char *words = checkpoint_metadata(f->file, "lora_adapter_metadata"), *slash = strrchr(f->path, '/');
    if (words) return json_read_bytes(words, strlen(words), f->path, &f->adapter, err);
    if (strcmp(slash ? slash + 1 : f->path, "adapter_model.safetensors") != 0) return SS_OK;
    text path = {0};
    text_add_n(&path, f->path, slash ? (size_t)(slash + 1 - f->path) : 0);
    text_add(&path, "adapter_config.json");
    ss_status status = path.failed ? error_no_memory(err, f->path, path.len) : SS_OK;
    if (status == SS_OK && file_exists(path.s)) {
        f->is_peft = 1;
        status = json_read_file(path.s, ADAPTER_CONFIG_LIMIT, &f->adapter, err);
    }
    text_free(&path);
    return status;
}

static ss_status lora_open_source(lora_source *f, const lora_use *use, ss_error *err) {
    f->scale = use->scale;
    if (!(f->path = lora_file(use->path))) return error_no_memory(err, use->path, 1);
    SS_TRY(checkpoint_open(&f->file, f->path, err));
    SS_TRY(read_adapter(f, err));
    const size_t count = checkpoint_count(f->file);
    f->pairs = calloc(count + 1, sizeof *f->pairs);
    if (!f->pairs) return error_no_memory(err, f->path, count * sizeof *f->pairs);
    for (size_t i = 0; i < count; i++) SS_TRY(sort_tensor(f, checkpoint_at(f->file, i), err));
    for (int i = 0; i < f->n; i++) SS_TRY(lora_check_pair(&f->pairs[i], err));
    if (f->n == 0)
        return error_set(err, SS_ERR_INPUT, f->path,
                         "has no LoRA among its %zu tensors%s%s; expected lora_down and "
                         "lora_up, or lora_A and lora_B",
                         count, count ? ", the first " : "", count ? checkpoint_at(f->file, 0)->name : "");
    return SS_OK;
}

ss_status lora_open(lora_set **out, const lora_use *use, int n, ss_error *err) {
    *out = NULL;
    if (n > LORA_MAX_FILES)
        return error_set(err, SS_ERR_USAGE, NULL, "%d LoRA files; at most %d are expected", n, LORA_MAX_FILES);
    lora_set *s = calloc(1, sizeof *s);
    if (!s) return error_no_memory(err, "LoRA", sizeof *s);
    ss_status status = SS_OK;
    for (int i = 0; i < n && status == SS_OK; i++) status = lora_open_source(&s->source[s->n++], &use[i], err);
    if (status == SS_OK) *out = s;
    else lora_close(s);
    return status;
}

void lora_close(lora_set *s) {
    if (!s) return;
    for (int i = 0; i < s->n; i++) {
        lora_source *f = &s->source[i];
        for (int k = 0; k < f->n; k++) text_free(&f->pairs[k].name.module);
        free(f->pairs);
        text_free(&f->strange);
        free(f->path);
        json_decref(f->adapter);
        checkpoint_close(f->file);
    }
    for (size_t i = 0; i < s->n_terms; i++) {
        free(s->terms[i]->rows.name);
        free(s->terms[i]);
    }
    free(s->terms);
    free(s);
}

/* ---- scale ---- */

/* A number of the adapter's description: "unet.lora_alpha", or "lora_alpha" in PEFT's own. */
static int adapter_number(const lora_source *f, const char *component, const char *key, double *out) {
    text name = {0};
    if (!f->is_peft) text_addf(&name, "%s.", component);
    text_add(&name, key);
    const json_t *value = name.failed ? NULL : json_object_get(f->adapter, name.s);
    text_free(&name);
    *out = json_is_true(value) ? 1 : json_number_value(value);
    return json_is_number(value) || json_is_true(value);
}

static ss_status factor_of(const lora_source *f, const pair *p, const char *component, float *out, ss_error *err) {
    const double rank = (double)p->down->shape[0];
    double alpha = rank, rank_root;
    if (p->alpha) {
        if (p->alpha->count != 1)
            return error_set(err, SS_ERR_INPUT, p->alpha->file, "%s has %lld values; expected one", p->alpha->name,
                             (long long)p->alpha->count);
        float *value = lora_floats(p->alpha, 0, 1, err);
        if (!value) return err->code;
        alpha = (double)*value;
        free(value);
    } else (void)adapter_number(f, component, "lora_alpha", &alpha);
    if (!(alpha > 0 || alpha < 0)) alpha = p->alpha ? 0 : rank;
    const int by_root = adapter_number(f, component, "use_rslora", &rank_root) && rank_root > 0;
    *out = (float)(f->scale * alpha / (by_root ? sqrt(rank) : rank));
    return SS_OK;
}

/* ---- a component ---- */

static int is_of(const lora_name *name, const char *component) {
    if (strcmp(name->component, component) == 0) return 1;
    return strcmp(name->component, "denoiser") == 0 &&
           (strcmp(component, "unet") == 0 || strcmp(component, "transformer") == 0);
}

/* A weight of the component under its flat name, and what is added to it. */
typedef struct place {
    char *name;
    const checkpoint_entry *e;
    lora_term *first, *last;
} place;

static int lora_by_name(const void *a, const void *b) {
    return strcmp(((const place *)a)->name, ((const place *)b)->name);
}

static ss_status list_places(const checkpoint *file, place **out, size_t *n, ss_error *err) {
    const size_t count = checkpoint_count(file);
    *n = 0;
    if (!(*out = calloc(count + 1, sizeof **out)))
        return error_no_memory(err, "names of weights", count * sizeof **out);
    for (size_t i = 0; i < count; i++) {
        const checkpoint_entry *e = checkpoint_at(file, i);
        text name = {0};
        if (!lora_flat_name(e->name, &name)) continue;
        if (name.failed || !name.s) {
            text_free(&name);
            return error_no_memory(err, "names of weights", 1);
        }
        (*out)[(*n)++] = (place){.name = name.s, .e = e};
    }
    qsort(*out, *n, sizeof **out, lora_by_name);
    return SS_OK;
}

/* Counted from names: layers in a block of the way down, and blocks. */
static void count_layers(const place *places, size_t n, int *layers, int *blocks) {
    *layers = *blocks = 0;
    for (size_t i = 0; i < n; i++) {
        int block, layer;
        if (sscanf(places[i].name, "down_blocks_%d_resnets_%d_", &block, &layer) == 2 && layer >= *layers &&
            layer < 100)
            *layers = layer + 1;
        if (sscanf(places[i].name, "transformer_blocks_%d_", &block) == 1 && block >= *blocks && block < 10000)
            *blocks = block + 1;
    }
    *layers += 1; /* a block's resampling is numbered with its layers */
}

static ss_status keep_term(lora_set *s, lora_term *t, ss_error *err) {
    SS_TRY(ARRAY_ROOM(s->terms, s->room, s->n_terms + 1, "LoRA", err));
    s->terms[s->n_terms++] = t;
    return SS_OK;
}

/* One target of a pair. Rows of `up` are the weight's rows, columns of `down` what follows in it. */
static ss_status lora_add_term(lora_set *s, const pair *p, view_tensor *rows, place *to, float factor, ss_error *err) {
    const checkpoint_entry *w = to->e;
    const int64_t rank = p->down->shape[0], out = w->ndim > 1 ? w->shape[0] : 0;
    if (out < 1 || rows->shape[0] != out || p->down->count != rank * (w->count / out))
        return error_set(err, SS_ERR_INPUT, p->up->file,
                         "%s [%lld, %lld] and %s [%lld, %lld] do not fit %s, whose rows are %lld and %lld wide",
                         p->up->name, (long long)rows->shape[0], (long long)rank, p->down->name, (long long)rank,
                         (long long)(p->down->count / rank), w->name, (long long)out,
                         (long long)(out ? w->count / out : 0));
    lora_term *t = calloc(1, sizeof *t);
    if (!t) return error_no_memory(err, "LoRA", sizeof *t);
    *t = (lora_term){.up = p->up, .down = p->down, .rows = *rows, .factor = factor, .rank = rank};
    rows->name = NULL; /* the term's */
    if (keep_term(s, t, err) != SS_OK) {
        free(t->rows.name);
        free(t);
        return err->code;
    }
    if (to->last) to->last->next = t;
    else to->first = t;
    to->last = t;
    return SS_OK;
}

static ss_status apply_pair(lora_set *s, const lora_source *f, pair *p, const char *component, place *places, size_t n,
                            ss_error *err) {
    int layers, blocks, found = 0;
    float factor = 0;
    view_tensors list = {0};
    count_layers(places, n, &layers, &blocks);
    ss_status status = factor_of(f, p, component, &factor, err);
    if (status == SS_OK) status = lora_targets(&p->name, component, p->up, layers, blocks, &list, err);
    for (size_t i = 0; i < list.n && status == SS_OK; i++) {
        const place key = {.name = list.at[i].name};
        place *to = bsearch(&key, places, n, sizeof key, lora_by_name);
        if (!to) continue;
        found = 1;
        status = lora_add_term(s, p, &list.at[i], to, factor, err);
    }
    if (status == SS_OK && found) p->used = 1;
    view_tensors_free(&list);
    return status;
}

/* All weights of the file, those that something is added to in float32. */
static ss_status make_view(const place *places, size_t n, checkpoint **files, ss_error *err) {
    checkpoint *view;
    view_tensors list = {0};
    ss_status status = SS_OK;
    for (size_t i = 0; i < checkpoint_count(*files) && status == SS_OK; i++) {
        const checkpoint_entry *e = checkpoint_at(*files, i);
        const lora_term *first = NULL;
        for (size_t k = 0; k < n && !first; k++)
            if (places[k].e == e) first = places[k].first;
        text name = {0};
        text_add(&name, e->name);
        view_tensor *t = view_tensors_add(&list, &name, e, err);
        if (!t) status = err->code;
        else if (first) {
            t->dtype = CHECKPOINT_F32;
            t->part.read = lora_read_merged;
            t->part.context = first;
        }
    }
    if (status == SS_OK) status = checkpoint_view_open(&view, *files, &list, err);
    view_tensors_free(&list);
    if (status != SS_OK) return status;
    checkpoint_close(*files); /* the view holds it */
    *files = view;
    return SS_OK;
}

ss_status lora_apply(lora_set *s, const char *component, checkpoint **files, ss_error *err) {
    place *places = NULL;
    size_t n = 0;
    int some = 0;
    ss_status status = list_places(*files, &places, &n, err);
    for (int i = 0; i < s->n && status == SS_OK; i++)
        for (int k = 0; k < s->source[i].n && status == SS_OK; k++)
            if (is_of(&s->source[i].pairs[k].name, component))
                status = apply_pair(s, &s->source[i], &s->source[i].pairs[k], component, places, n, err);
    for (size_t i = 0; i < n; i++) some |= places[i].first != NULL;
    if (status == SS_OK && some) status = make_view(places, n, files, err);
    for (size_t i = 0; i < n; i++) free(places[i].name);
    free(places);
    return status;
}

/* ---- what was not used ---- */

static ss_status finish_source(const lora_source *f, notices *list, ss_error *err) {
    text line = {0};
    int used = 0, unused = 0;
    for (int i = 0; i < f->n; i++) {
        const pair *p = &f->pairs[i];
        used += p->used;
        if (p->used || unused++ >= SHOWN) continue;
        text_addf(&line, "%s%s", unused > 1 ? ", " : "", p->down->name);
    }
    ss_status status = line.failed ? error_no_memory(err, "a notice", line.len) : SS_OK;
    if (status == SS_OK && used == 0)
        status = error_set(err, SS_ERR_INPUT, f->path,
                           "is a LoRA for another model: none of its %d matrices belongs to a weight of this one: %s%s",
                           f->n, line.s, unused > SHOWN ? ", ..." : "");
    else if (status == SS_OK && unused)
        status = notices_add(list, err, "%s: %d of %d matrices are not used, for this model has no such weights: %s%s",
                             f->path, unused, f->n, line.s, unused > SHOWN ? ", ..." : "");
    text_free(&line);
    if (status == SS_OK && f->n_strange)
        status = notices_add(list, err, "%s: %d tensors are no matrices of LoRA, and not used: %s%s", f->path,
                             f->n_strange, f->strange.s + 2, f->n_strange > SHOWN ? ", ..." : "");
    return status;
}

ss_status lora_finish(const lora_set *s, notices *list, ss_error *err) {
    for (int i = 0; i < s->n; i++) SS_TRY(finish_source(&s->source[i], list, err));
    return SS_OK;
}
