/* Speed and memory of one network, all its studied attention calls measured, beside the reference:
 *   bench_forward FOLDER TOKENS SIDES GOALS GOAL-MB THREADS ROUNDS FORM LIMIT [PEER ARGUMENT...]
 * FOLDER: config.json and diffusion_pytorch_model.safetensors (`sinkscope inspect CONFIG --random`). TOKENS: of the
 * text. SIDES: of square latents, ascending, "64,128". GOALS: of the peer's time, "0.78,0.7"; GOAL-MB: of memory above
 * the weights of the file. FORM: "stored", or "bf16", of the weights (compute.h). One pass is one image and one
 * branch; the probes are those of the attention itself. Inputs are written to FOLDER and read by the peer
 * (peer_forward.py, sdcpp/peer.cpp), whose output must be ours within LIMIT of its rms.
 *
 * Two such networks do not fit side by side in the memory of a small machine, so by turns one is opened, makes an
 * untimed pass of the largest size and a timed one of each, and is closed, and then the other. Knows no network: what
 * is measured is put on the calls of the one attention function, which the linker hands us (--wrap=attn_forward). */
#include <malloc.h>
#include <math.h>
#include <sys/stat.h>
#include "bench/network_inputs.h"
#include "bench/peer.h"
#include "bench/samples.h"
#include "attn/run.h"
#include "base/memory.h"
#include "io/safetensors.h"

enum { MAX_INPUTS = 8, CONCENTRATION_KEYS = 5 };

typedef struct bench {
    const char *folder;
    compute *c;
    model *m; /* while it is this side's turn */
    peer peer;
    char **peer_arguments;
    int64_t tokens, side[MAX_SIDES];
    int sides;
    model_arrays in[MAX_SIDES], out[MAX_SIDES];
    attn_shape shape[MAX_SIDES];
    attn_measure measure;
    samples wall[2][MAX_SIDES], processor[2][MAX_SIDES]; /* ours, the peer's */
    double peak[2][MAX_SIDES], weights /* MB of the file */, worst;
    double goal[MAX_SIDES], goal_mb, limit;
    weight_form form;
    char peer_name[128];
} bench;

/* ---- measuring ---- */

/* What the wrapped function does with studied calls: note their shape, or hand them the item; nothing when both are
 * NULL. */
static struct {
    attn_shape *noted;
    const attn_batch *batch;
} watch;

void __real_attn_forward(compute *c, const attn_call *call);
void __wrap_attn_forward(compute *c, const attn_call *call);

static int larger(int a, int64_t b) { return b > a ? (int)b : a; }

void __wrap_attn_forward(compute *c, const attn_call *call) {
    attn_call studied = *call;
    if (call->block >= 0 && watch.noted) {
        attn_shape *s = watch.noted;
        s->blocks = larger(s->blocks, call->block + 1);
        s->heads = larger(s->heads, call->args.k.dim[2]);
        s->keys = larger(s->keys, call->args.k.dim[1]);
    }
    if (call->block >= 0) studied.batch = watch.batch;
    __real_attn_forward(c, &studied);
}

static void forward(const model *m, compute *c, const model_arrays *in, model_arrays *out) {
    ss_error err;
    must(model_forward(m, c, in, NULL, 0, out, &err), &err);
}

/* The shape of the record, by a dry run. */
static void note_shape(bench *b, const model *m, int i) {
    ss_error err;
    compute *dry;
    model_arrays out = {0};
    b->shape[i] = (attn_shape){.steps = 1};
    watch.noted = &b->shape[i];
    must(compute_create(&dry, "dry", 1, 0, &err), &err);
    forward(m, dry, &b->in[i], &out);
    compute_destroy(dry);
    model_arrays_free(&out);
    watch.noted = NULL;
}

static int was_measured(const attn_run *run, int block) {
    const float *site = attn_run_site(run, 0, block, 0, BRANCH_COND);
    for (int i = 0; i < attn_run_columns(run); i++)
        if (!isnan(site[i])) return 1;
    return 0;
}

static void check_record(const attn_run *run) {
    for (int i = 0; i < attn_run_shape(run).blocks; i++)
        if (!was_measured(run, i)) stop("an attention call was not measured");
}

/* ---- inputs ---- */

static void path_of(const bench *b, const char *what, int i, char *out, size_t size) {
    snprintf(out, size, "%s/%s-%lld.safetensors", b->folder, what, (long long)b->side[i]);
}

