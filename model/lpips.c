/* LPIPS; see lpips.h. The three backbones are tables of steps: the numbers are torchvision's places in `features`. */
#include "model/lpips.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "model/checks.h"

/* The classifier's head; other layers of the package's files. */
const char *const LPIPS_IGNORE[] = {"classifier.1.weight",
                                    "classifier.1.bias",
                                    "classifier.4.weight",
                                    "classifier.4.bias",
                                    "classifier.6.weight",
                                    "classifier.6.bias",
                                    "classifier.0.weight",
                                    "classifier.0.bias",
                                    "classifier.3.weight",
                                    "classifier.3.bias",
                                    NULL};

typedef enum step_kind { CONV, POOL, FIRE } step_kind; /* convolution and relu, max pool, SqueezeNet's fire module */

typedef struct step {
    step_kind kind;
    int place;                  /* in torchvision's `features` */
    int out, size, stride, pad; /* FIRE: `out` channels after each expansion, `size` of the squeeze layer */
    int tap;                    /* 1 = its output is compared */
} step;

typedef struct lpips_net {
    const char *name;
    int ceil_mode; /* of the pools */
    int n_steps;
    const step *steps;
} lpips_net;

static const step ALEX[] = {
    {CONV, 0, 64, 11, 4, 2, 1}, {POOL, 2, 0, 3, 2, 0, 0},   {CONV, 3, 192, 5, 1, 2, 1},  {POOL, 5, 0, 3, 2, 0, 0},
    {CONV, 6, 384, 3, 1, 1, 1}, {CONV, 8, 256, 3, 1, 1, 1}, {CONV, 10, 256, 3, 1, 1, 1},
};

static const step VGG16[] = {
    {CONV, 0, 64, 3, 1, 1, 0},   {CONV, 2, 64, 3, 1, 1, 1}, {POOL, 4, 0, 2, 2, 0, 0},    {CONV, 5, 128, 3, 1, 1, 0},
    {CONV, 7, 128, 3, 1, 1, 1},  {POOL, 9, 0, 2, 2, 0, 0},  {CONV, 10, 256, 3, 1, 1, 0}, {CONV, 12, 256, 3, 1, 1, 0},
    {CONV, 14, 256, 3, 1, 1, 1}, {POOL, 16, 0, 2, 2, 0, 0}, {CONV, 17, 512, 3, 1, 1, 0}, {CONV, 19, 512, 3, 1, 1, 0},
    {CONV, 21, 512, 3, 1, 1, 1}, {POOL, 23, 0, 2, 2, 0, 0}, {CONV, 24, 512, 3, 1, 1, 0}, {CONV, 26, 512, 3, 1, 1, 0},
    {CONV, 28, 512, 3, 1, 1, 1},
};

static const step SQUEEZE[] = {
    {CONV, 0, 64, 3, 2, 0, 1},    {POOL, 2, 0, 3, 2, 0, 0},     {FIRE, 3, 64, 16, 1, 0, 0},
    {FIRE, 4, 64, 16, 1, 0, 1},   {POOL, 5, 0, 3, 2, 0, 0},     {FIRE, 6, 128, 32, 1, 0, 0},
    {FIRE, 7, 128, 32, 1, 0, 1},  {POOL, 8, 0, 3, 2, 0, 0},     {FIRE, 9, 192, 48, 1, 0, 1},
    {FIRE, 10, 192, 48, 1, 0, 1}, {FIRE, 11, 256, 64, 1, 0, 1}, {FIRE, 12, 256, 64, 1, 0, 1},
};

static const lpips_net NETS[] = {
    {"alex", 0, NN_COUNT(ALEX), ALEX},
    {"vgg16", 0, NN_COUNT(VGG16), VGG16},
    {"squeeze", 1, NN_COUNT(SQUEEZE), SQUEEZE},
};

