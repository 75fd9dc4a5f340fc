/* Speed and memory of a network whose checkpoint is in 16 bits, kept so, as float32, and computed in bfloat16:
 *   bench_storage FOLDER TOKENS SIDES THREADS ROUNDS
 * FOLDER: config.json and diffusion_pytorch_model.safetensors (`sinkscope inspect CONFIG --random --type F16`). TOKENS:
 * of the text. SIDES: of square latents, "64,128". All are open at once and take turns, one pass of one image each;
 * the outputs of the first two must be the same, bit by bit, and how far bfloat16's are from them is printed. */
#include <malloc.h>
#include <math.h>
#include "bench/network_inputs.h"
#include "bench/samples.h"
#include "base/memory.h"

/* The rows of the table. */
enum { FLOAT32, STORED, BFLOAT16, WAYS };

typedef struct bench {
    compute *c[WAYS];
    model *m[WAYS];
    double resident[WAYS]; /* MB that opening took */
    int64_t tokens, side[MAX_SIDES];
    int sides;
    model_arrays in[MAX_SIDES];
    samples wall[WAYS][MAX_SIDES], processor[WAYS][MAX_SIDES];
    double most[MAX_SIDES]; /* of bfloat16's differences from float32, in units of the rms */
} bench;

static void open_one(bench *b, int way, const char *folder, int threads) {
    ss_error err;
    must(compute_create(&b->c[way], "cpu", threads, 0, &err), &err);
    b->c[way]->storage = way == FLOAT32 ? STORAGE_FLOAT32 : STORAGE_FILE;
    malloc_trim(0);
    size_t before = memory_resident();
    must(model_open(&b->m[way], b->c[way], folder, NULL, &err), &err);
    if (way == BFLOAT16) {
        weights_unpack_part(&b->m[way]->set, b->c[way], "");
        weights_set_form(&b->m[way]->set, FORM_BF16);
        weights_pack(&b->m[way]->set, b->c[way]);
        must(compute_status(b->c[way], &err), &err);
    }
    b->resident[way] = 1e-6 * ((double)memory_resident() - (double)before);
}

static void pass(bench *b, int way, int i, int timed, model_arrays *out) {
    ss_error err;
    double wall = seconds(CLOCK_MONOTONIC), processor = seconds(CLOCK_PROCESS_CPUTIME_ID);
    must(model_forward(b->m[way], b->c[way], &b->in[i], NULL, 0, out, &err), &err);
    if (!timed) return;
    samples_add(&b->wall[way][i], seconds(CLOCK_MONOTONIC) - wall);
    samples_add(&b->processor[way][i], seconds(CLOCK_PROCESS_CPUTIME_ID) - processor);
}

/* The largest difference of two arrays, in units of the first one's rms. */
static double difference(const model_array *x, const model_array *y) {
    double squares = 0, most = 0;
    int64_t n = model_array_elements(x);
    for (int64_t i = 0; i < n; i++) {
        squares += (double)x->f32[i] * (double)x->f32[i];
        most = fmax(most, fabs((double)x->f32[i] - (double)y->f32[i]));
    }
    return most / sqrt(squares / (double)n);
}

static void run_round(bench *b, int i, int round) {
    model_arrays out[WAYS] = {0};
    for (int k = 0; k < WAYS; k++) {
        int way = (k + round) % WAYS; /* each is first in turn */
        pass(b, way, i, round > 0, &out[way]);
    }
    for (int k = 0; k < out[0].n; k++) {
        const model_array *x = &out[FLOAT32].at[k], *y = &out[STORED].at[k];
        if (memcmp(x->f32, y->f32, (size_t)model_array_elements(x) * sizeof(float)) != 0) stop("outputs differ");
        b->most[i] = fmax(b->most[i], difference(x, &out[BFLOAT16].at[k]));
    }
    for (int way = 0; way < WAYS; way++) model_arrays_free(&out[way]);
}

static void show(const bench *b) {
    printf("%-12s %12s %12s %10s %18s %10s\n", "latents", "float32, s", "as stored, s", "ratio", "(rounds)",
           "processor");
    for (int i = 0; i < b->sides; i++) {
        spread wide = samples_spread(&b->wall[FLOAT32][i]), narrow = samples_spread(&b->wall[STORED][i]);
        double ratio = samples_ratio(&b->wall[STORED][i], &b->wall[FLOAT32][i]);
        spread rounds = samples_ratios(&b->wall[STORED][i], &b->wall[FLOAT32][i]);
        printf("%4lld x %-5lld %12.3f %12.3f %10.3f %10.3f %7.3f %10.3f   goal <= 1.05: %s\n", (long long)b->side[i],
               (long long)b->side[i], wide.median, narrow.median, ratio, rounds.min, rounds.max,
               samples_ratio(&b->processor[STORED][i], &b->processor[FLOAT32][i]), ratio <= 1.05 ? "met" : "MISSED");
    }
    char class[128];
    compute_numeric_class(b->c[BFLOAT16], class, sizeof class);
    int native = strstr(class, "bf16") || strstr(class, "amx");
    for (int i = 0; i < b->sides; i++) {
        spread rounds = samples_ratios(&b->wall[BFLOAT16][i], &b->wall[FLOAT32][i]);
        printf("%4lld x %-5lld in bfloat16: %.3f of float32's time (rounds %.3f to %.3f), outputs differ by %.2g of "
               "the rms at "
               "most\n",
               (long long)b->side[i], (long long)b->side[i], samples_ratio(&b->wall[BFLOAT16][i], &b->wall[FLOAT32][i]),
               rounds.min, rounds.max, b->most[i]);
    }
    if (!native)
        printf(
            "bfloat16 at its speed: not run: needs AVX512-BF16 or AMX; here the same bits without the instruction\n");
    printf("resident weights: %.0f MB as float32, %.0f MB as stored, %.3f of it; %.0f MB in bfloat16\n",
           b->resident[FLOAT32], b->resident[STORED], b->resident[STORED] / b->resident[FLOAT32],
           b->resident[BFLOAT16]);
}

int main(int argc, char **argv) {
    static bench b;
    int threads = argc == 6 ? atoi(argv[4]) : 0, rounds = argc == 6 ? atoi(argv[5]) : 0;
    b.tokens = argc == 6 ? atoi(argv[2]) : 0;
    if (threads < 1 || rounds < 1 || rounds > MAX_ROUNDS || b.tokens < 1 ||
        (b.sides = sides_read(argv[3], b.side)) == 0) {
        fprintf(stderr, "usage: bench_storage FOLDER TOKENS SIDES THREADS ROUNDS\n");
        return 2;
    }
    for (int way = 0; way < WAYS; way++) open_one(&b, way, argv[1], threads);
    printf("%s, %.0f million weights, %lld tokens of text, %d threads, %d rounds\n", b.m[0]->net->about.name,
           1e-6 * (double)weights_parameter_count(&b.m[0]->set), (long long)b.tokens, threads, rounds);
    for (int i = 0; i < b.sides; i++) {
        inputs_make(&b.in[i], b.m[STORED], b.side[i], 1, b.tokens);
        for (int round = 0; round <= rounds; round++) run_round(&b, i, round);
        model_arrays_free(&b.in[i]);
    }
    show(&b);
    for (int way = 0; way < WAYS; way++) {
        model_close(b.m[way]);
        compute_destroy(b.c[way]);
    }
    return 0;
}