static void write_inputs(const bench *b, int i) {
    char path[4096];
    ss_error err;
    safetensors_output list[MAX_INPUTS];
    const model_arrays *in = &b->in[i];
    if (in->n > MAX_INPUTS) stop("too many inputs");
    for (int k = 0; k < in->n; k++) {
        list[k] = (safetensors_output){in->at[k].name, CHECKPOINT_F32, in->at[k].ndim, {0}, in->at[k].f32};
        memcpy(list[k].shape, in->at[k].dim, sizeof in->at[k].dim);
    }
    path_of(b, "inputs", i, path, sizeof path);
    must(safetensors_write(path, list, in->n, &err), &err);
}

/* ---- turns ---- */

static void close_ours(bench *b) {
    model_close(b->m);
    b->m = NULL;
    arena_trim(b->c->scratch);
    malloc_trim(0); /* leave the memory to the peer */
}

static void pass(bench *b, int i, double *wall, double *processor) {
    ss_error err;
    attn_run *run = NULL;
    uint8_t *classes = calloc((size_t)b->shape[i].keys + 1, 1);
    if (!classes) stop("no memory");
    int studied = b->shape[i].blocks > 0; /* an autoencoder has nothing to measure */
    if (studied) must(attn_run_create(&run, NULL, &b->measure, &(attn_stream_name){0}, b->shape[i], &err), &err);
    const attn_item item = {.run = run, .key_class = classes};
    const attn_batch batch = {1, &item, NULL};
    model_arrays_free(&b->out[i]);
    watch.batch = studied ? &batch : NULL;
    *wall = -seconds(CLOCK_MONOTONIC);
    *processor = -seconds(CLOCK_PROCESS_CPUTIME_ID);
    forward(b->m, b->c, &b->in[i], &b->out[i]);
    *wall += seconds(CLOCK_MONOTONIC);
    *processor += seconds(CLOCK_PROCESS_CPUTIME_ID);
    watch.batch = NULL;
    if (studied) check_record(run);
    attn_run_destroy(run);
    free(classes);
}

static void our_turn(bench *b) {
    ss_error err;
    double wall, processor;
    must(model_open(&b->m, NULL, b->folder, NULL, &err), &err);
    weights_set_form(&b->m->set, b->form);
    must(model_pack(b->m, b->c, NULL, 0, &err), &err);
    pass(b, b->sides - 1, &wall, &processor);
    for (int i = 0; i < b->sides; i++) {
        pass(b, i, &wall, &processor);
        samples_add(&b->wall[0][i], wall);
        samples_add(&b->processor[0][i], processor);
        if (b->wall[0][i].n == 1) b->peak[0][i] = 1e-6 * (double)memory_peak();
    }
    close_ours(b);
}

/* Largest rms of the difference over the rms of the peer's output. */
static void compare(bench *b, int i) {
    char path[4096];
    ss_error err;
    checkpoint *file;
    path_of(b, "output", i, path, sizeof path);
    must(checkpoint_open(&file, path, &err), &err);
    const model_array *ours = &b->out[i].at[0];
    const checkpoint_entry *theirs = checkpoint_find(file, "output");
    if (!theirs || theirs->count != model_array_elements(ours)) stop("the peer's output has another shape");
    const float *values = checkpoint_keep(theirs, &err);
    if (!values) must(err.code, &err);
    double difference = 0, all = 0;
    for (int64_t k = 0; k < theirs->count; k++) {
        double x = (double)values[k], d = (double)ours->f32[k] - x;
        difference += d * d;
        all += x * x;
    }
    checkpoint_close(file);
    double error = sqrt(difference / all);
    if (!(error <= b->limit)) {
        fprintf(stderr, "latents of %lld: the peer's output is another, by %.2g of its rms\n", (long long)b->side[i],
                error);
        exit(1);
    }
    if (error > b->worst) b->worst = error;
}

static void peers_turn(bench *b) {
    double wall, processor, peak;
    if (!b->peer_arguments[0]) return;
    peer_start(&b->peer, b->peer_arguments);
    memcpy(b->peer_name, b->peer.name, sizeof b->peer_name);
    peer_ask(&b->peer, "pass", (int)b->side[b->sides - 1], &wall, &processor, &peak);
    for (int i = 0; i < b->sides; i++) {
        peer_ask(&b->peer, "pass", (int)b->side[i], &wall, &processor, &peak);
        samples_add(&b->wall[1][i], wall);
        samples_add(&b->processor[1][i], processor);
        if (b->wall[1][i].n == 1) b->peak[1][i] = peak;
        compare(b, i);
    }
    peer_stop(&b->peer);
}

/* ---- the whole ---- */

