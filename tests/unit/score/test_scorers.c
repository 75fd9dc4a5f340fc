/* Scorers from image and prompt to the number, on tiny checkpoints of random weights, against the packages' own code:
 * CLIP-T in both forms, HPS v2, PickScore, ImageReward, LPIPS, to 1e-4 relative (cosines near 0: 1e-6 absolute).
 * Vectors: tests/generators/score_scorers.py. And the message of each about files and images that do not fit. */
#include "made.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "model/lpips.h"
#include "model/network.h"
#include "score/metrics.h"
#include "tensor/half.h"
#include "tests/support/values.h"

#define CONFIGS TEST_DATA "/score/scorers/"

enum { MAX_TENSORS = 256 };
static const float GAIN = 1.75f, LOGIT_SCALE = 1.25f; /* as the generator's */

static compute *c;
static char folder[] = "/tmp/sinkscope-scorers-XXXXXX";

static void check(ss_status status, const ss_error *err) {
    if (status != SS_OK) fail_msg("%s: %s", err->where, err->message);
}

static const char *in_folder(const char *name) {
    static char path[16][512];
    static int next;
    next = (next + 1) % 16;
    snprintf(path[next], sizeof path[next], "%s/%s", folder, name);
    return path[next];
}

/* The config's random weights as a file, the tensors whose names begin with `prefix` ("!x": all others). LPIPS's
 * convolutions grow, so that deep features are more than their biases, and its linear layers are positive. */
static void write_weights(const char *name, const char *config, const char *prefix, int with_scale) {
    ss_error err = {0};
    model *m;
    safetensors_output out[MAX_TENSORS + 1];
    int n = 0, others = prefix[0] == '!';
    checkpoint *all; /* as files have them: a transposed weight is not */
    check(model_open_config(&m, NULL, config, WEIGHTS_LIST, 1, &err), &err);
    check(weights_write_random(&m->set, 1, TENSOR_F32, 1, in_folder("all.safetensors"), &err), &err);
    check(checkpoint_open(&all, in_folder("all.safetensors"), &err), &err);
    for (int i = 0; i < m->set.n; i++) {
        const weight_item *w = &m->set.item[i];
        int begins = strncmp(w->name, prefix + others, strlen(prefix + others)) == 0;
        if (begins == others) continue;
        assert_true(n < MAX_TENSORS);
        float *x = (float *)(uintptr_t)values_of(checkpoint_find(all, w->name));
        out[n] = (safetensors_output){.name = w->name, .ndim = w->ndim, .data = x};
        memcpy(out[n++].shape, w->dim, sizeof w->dim);
        for (int64_t k = 0; strcmp(m->net->about.name, "LPIPS") == 0 && k < tensor_elements(w->w->source); k++)
            x[k] = strncmp(w->name, "lin", 3) == 0 ? fabsf(x[k]) : w->ndim > 1 ? x[k] * GAIN : x[k];
    }
    if (with_scale) out[n++] = (safetensors_output){.name = "logit_scale", .data = &LOGIT_SCALE};
    check(safetensors_write(in_folder(name), out, n, &err), &err);
    checkpoint_close(all);
    unlink(in_folder("all.safetensors"));
    model_close(m);
}

static void copy(const char *from, const char *to) {
    ss_error err = {0};
    char *bytes;
    size_t size;
    check(file_read(from, 1 << 26, &bytes, &size, &err), &err);
    check(file_write(to, bytes, size, &err), &err);
    free(bytes);
}

static void write_lpips(const char *net, const char *backbone, const char *linear) {
    ss_error err = {0};
    char config[128];
    int n = snprintf(config, sizeof config, "{\"_class_name\": \"LPIPS\", \"net\": \"%s\"}", net);
    check(file_write(in_folder("lpips.json"), config, (size_t)n, &err), &err);
    write_weights(backbone, in_folder("lpips.json"), "!lin", 0);
    write_weights(linear, in_folder("lpips.json"), "lin", 0);
}