ss_status lpips_parse(const json_t *json, const char *class_name, const char *where, void *config, ss_error *err) {
    (void)class_name;
    lpips_config *g = config;
    const char *name;
    SS_TRY(json_get_text(json, "net", where, &name, err));
    for (int i = 0; i < NN_COUNT(NETS); i++)
        if (strcmp(name, NETS[i].name) == 0) g->net = &NETS[i];
    if (g->net) return SS_OK;
    return error_set(err, SS_ERR_INPUT, where, "net: expected \"alex\", \"vgg16\" or \"squeeze\", found \"%s\"", name);
}

/* ---- weights ---- */

static int64_t step_channels(const step *s) { return s->kind == FIRE ? 2 * s->out : s->out; }

static void bind_fire(binder *b, lpips_weights *w, int i, const step *s) {
    static const weight_row one[] = {{0, WEIGHT_CONV, "weight", "O I 1 1"},
                                     {offsetof(nn_linear, b), WEIGHT_VECTOR, "bias", "O"}};
    static const weight_row nine[] = {{0, WEIGHT_CONV, "weight", "O I 3 3"},
                                      {offsetof(nn_linear, b), WEIGHT_VECTOR, "bias", "O"}};
    binder_symbol(b, "O", s->size, "the squeeze layer's %d", s->size);
    binder_rows(b, &w->conv[i], one, NN_COUNT(one), "features.%d.squeeze.", s->place);
    binder_symbol(b, "I", s->size, "the squeeze layer's %d", s->size);
    binder_symbol(b, "O", s->out, "the expansion's %d", s->out);
    binder_rows(b, &w->left[i], one, NN_COUNT(one), "features.%d.expand1x1.", s->place);
    binder_rows(b, &w->right[i], nine, NN_COUNT(nine), "features.%d.expand3x3.", s->place);
}

void lpips_bind(binder *b, const void *config, void *weights) {
    static const weight_row rows[] = {{0, WEIGHT_CONV, "weight", "O I k k"},
                                      {offsetof(nn_linear, b), WEIGHT_VECTOR, "bias", "O"}};
    static const weight_row linear[] = {{0, WEIGHT_LINEAR, "model.1.weight", "1 O 1 1"}};
    const lpips_net *net = ((const lpips_config *)config)->net;
    lpips_weights *w = weights;
    int64_t channels = 3;
    int taps = 0;
    for (int i = 0; i < net->n_steps; i++) {
        const step *s = &net->steps[i];
        if (s->kind == POOL) continue;
        binder_symbol(b, "I", channels, "%s's layer before", net->name);
        channels = step_channels(s);
        if (s->kind == FIRE) bind_fire(b, w, i, s);
        else {
            binder_symbol(b, "O", channels, "%s", net->name);
            binder_symbol(b, "k", s->size, "%s", net->name);
            binder_rows(b, &w->conv[i], rows, NN_COUNT(rows), "features.%d.", s->place);
        }
        if (!s->tap) continue;
        binder_symbol(b, "O", channels, "features.%d of %s", s->place, net->name);
        binder_rows(b, &w->linear[taps], linear, NN_COUNT(linear), "lin%d.", taps);
        taps++;
    }
}

/* ---- forward ---- */

/* Length of a side after a step; <= 0 where the reference would raise. */
static int64_t lpips_side_after(const lpips_net *net, const step *s, int64_t side) {
    if (s->kind == FIRE) return side;
    int64_t room = side + 2 * s->pad - s->size + (s->kind == POOL && net->ceil_mode ? s->stride - 1 : 0);
    if (room < 0) return 0;
    int64_t windows = room / s->stride + 1;
    return (windows - 1) * s->stride >= side + s->pad ? windows - 1
                                                      : windows; /* torch drops a window that starts outside */
}

int64_t lpips_min_side(const lpips_config *g) {
    for (int64_t side = 1;; side++) {
        int64_t left = side;
        for (int i = 0; i < g->net->n_steps && left > 0; i++) left = lpips_side_after(g->net, &g->net->steps[i], left);
        if (left > 0) return side;
    }
}

/* Both images go through the network as one batch, from one scratch buffer to the other. */
typedef struct rooms {
    tensor room[2];
    int next;
} rooms;

