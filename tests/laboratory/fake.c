/* See fake.h. */
#include "fake.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "attn/run.h"
#include "base/file.h"

fake_state fake;

enum { SIDE = 8, LATENTS = 6 };

/* The networks of the laboratory, by FAKE_UNEVEN: one whose blocks are alike, in which image and text attend together;
 * and one that is in no program, whose blocks differ in kind, heads, keys and resolution. */
#ifndef FAKE_UNEVEN
#define FAKE_UNEVEN 0
#endif
#if !FAKE_UNEVEN
enum { BLOCKS = 2, HEADS = 2, KEYS = 12, TEXT = 8, CLASSES = 12 }; /* TEXT: the first text key */
#define IMAGE                                                                                                          \
    { SEGMENT_IMAGE, "image", 0, 8, 4 }
#define ALL                                                                                                            \
    {                                                                                                                  \
        IMAGE, { SEGMENT_TEXT, "clip", 8, 4, 0 }                                                                       \
    }
static const attn_block NETWORK[BLOCKS] = {{"layer.0", ATTN_JOINT, 2, 12, 12, 0, 2, 2, ALL, ALL},
                                           {"layer.1", ATTN_JOINT, 2, 12, 12, 0, 2, 2, ALL, ALL}};
#else
enum { BLOCKS = 4, HEADS = 3, KEYS = 16, TEXT = 0, CLASSES = 12 };
#define FINE                                                                                                           \
    { SEGMENT_IMAGE, "image", 0, 16, 4 }
#define COARSE                                                                                                         \
    { SEGMENT_IMAGE, "image", 0, 12, 6 }
#define WORDS                                                                                                          \
    { SEGMENT_TEXT, "clip", 0, 12, 0 }
static const attn_block NETWORK[BLOCKS] = {{"wide.look", ATTN_SELF, 3, 16, 16, 0, 1, 1, {FINE}, {FINE}},
                                           {"wide.read", ATTN_CROSS, 2, 16, 12, 0, 1, 1, {FINE}, {WORDS}},
                                           {"deep.look", ATTN_SELF, 1, 12, 12, 0, 1, 1, {COARSE}, {COARSE}},
                                           {"deep.read", ATTN_CROSS, 2, 12, 12, 0, 1, 1, {COARSE}, {WORDS}}};
#endif

/* ---- attention ---- */

static const option INDEX_OPTIONS[] = {{"segment", OPTION_TEXT, NULL, 0, 0, NULL, "which segment"},
                                       {"offset", OPTION_INT, NULL, 0, 1e6, "0", "key of the segment"},
                                       {0}};
static const option RANDOM_OPTIONS[] = {{"exclude", OPTION_WORD, "none|top", 0, 0, "none", "keys left out"}, {0}};
static const option TOKEN_OPTIONS[] = {{"word", OPTION_TEXT, NULL, 0, 0, NULL, "which word"},
                                       {"missing", OPTION_WORD, "refuse|allow", 0, 0, "refuse", "as the real one"},
                                       {0}};
static const option SCALE_OPTIONS[] = {{"eta", OPTION_DOUBLE, NULL, 0, 1, NULL, "share that stays"}, {0}};

static int is_word(const select_input *in, int key) {
    return in->word && text_equal_fold(in->word(in->words, in->branch, key), in->options[0].text);
}

static const attn_selector SELECTORS[] = {{.about = {"top", "the largest", NULL}, .global = 1, .sinks = 1},
                                          {.about = {"random", "any", RANDOM_OPTIONS}, .global = 1},
                                          {.about = {"index", "one key", INDEX_OPTIONS}},
                                          {.about = {"row", "query rows", NULL}, .queries = 1},
                                          {.about = {"like", "matched", NULL}, .matches = 1},
                                          {.about = {"until", "enough", NULL}, .sized = 1},
                                          {.about = {"token", "a word", TOKEN_OPTIONS}, .wanted = is_word}};