/* A folder of transformers' CLIPModel with the tokenizer of shapes-clip. */
static void write_clip_folder(const char *name, int with_scale) {
    static const char *const words[] = {"vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"};
    char path[64];
    assert_int_equal(mkdir(in_folder(name), 0755), 0);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        char from[512], to[512];
        snprintf(from, sizeof from, "%s/shapes-clip/%s", MODELS, words[i]);
        snprintf(to, sizeof to, "%s/%s/%s", folder, name, words[i]);
        copy(from, to);
    }
    snprintf(path, sizeof path, "%s/config.json", name);
    copy(CONFIGS "clip.json", in_folder(path));
    snprintf(path, sizeof path, "%s/preprocessor_config.json", name);
    copy(CONFIGS "preprocessor_config.json", in_folder(path));
    snprintf(path, sizeof path, "%s/model.safetensors", name);
    write_weights(path, CONFIGS "clip.json", "", with_scale);
}

static int setup(void **state) {
    (void)state;
    ss_error err = {0};
    assert_non_null(mkdtemp(folder));
    check(compute_create(&c, "cpu", 2, (size_t)1 << 32, &err), &err);
    write_clip_folder("hf", 1);
    write_clip_folder("no-scale", 0);
    assert_int_equal(mkdir(in_folder("open"), 0755), 0);
    copy(CONFIGS "open-clip.json", in_folder("open/open_clip_config.json"));
    write_weights("open/open_clip_model.safetensors", CONFIGS "open-clip.json", "", 0);
    write_weights("reward.safetensors", CONFIGS "image-reward.json", "", 0);
    write_lpips("alex", "alex.safetensors", "alex-lin.safetensors");
    write_lpips("vgg16", "vgg.safetensors", "vgg-lin.safetensors");
    write_lpips("squeeze", "squeeze.safetensors", "squeeze-lin.safetensors");
    return 0;
}