static void prepare(bench *b) {
    char path[4096];
    ss_error err;
    model *m;
    snprintf(path, sizeof path, "%s/config.json", b->folder);
    must(model_open_config(&m, NULL, path, WEIGHTS_LIST, 1, &err), &err);
    for (int i = 0; i < b->sides; i++) {
        inputs_make(&b->in[i], m, b->side[i], 1, b->tokens);
        write_inputs(b, i);
        note_shape(b, m, i);
    }
    struct stat st;
    snprintf(path, sizeof path, "%s/diffusion_pytorch_model.safetensors", b->folder);
    if (stat(path, &st) != 0) stop("no diffusion_pytorch_model.safetensors in the folder");
    b->weights = 1e-6 * (double)st.st_size;
    printf("%s, %.0f million weights, %.0f MB; %d attention calls measured, %lld tokens of text, %d threads\n",
           m->net->about.name, 1e-6 * (double)weights_parameter_count(&m->set), b->weights, b->shape[0].blocks,
           (long long)b->tokens, b->c->threads);
    model_close(m);
    b->measure = (attn_measure){.rows = ROWS_IMAGE, .r = CONCENTRATION_KEYS, .top = 1};
    for (int i = 0; i < ATTN_PROBE_COUNT; i++)
        if (!(ATTN_PROBES[i]->needs & (NEED_VALUES | NEED_OUTPUTS | NEED_ACTIVATIONS)))
            b->measure.probe[b->measure.n_probes++] = ATTN_PROBES[i];
}

static const char *against(double value, double goal) { return value <= goal ? "met" : "MISSED"; }

static void show(const bench *b) {
    int there = b->wall[1][0].n > 0;
    printf("peer: %s\n", there ? b->peer_name : "none");
    if (there) printf("outputs differ by %.1g of the rms at most\n", b->worst);
    printf("\n%-10s %10s %9s %17s", "latents", "s, median", "peak, MB", "above weights");
    if (there) printf(" %10s %8s %15s %10s %14s %9s", "peer's s", "of peer", "(rounds)", "processor", "goal", "its MB");
    putchar('\n');
    for (int i = 0; i < b->sides; i++) {
        spread ours = samples_spread(&b->wall[0][i]), theirs = samples_spread(&b->wall[1][i]);
        spread of_peer = samples_ratios(&b->wall[0][i], &b->wall[1][i]);
        double over = b->peak[0][i] - b->weights;
        printf("%3lld x %-4lld %10.2f %9.0f %9.0f: %-6s", (long long)b->side[i], (long long)b->side[i], ours.median,
               b->peak[0][i], over, against(over, b->goal_mb));
        if (there)
            printf(" %10.2f %8.2f %7.2f %7.2f %10.2f %6.2f: %-6s %9.0f", theirs.median, of_peer.median, of_peer.min,
                   of_peer.max, samples_ratio(&b->processor[0][i], &b->processor[1][i]), b->goal[i],
                   against(of_peer.median, b->goal[i]), b->peak[1][i]);
        putchar('\n');
    }
    printf("goal for memory: %.0f MB above the weights\n", b->goal_mb);
}

static int goals_read(const char *s, double goal[MAX_SIDES]) {
    int n = 0;
    for (char *end; *s && n < MAX_SIDES; s = *end ? end + 1 : end) {
        goal[n++] = strtod(s, &end);
        if (end == s || (*end && *end != ',')) return 0;
    }
    return n;
}

int main(int argc, char **argv) {
    ss_error err;
    bench b = {0};
    int good = argc > 9, threads = good ? atoi(argv[6]) : 0, rounds = good ? atoi(argv[7]) : 0;
    if (good) {
        b.tokens = atoi(argv[2]);
        b.sides = sides_read(argv[3], b.side);
        b.goal_mb = atof(argv[5]);
        b.form = strcmp(argv[8], WEIGHT_FORM_NAMES[FORM_BF16]) == 0 ? FORM_BF16 : FORM_STORED;
        b.limit = atof(argv[9]);
    }
    if (threads < 1 || rounds < 1 || rounds > MAX_ROUNDS || b.tokens < 1 || b.sides == 0 ||
        goals_read(argv[4], b.goal) < b.sides) {
        fprintf(stderr, "usage: bench_forward FOLDER TOKENS SIDES GOALS GOAL-MB THREADS ROUNDS FORM LIMIT [PEER "
                        "ARGUMENT...]\n");
        return 2;
    }
    b.folder = argv[1];
    b.peer_arguments = argv + 10;
    must(compute_create(&b.c, "cpu", threads, 0, &err), &err);
    prepare(&b);
    for (int round = 0; round < rounds; round++) {
        our_turn(&b);
        peers_turn(&b);
    }
    show(&b);
    for (int i = 0; i < b.sides; i++) {
        model_arrays_free(&b.in[i]);
        model_arrays_free(&b.out[i]);
    }
    compute_destroy(b.c);
    return 0;
}