const attn_selector *const ATTN_SELECTORS[] = {&SELECTORS[0], &SELECTORS[1], &SELECTORS[2], &SELECTORS[3],
                                               &SELECTORS[4], &SELECTORS[5], &SELECTORS[6]};
const int ATTN_SELECTOR_COUNT = 7;
static const attn_edit EDITS[] = {{.about = {"mask", "left out", NULL}},
                                  {.about = {"scale", "scaled", SCALE_OPTIONS}},
                                  {.about = {"zero", "value zero", NULL}},
                                  {.about = {"identity", "nothing", NULL}},
                                  {.about = {"gain", "output", SCALE_OPTIONS}, .on = EDIT_ON_NOTHING},
                                  {.about = {"row-mean", "rows", NULL}, .on = EDIT_ON_QUERIES},
                                  {.about = {"burst", "to infinity, by image seed", NULL}}};
const attn_edit *const ATTN_EDITS[] = {&EDITS[0], &EDITS[1], &EDITS[2], &EDITS[3], &EDITS[4], &EDITS[5], &EDITS[6]};
const int ATTN_EDIT_COUNT = 7;
static const attn_probe PROBES[] = {
    {.about = {"mass", "masses", NULL}, .n_columns = 2, .column = {"max_mass", "index0_mass"}, .always = 1},
    {.about = {"entropy", "entropy", NULL}, .n_columns = 1, .column = {"entropy"}},
    {.about = {"reduction", "left out", NULL}, .n_columns = 1, .column = {"left_out"}}};
const attn_probe *const ATTN_PROBES[] = {&PROBES[0], &PROBES[1], &PROBES[2]};
const int ATTN_PROBE_COUNT = 3;

struct attn_run {
    const attn_program *program;
    attn_measure measure;
    attn_stream_name name;
    attn_shape shape;
    int columns;
    float *site;     /* [steps, blocks, heads, 2, columns] */
    attn_sink *sink; /* [steps, blocks, heads, 2, top] */
    float *mass;     /* [steps, blocks, heads, 2, keys] */
    const attn_run *baseline;
    int visited; /* steps observed */
    int64_t acted[EDIT_MAX_STEPS];
};

static size_t sites_of(const attn_run *r) {
    return (size_t)r->shape.steps * (size_t)r->shape.blocks * (size_t)r->shape.heads * 2;
}

int attn_recalls(const attn_intervention *v) { return v->source == SOURCE_BASELINE || v->scope == SCOPE_GLOBAL; }
void attn_run_set_baseline(attn_run *run, const attn_run *baseline) { run->baseline = baseline; }

int attn_program_acts(const attn_program *p, int step) {
    for (int i = 0; p && i < p->n; i++)
        if (bits_get(&p->intervention[i].steps, step)) return 1;
    return 0;
}

size_t attn_run_bytes(const attn_measure *measure, attn_shape shape) {
    return sizeof(float) * (size_t)(shape.steps * shape.blocks * shape.heads * 2 * (measure->n_probes + shape.keys));
}

ss_status attn_run_create(attn_run **out, const attn_program *program, const attn_measure *measure,
                          const attn_stream_name *name, attn_shape shape, ss_error *err) {
    (void)err;
    attn_run *r = calloc(1, sizeof *r);
    *r = (attn_run){.program = program, .measure = *measure, .name = *name, .shape = shape};
    for (int i = 0; i < measure->n_probes; i++) r->columns += measure->probe[i]->n_columns;
    size_t n = sites_of(r);
    r->site = malloc((n * (size_t)r->columns + 1) * sizeof *r->site);
    for (size_t i = 0; i < n * (size_t)r->columns; i++) r->site[i] = NAN;
    r->sink = calloc(n * (size_t)measure->top + 1, sizeof *r->sink);
    r->mass = calloc(n * (size_t)shape.keys + 1, sizeof *r->mass);
    *out = r;
    return SS_OK;
}