static int teardown(void **state) {
    (void)state;
    char command[600];
    compute_destroy(c);
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

/* A metric, open, with options as one would write them: name, value, name, value, NULL; the rest by default. */
typedef struct scorer {
    const metric *row;
    option_value options[8];
    void *state;
    char kept[8][512];
} scorer;

static ss_status scorer_open(scorer *s, const char *name, const char *const *written, ss_error *err) {
    *s = (scorer){.row = metric_find(name, NULL, err)};
    assert_non_null(s->row);
    int i = 0;
    for (const option *o = s->row->about.options; o->name; o++, i++) {
        const char *value = o->by_default;
        for (const char *const *w = written; *w; w += 2)
            if (strcmp(w[0], o->name) == 0) value = w[1];
        snprintf(s->kept[i], sizeof s->kept[i], "%s", value);
        check(option_parse(o, s->kept[i], NULL, &s->options[i], err), err);
    }
    return s->row->open(c, TOKENIZER_TRANSFORMERS_4, s->options, &s->state, err);
}

static void open_by_case(scorer *s, const char *kind) {
    ss_error err = {0};
    char backbone[512], linear[512];
    snprintf(backbone, sizeof backbone, "%s/%s.safetensors", folder, kind + (strncmp(kind, "lpips-", 6) == 0 ? 6 : 0));
    snprintf(linear, sizeof linear, "%s/%s-lin.safetensors", folder, kind + (strncmp(kind, "lpips-", 6) == 0 ? 6 : 0));
    static const char merges[] = MODELS "/clip-bpe/merges.txt";
    const struct {
        const char *name, *metric;
        const char *options[7];
    } cases[] = {
        {"clip-t-open", "clip-t", {"model", in_folder("open"), "merges", merges}},
        {"clip-t", "clip-t", {"model", in_folder("hf"), "merges", merges}},
        {"pickscore", "pickscore", {"model", in_folder("hf"), "tokenizer", ""}},
        {"hps-v2",
         "hps-v2",
         {"weights", in_folder("open/open_clip_model.safetensors"), "config", CONFIGS "open-clip.json", "merges",
          merges}},
        {"image-reward",
         "image-reward",
         {"weights", in_folder("reward.safetensors"), "config", CONFIGS "image-reward.json", "vocabulary",
          TEST_DATA "/text/bert/vocab.txt"}},
        {kind, kind, {"weights", backbone, "linear", linear}},
    };
    int i = 0;
    while (strcmp(cases[i].name, kind) != 0) i++;
    check(scorer_open(s, cases[i].metric, cases[i].options, &err), &err);
}

static scorer current;
static char current_kind[64];
static double worst;

static void check_score(const char *line) {
    ss_error err = {0};
    char kind[64];
    int used = 0;
    assert_int_equal(sscanf(line, "%63s%n", kind, &used), 1);
    line += used;
    if (strcmp(kind, current_kind) != 0) {
        if (current.row) current.row->close(c, current.state);
        open_by_case(&current, kind);
        snprintf(current_kind, sizeof current_kind, "%s", kind);
    }
    unsigned seed = (unsigned)made_int(&line), second = (unsigned)made_int(&line);
    int width = made_int(&line), height = made_int(&line);
    double expected = made_number(&line);
    char prompt_json[1200];
    json_t *prompt;
    int length = snprintf(prompt_json, sizeof prompt_json, "[%s]", line);
    check(json_read_bytes(prompt_json, (size_t)length, "prompt", &prompt, &err), &err);
    rgb_image image = made_image(seed, width, height), baseline = {0};
    if (second) baseline = made_image(second, width, height);
    metric_input in = {.image = &image, .baseline = &baseline, .prompt = json_string_value(json_array_get(prompt, 0))};
    metric_value value = {0};
    check(current.row->score(c, current.state, &in, &value, &err), &err);
    double off = fabs(value.value - expected), allowed = fmax(1e-4 * fabs(expected), 1e-6);
    if (!(off <= allowed))
        fail_msg("%s of image %u, %d x %d: %.9g; expected %.9g", kind, seed, width, height, value.value, expected);
    if (off / allowed > worst) worst = off / allowed;
    assert_int_equal(arena_used(c->scratch), 0);
    json_decref(prompt);
    rgb_image_free(&image);
    rgb_image_free(&baseline);
}

static void test_scores(void **state) {
    (void)state;
    made_lines("scorers.txt", "score", check_score, 40);
    current.row->close(c, current.state);
    print_message("largest difference %.2g of what is allowed\n", worst);
}

static void refuses(const char *name, const char *const *options, const char *where, const char *message) {
    ss_error err = {0};
    scorer s;
    assert_int_equal(scorer_open(&s, name, options, &err), SS_ERR_INPUT);
    if (!strstr(err.where, where) || !strstr(err.message, message)) fail_msg("%s | %s", err.where, err.message);
    assert_null(s.state);
}

static void test_files_that_do_not_fit(void **state) {
    (void)state;
    static const char merges[] = MODELS "/clip-bpe/merges.txt";
    refuses("hps-v2",
            (const char *[]){"weights", in_folder("open/open_clip_model.safetensors"), "merges", merges, NULL},
            "open_clip_model.safetensors", "text width 1024 in ViT-H-14 of open_clip");
    refuses("image-reward", (const char *[]){"weights", in_folder("alex.safetensors"), "vocabulary", merges, NULL},
            "alex.safetensors", "blip.visual_encoder.cls_token is missing");
    refuses(
        "lpips-vgg",
        (const char *[]){"weights", in_folder("alex.safetensors"), "linear", in_folder("vgg-lin.safetensors"), NULL},
        "alex.safetensors", "features.0.weight has shape [64, 3, 11, 11]");
    refuses("lpips-alex",
            (const char *[]){"weights", in_folder("alex.safetensors"), "linear", in_folder("alex.safetensors"), NULL},
            "alex.safetensors", "features.0.bias");
    refuses("pickscore", (const char *[]){"model", MODELS "/shapes-sd3/text_encoder", "tokenizer", "", NULL},
            "text_encoder", "expected a CLIPModel");
    refuses("pickscore", (const char *[]){"model", in_folder("no-scale"), "tokenizer", "", NULL}, "model.safetensors",
            "expected logit_scale, one number (F32, F16 or BF16)");
}

/* The scale of a 16-bit checkpoint: PickScore is CLIP-T of the same weights times its exponential. */
static void test_scale_in_16_bits(void **state) {
    (void)state;
    static const char clip[] = MODELS "/shapes-clip", merges[] = MODELS "/clip-bpe/merges.txt";
    ss_error err = {0};
    scorer cosine, pick;
    check(scorer_open(&cosine, "clip-t", (const char *[]){"model", clip, "merges", merges, NULL}, &err), &err);
    check(scorer_open(&pick, "pickscore", (const char *[]){"model", clip, "tokenizer", clip, NULL}, &err), &err);
    checkpoint *file;
    check(checkpoint_open(&file, MODELS "/shapes-clip/model.safetensors", &err), &err);
    const checkpoint_entry *e = checkpoint_find(file, "logit_scale");
    assert_int_equal(e->dtype, CHECKPOINT_F16);
    double scale = exp((double)half_from_f16(*(const uint16_t *)values_of(e)));
    rgb_image image = made_image(3, 128, 128);
    metric_input in = {.image = &image, .prompt = "a red circle"};
    metric_value a = {0}, b = {0};
    check(cosine.row->score(c, cosine.state, &in, &a, &err), &err);
    check(pick.row->score(c, pick.state, &in, &b, &err), &err);
    assert_true(scale > 1 && a.value != 0);
    assert_true(fabs(b.value / a.value - scale) <= 1e-5 * scale);
    rgb_image_free(&image);
    checkpoint_close(file);
    cosine.row->close(c, cosine.state);
    pick.row->close(c, pick.state);
}

/* The reference raises; the error names the smallest side. */
static void test_small_pictures(void **state) {
    (void)state;
    static const struct {
        const char *kind;
        int least;
    } nets[] = {{"lpips-alex", 31}, {"lpips-vgg", 16}, {"lpips-squeeze", 17}};
    for (size_t i = 0; i < sizeof nets / sizeof nets[0]; i++) {
        ss_error err = {0};
        scorer s;
        char message[64];
        metric_value value;
        rgb_image image = made_image(1, nets[i].least - 1, 64);
        metric_input in = {.image = &image, .baseline = &image};
        open_by_case(&s, nets[i].kind);
        assert_int_equal(s.row->score(c, s.state, &in, &value, &err), SS_ERR_INPUT);
        snprintf(message, sizeof message, "at least %d x %d are needed", nets[i].least, nets[i].least);
        assert_non_null(strstr(err.message, message));
        rgb_image_free(&image);
        image = made_image(1, nets[i].least, nets[i].least);
        check(s.row->score(c, s.state, &in, &value, &err), &err);
        assert_true(value.value == 0); /* from itself */
        s.row->close(c, s.state);
        rgb_image_free(&image);
    }
}

static tensor upload_made(unsigned seed, int width, int height) {
    rgb_image image = made_image(seed, width, height);
    tensor x = compute_4d(c, 1, height, width, 3);
    float *room = malloc(3 * (size_t)(width * height) * sizeof *room);
    assert_non_null(room);
    for (int i = 0; i < 3 * width * height; i++) room[i] = (float)(image.rgb[i] / 127.5 - 1);
    op_upload(c, x, room);
    free(room);
    rgb_image_free(&image);
    return x;
}

/* Image and baseline through the network as one batch, without the metric. */
static double value_of_batch(const char *kind, unsigned image, unsigned baseline, int width, int height) {
    ss_error err = {0};
    model *m;
    double value;
    char backbone[64], linear[64];
    const char *files[2], *net = kind + strlen("lpips-");
    json_t *config = json_pack("{s:s}", "net", strcmp(net, "vgg") == 0 ? "vgg16" : net);
    snprintf(backbone, sizeof backbone, "%s.safetensors", net);
    snprintf(linear, sizeof linear, "%s-lin.safetensors", net);
    files[0] = in_folder(backbone);
    files[1] = in_folder(linear);
    check(model_open_files(&m, c, "LPIPS", config, "LPIPS", files, 2, NULL, &err), &err);
    arena_mark mark = arena_get_mark(c->scratch);
    tensor a = upload_made(image, width, height), b = upload_made(baseline, width, height);
    lpips_forward(c, m->config, m->weights, a, b, &value);
    check(compute_status(c, &err), &err);
    arena_release(c->scratch, mark);
    model_close(m);
    json_decref(config);
    return value;
}

/* The baseline's features are kept from one call to the next: values are those of a metric that has seen nothing yet,
 * to the bit, whatever came before, a failure too, and those of the pair as one batch. */
static void test_kept_baselines(void **state) {
    (void)state;
    static const char *const kinds[] = {"lpips-alex", "lpips-vgg", "lpips-squeeze"};
    static const struct {
        unsigned image, baseline;
        int width, height;
    } pairs[] = {{1, 2, 40, 33}, {3, 2, 40, 33}, {2, 1, 40, 33}, {1, 2, 33, 40}, {1, 2, 10, 10},
                 {5, 2, 33, 40}, {5, 4, 33, 40}, {5, 2, 40, 33}, {1, 2, 40, 33}};
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        scorer kept, fresh;
        double first = 0;
        open_by_case(&kept, kinds[k]);
        for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
            ss_error err = {0};
            rgb_image image = made_image(pairs[i].image, pairs[i].width, pairs[i].height);
            rgb_image baseline = made_image(pairs[i].baseline, pairs[i].width, pairs[i].height);
            metric_input in = {.image = &image, .baseline = &baseline};
            metric_value a = {0}, b = {0};
            open_by_case(&fresh, kinds[k]);
            ss_status status = kept.row->score(c, kept.state, &in, &a, &err);
            assert_int_equal(fresh.row->score(c, fresh.state, &in, &b, &err), status);
            assert_int_equal(status, pairs[i].width == 10 ? SS_ERR_INPUT : SS_OK);
            assert_memory_equal(&a.value, &b.value, sizeof a.value);
            assert_true(status != SS_OK || a.value > 0);
            if (i == 0) first = a.value;
            fresh.row->close(c, fresh.state);
            rgb_image_free(&image);
            rgb_image_free(&baseline);
        }
        kept.row->close(c, kept.state);
        assert_true(first == value_of_batch(kinds[k], 1, 2, 40, 33));
    }
}