static tensor room_take(rooms *r, const int64_t dim[4]) {
    tensor room = r->room[r->next ^= 1];
    return tensor_reshape(tensor_columns(room, 0, dim[0] * dim[1] * dim[2] * dim[3]), 4, dim);
}

static void step_dims(const lpips_net *net, const step *s, const int64_t in[4], int64_t out[4]) {
    const int64_t dim[] = {in[0], lpips_side_after(net, s, in[1]), lpips_side_after(net, s, in[2]),
                           s->kind == POOL ? in[3] : step_channels(s)};
    memcpy(out, dim, sizeof dim);
}

static void rooms_make(compute *c, const lpips_net *net, const int64_t pictures[4], rooms *r) {
    int64_t dim[4], most = pictures[0] * pictures[1] * pictures[2] * pictures[3];
    memcpy(dim, pictures, sizeof dim);
    for (int i = 0; i < net->n_steps; i++) {
        step_dims(net, &net->steps[i], dim, dim);
        int64_t n = dim[0] * dim[1] * dim[2] * dim[3];
        if (n > most) most = n;
    }
    *r = (rooms){{compute_1d(c, most), compute_1d(c, most)}, 0};
}

static tensor lpips_run_step(compute *c, const lpips_net *net, const lpips_weights *w, int i, tensor x, rooms *r) {
    const step *s = &net->steps[i];
    const int pad[] = {s->pad, s->pad, s->pad, s->pad}, none[] = {0, 0, 0, 0}, around[] = {1, 1, 1, 1};
    int64_t dim[4];
    step_dims(net, s, x.dim, dim);
    tensor out = room_take(r, dim);
    if (s->kind == POOL) op_pool2d(c, out, x, POOL_MAX, s->size, s->stride, s->pad);
    else if (s->kind == CONV) op_conv2d(c, out, x, &w->conv[i].w, &w->conv[i].b, s->stride, pad, ACT_RELU);
    else {
        arena_mark mark = arena_get_mark(c->scratch);
        tensor squeezed = compute_4d(c, dim[0], dim[1], dim[2], s->size);
        op_conv2d(c, squeezed, x, &w->conv[i].w, &w->conv[i].b, 1, none, ACT_RELU);
        op_conv2d(c, tensor_columns(out, 0, s->out), squeezed, &w->left[i].w, &w->left[i].b, 1, none, ACT_RELU);
        op_conv2d(c, tensor_columns(out, s->out, s->out), squeezed, &w->right[i].w, &w->right[i].b, 1, around,
                  ACT_RELU);
        arena_release(c->scratch, mark);
    }
    return out;
}

static void no_memory(compute *c, int64_t floats) {
    ss_error err;
    error_no_memory(&err, "lpips", (unsigned long long)floats * sizeof(float));
    compute_fail(c, &err);
}

/* One number for each channel, repeated for a row of `width` pixels: [1, 1, 3 width] in new scratch. */
static tensor channels_row(compute *c, const float *values, int64_t width) {
    tensor row = compute_3d(c, 1, width, 3), one = compute_3d(c, 1, 1, 3);
    op_upload(c, one, values);
    op_fill(c, row, 0.0f);
    op_add(c, row, row, one);
    return tensor_reshape(row, 3, (int64_t[]){1, 1, 3 * width});
}

/* (x - shift) / scale with the published numbers; both are contiguous. By rows of the image, since operations on pixels
 * of three numbers are slow. */
static void scale_into(compute *c, tensor out, tensor x) {
    static const float shift[] = {0.030f, 0.088f, 0.188f}, scale[] = {1 / 0.458f, 1 / 0.448f, 1 / 0.450f};
    const int64_t dim[] = {x.dim[0], x.dim[1], x.dim[2] * 3};
    arena_mark mark = arena_get_mark(c->scratch);
    out = tensor_reshape(out, 3, dim);
    op_add(c, out, tensor_reshape(x, 3, dim), channels_row(c, shift, x.dim[2]));
    op_mul(c, out, out, channels_row(c, scale, x.dim[2]));
    arena_release(c->scratch, mark);
}