void attn_run_destroy(attn_run *r) {
    if (!r) return;
    free(r->site);
    free(r->sink);
    free(r->mass);
    free(r);
}

ss_status attn_run_fork(attn_run **out, const attn_run *from, const attn_program *program, const attn_stream_name *name,
                        ss_error *err) {
    if (attn_run_create(out, program, &from->measure, name, from->shape, err) != SS_OK) return err->code;
    size_t n = sites_of(from);
    memcpy((*out)->site, from->site, n * (size_t)from->columns * sizeof *from->site);
    memcpy((*out)->sink, from->sink, n * (size_t)from->measure.top * sizeof *from->sink);
    memcpy((*out)->mass, from->mass, n * (size_t)from->shape.keys * sizeof *from->mass);
    return SS_OK;
}

static size_t site_at(const attn_run *r, int step, int block, int head, attn_branch branch) {
    return (((size_t)step * (size_t)r->shape.blocks + (size_t)block) * (size_t)r->shape.heads + (size_t)head) * 2 +
           (size_t)branch;
}

int attn_run_columns(const attn_run *r) { return r->columns; }
const float *attn_run_site(const attn_run *r, int step, int block, int head, attn_branch branch) {
    return r->site + site_at(r, step, block, head, branch) * (size_t)r->columns;
}
int attn_run_sinks(const attn_run *r, int step, int block, int head, attn_branch branch, const attn_sink **out) {
    *out = r->sink + site_at(r, step, block, head, branch) * (size_t)r->measure.top;
    return (*out)->mass > 0 ? r->measure.top : 0; /* 0: not visited */
}
const float *attn_run_masses(const attn_run *r, int step, int block, int head, attn_branch branch) {
    return r->mass + site_at(r, step, block, head, branch) * (size_t)r->shape.keys;
}
attn_shape attn_run_shape(const attn_run *r) { return r->shape; }
int64_t attn_run_acted(const attn_run *r, int intervention) { return r->acted[intervention]; }

/* ---- pipeline ---- */

struct pipeline {
    int opened;
};
struct embedding {
    uint64_t hash;
    uint8_t classes[CLASSES];
    char last[16]; /* the prompt's last word, its only one */
};
struct denoise_state {
    resolved_settings settings;
    const embedding *text;
    attn_run *run;
    int step, broken;
    double x[LATENTS];
};

const char *fake_network(void) { return FAKE_UNEVEN ? "uneven" : "alike"; }

int fake_blocks(void) { return BLOCKS; }
int64_t fake_masses(void) { return (int64_t)BLOCKS * HEADS * KEYS; }
int fake_text_keys(void) { return CLASSES - TEXT; }

int fake_heads(void) {
    int n = 0;
    for (int i = 0; i < BLOCKS; i++) n += NETWORK[i].heads;
    return n;
}

pipeline *fake_pipeline(void) {
    static pipeline p;
    return &p;
}

ss_status settings_resolve(const pipeline *p, const sample_settings *asked, resolved_settings *out, ss_error *err) {
    (void)p, (void)err;
    *out = (resolved_settings){.width = asked->width ? asked->width : SIDE,
                               .height = asked->width ? asked->height : SIDE,
                               .steps = asked->steps ? asked->steps : 5,
                               .guidance = isnan(asked->guidance) ? 4 : asked->guidance,
                               .negative = asked->negative ? asked->negative : "",
                               .max_text_tokens = asked->max_text_tokens ? asked->max_text_tokens : 4,
                               .sizes = asked->sizes,
                               .scheduler = asked->scheduler,
                               .noise = asked->noise};
    return SS_OK;
}

void pipeline_sites_at(const pipeline *p, const resolved_settings *s, pipeline_sites *out) {
    (void)p, (void)s;
    *out = (pipeline_sites){.blocks = BLOCKS, .heads = HEADS, .keys = KEYS};
}

