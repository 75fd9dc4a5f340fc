/* A small model's attention call for tests of attn/: 24 keys in three segments, 3 heads, random q, k, v; programs and
 * runs on it, and what a selector chooses from given masses. */
#ifndef TESTS_ATTN_CALL_H
#define TESTS_ATTN_CALL_H

#include "../../properties/fixture.h"
#include "../../properties/named.h"
#include "attn/run.h"

enum { IMAGE = 12, CLIP = 5, T5 = 7, KEYS = IMAGE + CLIP + T5, HEADS = 3, WIDTH = 8, STEPS = 4, BLOCKS = 2 };
enum { RECORD_COLUMNS = 30 }; /* of all probes */

extern const attn_segment SEGMENTS[3];

/* attn_program_check against BLOCKS blocks of joint attention with `n` of these segments. */
ss_status check_program(const attn_program *p, const attn_segment *segments, int n, ss_error *err);
extern const attn_shape SHAPE;
extern const attn_stream_name NAME;
extern const uint8_t KEY_CLASS[KEYS]; /* clip: start, word, end, padding, padding; t5: three words, end, padding */
extern compute *cpu;                  /* made and destroyed by main */

attn_measure all_probes(void);

/* In force everywhere, on all rows; `number` is the edit's first option. */
attn_program program(const char *select, int k, const char *what, double number);
attn_run *run_of(const attn_program *p, const attn_measure *m);
attn_call call_of(fixture *f, const attn_batch *batch);
fixture *call_fixture(int batch, int number);

/* One item through attn_forward, block 1; returns a copy of `out`. */
float *forward_one(fixture *f, attn_run *run, int step, attn_branch branch);

/* What a selector chose. */
typedef struct chosen {
    int32_t begin[HEADS + 1], key[HEADS * KEYS], left_out[HEADS];
} chosen;

/* What a selector makes of `in`; the model's shape, classes and segments, and the scratch, are filled in. */
void select_from(const char *name, select_input in, chosen *out);

/* The same, by what most tests vary; `word`: the selector's first option. */
void choose(const char *name, const double *mass, int k, attn_scope scope, attn_redraw redraw, int step, int word,
            attn_run *run, chosen *out);
int contains(const chosen *c, int head, int32_t key);

#endif