/* Every pixel's features divided by their length (+ 1e-10 in the reference, which is there for lengths of 0). */
static tensor unit(compute *c, tensor x) {
    tensor out = nn_like(c, x);
    float root = 1 / sqrtf((float)x.dim[3]);
    op_rms_norm(c, out, x, NULL, 1e-20f / (float)x.dim[3]);
    op_axpby(c, out, root, out, 0.0f, out);
    return out;
}

/* Adds the mean over pixels of the weighted squares of one tap to distance[B]; `a`, `b` are of unit length, and `a` is
 * overwritten. */
static void lpips_compare(compute *c, tensor a, tensor b, const weight *linear, int tap, double *distance) {
    int64_t n = a.dim[1] * a.dim[2];
    arena_mark mark = arena_get_mark(c->scratch);
    tensor out = compute_4d(c, a.dim[0], a.dim[1], a.dim[2], 1);
    op_axpby(c, a, 1.0f, a, -1.0f, b);
    op_mul(c, a, a, a);
    op_linear(c, out, a, linear, NULL, ACT_NONE);
    compute_tap(c, out, "lin.%d", tap);
    float *host = malloc((size_t)(a.dim[0] * n) * sizeof *host);
    if (host) op_download(c, host, out);
    else no_memory(c, a.dim[0] * n);
    for (int64_t i = 0; host && compute_ok(c) && i < a.dim[0]; i++) {
        double sum = 0;
        for (int64_t j = 0; j < n; j++) sum += (double)host[i * n + j];
        distance[i] += sum / (double)n;
    }
    free(host);
    arena_release(c->scratch, mark);
}

/* Images through the network; `see` gets the features at every tap. */
typedef void watcher(compute *c, void *user, int tap, tensor features);

static void lpips_watch(compute *c, const lpips_net *net, const lpips_weights *w, tensor x, rooms *r, watcher *see,
                        void *user) {
    int taps = 0;
    for (int i = 0; i < net->n_steps && compute_ok(c); i++) {
        x = lpips_run_step(c, net, w, i, x, r);
        if (!net->steps[i].tap) continue;
        arena_mark mark = arena_get_mark(c->scratch);
        see(c, user, taps++, x);
        arena_release(c->scratch, mark);
    }
}

/* ---- a pair at once ---- */

typedef struct pair {
    const lpips_weights *w;
    int64_t n; /* pairs: images [0, n) and [n, 2 n) */
    double *distance;
} pair;

static void see_pair(compute *c, void *user, int tap, tensor features) {
    const pair *p = user;
    tensor first = tensor_slice(features, 0, 0, p->n), second = tensor_slice(features, 0, p->n, p->n);
    compute_tap(c, first, "in0.%d", tap);
    compute_tap(c, second, "in1.%d", tap);
    lpips_compare(c, unit(c, first), unit(c, second), &p->w->linear[tap], tap, p->distance);
}

void lpips_forward(compute *c, const lpips_config *g, const lpips_weights *w, tensor a, tensor b, double *distance) {
    int64_t n = a.dim[0], dim[] = {2 * n, a.dim[1], a.dim[2], a.dim[3]};
    rooms r;
    arena_mark mark = arena_get_mark(c->scratch);
    for (int64_t i = 0; i < n; i++) distance[i] = 0;
    rooms_make(c, g->net, dim, &r);
    tensor x = room_take(&r, dim);
    scale_into(c, tensor_slice(x, 0, 0, n), a);
    scale_into(c, tensor_slice(x, 0, n, n), b);
    lpips_watch(c, g->net, w, x, &r, see_pair, &(pair){w, n, distance});
    arena_release(c->scratch, mark);
}

/* ---- one image against known features ---- */

void lpips_features_free(lpips_features *f) {
    for (int i = 0; i < LPIPS_MAX_TAPS; i++) free(f->tap[i]);
    *f = (lpips_features){0};
}