ss_status pipeline_blocks(const pipeline *p, const resolved_settings *s, attn_block **out, ss_error *err) {
    (void)p, (void)s, (void)err;
    *out = malloc(sizeof NETWORK);
    memcpy(*out, NETWORK, sizeof NETWORK);
    attn_number_layouts(*out, BLOCKS);
    return SS_OK;
}

const char *pipeline_class(const pipeline *p) { return p ? "FakePipeline" : ""; }
const char *pipeline_scheduler_name(const pipeline *p, const resolved_settings *s) {
    return p && s->scheduler ? s->scheduler : "FakeScheduler";
}
int pipeline_calls(const pipeline *p, const resolved_settings *s) { return p ? s->steps : 0; }
int pipeline_scheduler_forced(const pipeline *p, const resolved_settings *s) {
    return p && s->scheduler && strstr(s->scheduler, "force") != NULL;
}
const char *pipeline_folder(const pipeline *p) { return p ? "model" : ""; }

ss_status pipeline_cost_of(pipeline *p, const resolved_settings *s, int images, pipeline_cost *out, ss_error *err) {
    (void)p, (void)s, (void)images, (void)err;
    *out = (pipeline_cost){.flops_step = 100, .flops_decode = 20, .flops_text = 10, .text_bytes = 40};
    return SS_OK;
}

ss_status pipeline_encode(pipeline *p, const resolved_settings *s, const char *prompt, embedding **out, ss_error *err) {
    (void)p, (void)s, (void)err;
    fake.encodes++;
    *out = calloc(1, sizeof **out);
    (*out)->hash = philox_hash_text(prompt);
    for (int i = TEXT + 3; i < CLASSES; i++) (*out)->classes[i] = KEY_PADDING;
    (*out)->classes[TEXT] = KEY_START;
    (*out)->classes[TEXT + 1] = KEY_WORD;
    (*out)->classes[TEXT + 2] = KEY_END;
    const char *space = strrchr(prompt, ' ');
    snprintf((*out)->last, sizeof(*out)->last, "%s", space ? space + 1 : prompt);
    return SS_OK;
}
ss_status pipeline_encode_many(pipeline *p, const resolved_settings *s, const char *const *prompts, int n,
                               embedding **out, ss_error *err) {
    for (int i = 0; i < n; i++)
        if (pipeline_encode(p, s, prompts[i], &out[i], err) != SS_OK) return err->code;
    return SS_OK;
}
ss_status pipeline_blank(pipeline *p, const resolved_settings *s, const char *prompt, embedding **out, ss_error *err) {
    return pipeline_encode(p, s, prompt, out, err);
}
ss_status pipeline_prepare(pipeline *p, ss_error *err) {
    (void)p, (void)err;
    return SS_OK;
}
void pipeline_release(pipeline *p) { (void)p; }
void pipeline_set_form(pipeline *p, weight_form form) {
    (void)p;
    (void)form;
}
void embedding_free(embedding *e) { free(e); }

/* One encoder, whose tokens are bytes. */
ss_status pipeline_find_cuts(const pipeline *p, const resolved_settings *s, const char *text_,
                             text_cut out[PIPELINE_MAX_ENCODERS], int *n, ss_error *err) {
    (void)p, (void)s, (void)err;
    int have = (int)strlen(text_), most = fake.text_limit ? fake.text_limit : 1000;
    *n = 1;
    out[0] = (text_cut){"reader", have, have < most ? have : most, most, (size_t)(have < most ? have : most)};
    return SS_OK;
}
void text_cut_add_words(const text_cut *cut, const char *text_, text *out) { text_add(out, text_ + cut->from); }
ss_status pipeline_note_cuts(pipeline *p, const resolved_settings *s, const char *prompt, ss_error *err) {
    (void)p, (void)s, (void)prompt, (void)err;
    return SS_OK;
}
notices *pipeline_notices(const pipeline *p) {
    (void)p;
    return &fake.notices;
}