static double score_by_options(const char *model_folder, ss_error *err) {
    scorer s;
    rgb_image image = made_image(3, 40, 33);
    metric_input in = {.image = &image, .prompt = "a red circle"};
    metric_value v = {0};
    const char *const options[] = {"model", model_folder, "merges", MODELS "/clip-bpe/merges.txt", NULL};
    ss_status status = scorer_open(&s, "clip-t", options, err);
    if (status == SS_OK) {
        check(s.row->score(c, s.state, &in, &v, err), err);
        s.row->close(c, s.state);
    }
    rgb_image_free(&image);
    return v.value;
}

/* transformers 5 saves how images are prepared inside processor_config.json; where both files are there, that counts.
 */
static void test_processor_config(void **state) {
    (void)state;
    ss_error err = {0};
    const char other[] = "{\"image_mean\": [0.1, 0.1, 0.1], \"image_std\": [1, 1, 1]}";
    const char nested[] = "{\"image_processor\": {\"image_mean\": [0.5, 0.45, 0.4], \"image_std\": [0.3, 0.25, 0.2]}}";
    const char without[] = "{\"processor_class\": \"CLIPProcessor\"}", broken[] = "{\"image_processor\": 3}";
    write_clip_folder("today", 1);
    double expected = score_by_options(in_folder("hf"), &err);
    check(file_write(in_folder("today/preprocessor_config.json"), other, sizeof other - 1, &err), &err);
    assert_true(score_by_options(in_folder("today"), &err) != expected);
    check(file_write(in_folder("today/processor_config.json"), without, sizeof without - 1, &err), &err);
    assert_true(score_by_options(in_folder("today"), &err) != expected);
    check(file_write(in_folder("today/processor_config.json"), nested, sizeof nested - 1, &err), &err);
    assert_true(score_by_options(in_folder("today"), &err) == expected);
    check(file_write(in_folder("today/processor_config.json"), broken, sizeof broken - 1, &err), &err);
    score_by_options(in_folder("today"), &err);
    assert_int_equal(err.code, SS_ERR_INPUT);
    assert_non_null(strstr(err.where, "today/processor_config.json"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scores),           cmocka_unit_test(test_files_that_do_not_fit),
        cmocka_unit_test(test_scale_in_16_bits), cmocka_unit_test(test_small_pictures),
        cmocka_unit_test(test_kept_baselines),   cmocka_unit_test(test_processor_config),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