static void watch_one(compute *c, const lpips_net *net, const lpips_weights *w, tensor picture, watcher *see,
                      void *user) {
    rooms r;
    arena_mark mark = arena_get_mark(c->scratch);
    rooms_make(c, net, picture.dim, &r);
    tensor x = room_take(&r, picture.dim);
    scale_into(c, x, picture);
    lpips_watch(c, net, w, x, &r, see, user);
    arena_release(c->scratch, mark);
}

static void see_features(compute *c, void *user, int tap, tensor features) {
    lpips_features *f = user;
    int64_t floats = tensor_elements(features);
    if (f->floats[tap] != floats) {
        free(f->tap[tap]);
        f->tap[tap] = malloc((size_t)floats * sizeof **f->tap);
        f->floats[tap] = f->tap[tap] ? floats : 0;
    }
    if (f->tap[tap]) op_download(c, f->tap[tap], unit(c, features));
    else no_memory(c, floats);
}

void lpips_features_of(compute *c, const lpips_config *g, const lpips_weights *w, tensor picture, lpips_features *out) {
    watch_one(c, g->net, w, picture, see_features, out);
}

typedef struct known {
    const lpips_weights *w;
    const lpips_features *from;
    double distance;
} known;

static void see_known(compute *c, void *user, int tap, tensor features) {
    known *k = user;
    tensor a = unit(c, features), b = nn_like(c, features);
    op_upload(c, b, k->from->tap[tap]);
    lpips_compare(c, a, b, &k->w->linear[tap], tap, &k->distance);
}

double lpips_distance(compute *c, const lpips_config *g, const lpips_weights *w, tensor picture,
                      const lpips_features *from) {
    known k = {w, from, 0};
    watch_one(c, g->net, w, picture, see_known, &k);
    return k.distance;
}

/* ---- named arrays ---- */

ss_status lpips_example(const void *config, model_arrays *in, ss_error *err) {
    int64_t side = lpips_min_side(config), dim[] = {1, 3, side, side};
    if (!model_arrays_add(in, "in0", 0, 4, dim, err) || !model_arrays_add(in, "in1", 0, 4, dim, err)) return err->code;
    return SS_OK;
}

ss_status lpips_forward_named(const model *m, compute *c, const model_arrays *in, model_arrays *out, ss_error *err) {
    static const char *const names[] = {"in0", "in1"};
    const lpips_config *g = m->config;
    int64_t dim[TENSOR_MAX_DIMS] = {-1, 3, -1, -1}, least = lpips_min_side(g);
    const float *a, *b;
    SS_TRY(model_arrays_all_known(in, names, 2, err));
    SS_TRY(model_input_floats(in, "in0", 4, dim, &a, err));
    SS_TRY(model_input_floats(in, "in1", 4, dim, &b, err));
    if (dim[2] < least || dim[3] < least)
        return error_set(err, SS_ERR_INPUT, "in0", "is %lld x %lld; %s needs at least %lld x %lld", (long long)dim[3],
                         (long long)dim[2], g->net->name, (long long)least, (long long)least);
    double *distance = calloc((size_t)dim[0], sizeof *distance);
    model_array *result = distance ? model_arrays_add(out, "distance", 0, 1, dim, err) : NULL;
    if (!result) {
        free(distance);
        return error_no_memory(err, "lpips", (unsigned long long)dim[0] * sizeof *distance);
    }
    lpips_forward(c, g, m->weights, model_upload_image(c, a, dim[0], 3, dim[2], dim[3]),
                  model_upload_image(c, b, dim[0], 3, dim[2], dim[3]), distance);
    for (int64_t i = 0; i < dim[0]; i++) result->f32[i] = (float)distance[i];
    free(distance);
    return SS_OK;
}

const network network_lpips = {.about = {"LPIPS", "distance of two pictures by features (LPIPS)", NULL},
                               .config_size = sizeof(lpips_config),
                               .weights_size = sizeof(lpips_weights),
                               .parse = lpips_parse,
                               .bind = lpips_bind,
                               .ignore = LPIPS_IGNORE,
                               .example = lpips_example,
                               .forward = lpips_forward_named};