/* A text's file holds its name; 1 where it is there and whole. */
static int text_is_there(const text_folder *folder, uint64_t key, char path[512]) {
    char *data, name[32];
    size_t size;
    ss_error err;
    snprintf(name, sizeof name, "%016llx", (unsigned long long)key);
    snprintf(path, 512, "%s/%s.text", folder->path, name);
    if (file_read(path, sizeof name, &data, &size, &err) != SS_OK) return 0;
    int good = strcmp(data, name) == 0;
    free(data);
    return good;
}

static ss_status make_text(const text_folder *folder, const char *prompt, int repeat, ss_error *err) {
    char path[512], name[32];
    uint64_t key = philox_hash_text(prompt) + philox_hash_text(folder->identity) + (uint64_t)repeat;
    if (text_is_there(folder, key, path)) return SS_OK;
    fake.encodes++;
    snprintf(name, sizeof name, "%016llx", (unsigned long long)key);
    if (file_make_folder(folder->path, err) != SS_OK) return err->code;
    return file_write(path, name, strlen(name), err);
}

ss_status pipeline_encode_into(pipeline *p, const text_folder *folder, const text_order *o, int n,
                               void (*told)(void *user, int64_t done, int64_t total), void *user, ss_error *err) {
    (void)p;
    for (int i = 0; i < n; i++) {
        if (make_text(folder, o[i].prompt, o[i].repeat, err) != SS_OK) return err->code;
        if (o[i].settings->guidance > 1 && make_text(folder, o[i].settings->negative, o[i].repeat, err) != SS_OK)
            return err->code;
        if (told) told(user, i + 1, n);
        if (fake.fail_texts && fake.encodes >= fake.fail_texts)
            return error_set(err, SS_ERR_RESOURCE, NULL, "the fake encoders were told to fail");
    }
    return SS_OK;
}

ss_status pipeline_encode_from(pipeline *p, const text_folder *folder, const text_order *o, embedding **out,
                               ss_error *err) {
    if (pipeline_encode_into(p, folder, o, 1, NULL, NULL, err) != SS_OK) return err->code;
    fake.encodes--; /* counted with its text */
    return pipeline_encode(p, o->settings, o->prompt, out, err);
}
const uint8_t *embedding_key_classes(const embedding *e, attn_branch branch) {
    return branch == BRANCH_COND ? e->classes : e->classes;
}
int embedding_keys(const embedding *e) {
    (void)e;
    return CLASSES;
}
const char *embedding_key_word(const embedding *e, attn_branch branch, int key) {
    return e && branch == BRANCH_COND && key == TEXT + 1 ? e->last : "";
}

ss_status denoise_begin(denoise_state **out, pipeline *p, const resolved_settings *s, const embedding *e, uint64_t seed,
                        attn_run *run, ss_error *err) {
    (void)p, (void)err;
    static uint64_t times;
    philox r;
    uint64_t salt = fake.defect == FAKE_NOT_REPEATABLE ? ++times : 0;
    *out = calloc(1, sizeof **out);
    **out = (denoise_state){.settings = *s, .text = e, .run = run};
    philox_init(&r, seed, &salt, 1);
    for (int i = 0; i < LATENTS; i++) (*out)->x[i] = philox_normal(&r);
    return SS_OK;
}
ss_status denoise_fork(denoise_state **out, const denoise_state *from, attn_run *run, ss_error *err) {
    (void)err;
    *out = malloc(sizeof **out);
    **out = *from;
    (*out)->run = run;
    return SS_OK;
}
void denoise_free(denoise_state *d) { free(d); }
int denoise_step_number(const denoise_state *d) { return d->step; }

/* How far the interventions of a step push: by what is selected, how many, and how it is edited. */
static double push_of(const denoise_state *d, int head) {
    const attn_program *g = d->run->program;
    double push = 0;
    for (int i = 0; g && i < g->n; i++) {
        const attn_intervention *v = &g->intervention[i];
        int identity = strcmp(v->edit->about.name, "identity") == 0;
        if (!bits_get(&v->steps, d->step) || !bits_get(&v->heads, head) || v->k == 0 || identity) continue;
        philox r;
        uint64_t parts[] = {d->run->name.prompt, d->run->name.image_seed, philox_hash_text(v->selector->about.name),
                            (uint64_t)d->step, (uint64_t)head};
        philox_init(&r, d->run->name.study_seed, parts, 5);
        push += 0.05 * v->k * (1 + 0.2 * philox_normal(&r)) + 0.01 * (double)d->run->name.draw;
        if (!attn_recalls(v)) continue;
        const attn_run *base = d->run->baseline; /* complete, and asked to keep these blocks */
        if (!base || base->visited != base->shape.steps || !bits_get(&base->measure.recall, 1)) abort();
        push += 0.1 * (double)attn_run_masses(base, base->shape.steps - 1, 1, head, BRANCH_COND)[0];
    }
    return push;
}

static const char *word_of(const void *words, attn_branch branch, int key) {
    return embedding_key_word(words, branch, key);
}

/* Where interventions act: once a step, if their sets can hold anything. */
static void count_acted(const denoise_state *d) {
    const attn_program *g = d->run->program;
    const attn_text words = {{d->text->classes, d->text->classes}, word_of, d->text};
    for (int i = 0; g && i < g->n; i++)
        d->run->acted[i] += bits_get(&g->intervention[i].steps, d->step) && g->intervention[i].k > 0 &&
                            attn_intervention_keys(&g->intervention[i], NETWORK, BLOCKS, &words) != 0;
}

/* How an image ends: image seeds of the form 4n + 2 and 4n burst under the edit `burst`, the first after step 3, the
 * others in their picture. fake.defect takes the place of the edit: FAKE_BURST_ALL, or none bursts. */
static int bursts(const denoise_state *d, unsigned seed_of_4) {
    const attn_program *g = d->run->program;
    int edited = fake.defect == FAKE_BURST_ALL;
    for (int i = 0; g && i < g->n; i++) edited |= strcmp(g->intervention[i].edit->about.name, "burst") == 0;
    return edited && fake.defect != FAKE_NO_BURST && d->run->name.image_seed % 4 == seed_of_4;
}

static void observe(denoise_state *d) {
    attn_run *r = d->run;
    count_acted(d);
    r->visited = d->step + 1;
    for (int b = 0; b < BLOCKS; b++)
        for (int h = 0; h < NETWORK[b].heads; h++)
            for (int g = 0; g < (d->settings.guidance > 1 ? 2 : 1); g++) {
                size_t at = site_at(r, d->step, b, h, (attn_branch)g);
                for (int i = 0; i < r->columns; i++)
                    r->site[at * (size_t)r->columns + (size_t)i] = (float)(d->x[(b + h + g + i) % LATENTS] / 3);
                for (int i = 0; i < r->measure.top; i++)
                    r->sink[at * (size_t)r->measure.top + (size_t)i] =
                        (attn_sink){(d->step + 3 * b + h + i) % NETWORK[b].keys, (float)(0.5 / (i + 1))};
                for (int i = 0; i < NETWORK[b].keys; i++)
                    r->mass[at * KEYS + (size_t)i] = (float)(1.0 / NETWORK[b].keys + 0.01 * d->x[i % LATENTS]);
            }
}

ss_status denoise_step(pipeline *p, denoise_state *const *states, int n, ss_error *err) {
    (void)p;
    struct timespec t = {0, 1000L * fake.step_microseconds * n};
    if (fake.step_microseconds) nanosleep(&t, NULL);
    for (int i = 0; i < n; i++) {
        denoise_state *d = states[i];
        fake.steps++;
        if (fake.fail_after && fake.steps >= fake.fail_after)
            return error_set(err, SS_ERR_RESOURCE, NULL, "the fake pipeline was told to fail");
        observe(d);
        double push = push_of(d, 0) + push_of(d, 1), pull = (double)(d->text->hash % 1000) / 1000;
        for (int j = 0; j < LATENTS; j++)
            d->x[j] = 0.8 * d->x[j] + 0.2 * cos(d->x[(j + 1) % LATENTS] + pull * (j + 1)) + push * (j % 2 ? 1 : -0.5);
        if (d->step == 3 && bursts(d, 2)) d->x[1] = INFINITY;
        d->step++;
    }
    return SS_OK;
}

ss_status denoise_latents(pipeline *p, const denoise_state *d, float *host, ss_error *err) {
    (void)p, (void)err;
    for (int i = 0; i < LATENTS; i++) host[i] = (float)d->x[i];
    return SS_OK;
}

int64_t denoise_latent_elements(const denoise_state *d) {
    (void)d;
    return LATENTS;
}

ss_status denoise_check(pipeline *p, denoise_state *d, ss_error *err) {
    (void)p;
    for (int i = 0; i < LATENTS; i++) d->broken |= !isfinite(d->x[i]);
    if (!d->broken) return SS_OK;
    return error_set(err, SS_ERR_INPUT, "fake network", "block 1 is not finite at step %d", d->step - 1);
}

int denoise_is_broken(const denoise_state *d) { return d->broken; }

ss_status denoise_decode(pipeline *p, denoise_state *d, rgb_image *out, ss_error *err) {
    (void)p;
    *out = (rgb_image){0};
    if (bursts(d, 0)) {
        d->broken = 1;
        return error_set(err, SS_ERR_INPUT, "fake decoder", "the picture is not finite");
    }
    *out = (rgb_image){.width = SIDE, .height = SIDE, .rgb = malloc(SIDE * SIDE * 3)};
    for (int i = 0; i < SIDE * SIDE * 3; i++) {
        double v = 127 + 40 * d->x[i % LATENTS] + 5 * d->x[i / 7 % LATENTS];
        out->rgb[i] = (unsigned char)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
    return SS_OK;
}

/* ---- metrics ---- */

static double mean_level(const rgb_image *image, int channel) {
    double sum = 0;
    for (int i = channel; i < SIDE * SIDE * 3; i += 3) sum += image->rgb[i];
    return sum / (SIDE * SIDE);
}

static ss_status score_glow(compute *c, void *state, const metric_input *in, metric_value *out, ss_error *err) {
    (void)c, (void)state, (void)err;
    out->value = mean_level(in->image, 0) / 255 + 1e-6 * (double)(philox_hash_text(in->prompt) % 100);
    return SS_OK;
}

static ss_status score_right(compute *c, void *state, const metric_input *in, metric_value *out, ss_error *err) {
    (void)c, (void)state, (void)err;
    out->value = in->geneval && mean_level(in->image, 1) > 110;
    out->unreadable = mean_level(in->image, 1) > 250;
    snprintf(out->note, sizeof out->note, "level, \"%d\"", (int)mean_level(in->image, 1));
    return SS_OK;
}

static ss_status score_rmse(compute *c, void *state, const metric_input *in, metric_value *out, ss_error *err) {
    (void)c, (void)state, (void)err;
    double sum = 0;
    for (int i = 0; i < SIDE * SIDE * 3; i++) sum += pow((in->image->rgb[i] - in->baseline->rgb[i]) / 255.0, 2);
    out->value = sqrt(sum / (SIDE * SIDE * 3));
    if (fake.most_rmse > 0 && out->value > fake.most_rmse) out->value = NAN;
    return SS_OK;
}

static ss_status score_alike(compute *c, void *state, const metric_input *in, metric_value *out, ss_error *err) {
    ss_status status = score_rmse(c, state, in, out, err);
    out->value = 1 - out->value;
    return status;
}

static const option GLOW_OPTIONS[] = {{"model", OPTION_PATH, NULL, 0, 0, "model", "folder"}, {0}};

static const metric METRICS[] = {
    {.about = {"glow", "how red", GLOW_OPTIONS},
     .kind = METRIC_ALIGNMENT,
     .needs = METRIC_NEEDS_PROMPT,
     .score = score_glow},
    {.about = {"right", "right or wrong", NULL},
     .kind = METRIC_ALIGNMENT,
     .binary = 1,
     .has_worst = 1,
     .needs = METRIC_NEEDS_GENEVAL,
     .score = score_right},
    {.about = {"pixel-rmse", "distance", NULL},
     .kind = METRIC_DISTANCE,
     .needs = METRIC_NEEDS_BASELINE,
     .score = score_rmse},
    {.about = {"dim", "how green", NULL}, .kind = METRIC_PREFERENCE, .score = score_glow},
    {.about = {"alike", "likeness", NULL},
     .kind = METRIC_SIMILARITY,
     .needs = METRIC_NEEDS_BASELINE,
     .score = score_alike},
};
const metric *const SCORE_METRICS[] = {&METRICS[0], &METRICS[1], &METRICS[2], &METRICS[3], &METRICS[4]};
const int SCORE_METRIC_COUNT = 5;

ss_status metric_score(const metric *m, compute *c, void *state, const metric_input *in, metric_value *out,
                       ss_error *err) {
    if (m->score(c, state, in, out, err) != SS_OK) return err->code;
    if (isfinite(out->value)) return SS_OK;
    return error_set(err, SS_ERR_INPUT, m->about.name, "the fake score is not finite");
}

ss_status metric_feature(const metric *m, compute *c, void *state, const rgb_image *image, float *out, ss_error *err) {
    return m->feature(c, state, image, out, err);
}

/* ---- folders ---- */

const char *fake_folder(void) {
    static char path[64];
    /* in memory where that can be had: thousands of syncs */
    snprintf(path, sizeof path, "%s/sinkscope-study-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(path)) abort();
    char *model = file_join(path, "model");
    ss_error err;
    if (file_make_folder(model, &err) != SS_OK) abort();
    fake_write(model, "model_index.json", "{}");
    fake_write(model, "weights.safetensors", "0123456789");
    free(model);
    return path;
}

void fake_remove(const char *folder) {
    char command[256];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command) != 0) abort();
}

void fake_write(const char *folder, const char *name, const char *content) {
    char *path = file_join(folder, name);
    ss_error err;
    if (file_write(path, content, strlen(content), &err) != SS_OK) abort();
    free(path);
}

void fake_prompts(const char *folder, int n) {
    static const char *const COLORS[] = {"red", "orange", "blue"}, *const THINGS[] = {"star", "cross", "ring"};
    text t = {0};
    for (int i = 0; i < n; i++) {
        const char *color = COLORS[i % 3], *thing = THINGS[i / 3 % 3];
        if (i % 4 == 3)
            text_addf(
                &t,
                "{\"tag\": \"counting\", \"include\": [{\"class\": \"%s\", \"count\": 2}], \"prompt\": \"a photo of "
                "two %ss%s\"}\n",
                thing, strcmp(thing, "cross") == 0 ? "cros" : thing, strcmp(thing, "cross") == 0 ? "es" : "");
        else
            text_addf(&t,
                      "{\"tag\": \"colors\", \"include\": [{\"class\": \"%s\", \"count\": 1, \"color\": \"%s\"}], "
                      "\"prompt\": \"a photo of a%s %s %s\"}\n",
                      thing, color, color[0] == 'o' ? "n" : "", color, thing);
    }
    fake_write(folder, "prompts.jsonl", t.s);
    text_free(&t);
}
