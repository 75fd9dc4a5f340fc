/* A laboratory of cardboard for the tests of studies: attention's tables and runs, a pipeline and metrics that are
 * deterministic arithmetic on a few numbers, so that a study of some hundred images takes a second and every promise of
 * run/ (sharing, resuming, shams) can be checked without a network. Linked in place of attn/, sampler/ and score/. */
#ifndef TESTS_LABORATORY_FAKE_H
#define TESTS_LABORATORY_FAKE_H

#include "sampler/pipeline.h"
#include "score/metric.h"

typedef struct fake_state {
    int step_microseconds; /* simulated work of a step */
    int encodes, steps;    /* counted: texts encoded, steps of one image */
    int defect;            /* fake_defect: what is broken, to see the tests fail */
    int fail_after;        /* steps until denoise_step fails; 0 = never */
    int fail_texts;        /* texts until the encoders fail; 0 = never */
    int text_limit;        /* bytes of a text that the encoder takes; 0 = 1000 */
    notices notices;       /* of the pipeline */
    double most_rmse;      /* an image whose distance is above has a score that is not a number; 0 = none */
} fake_state;

enum { FAKE_SOUND, FAKE_NOT_REPEATABLE, FAKE_BURST_ALL, FAKE_NO_BURST };

extern fake_state fake;

pipeline *fake_pipeline(void);

/* "alike" or "uneven": which network the laboratory was built with (FAKE_UNEVEN). */
const char *fake_network(void);
int fake_blocks(void);
int fake_heads(void);      /* over all blocks: sites of a step and branch */
int64_t fake_masses(void); /* numbers of a trace's array, a step and branch */
int fake_text_keys(void);

/* A scratch folder with prompts.jsonl (`n` GenEval prompts of two tags) and model/; the study text is written to
 * study.yaml. The path is static storage; removed by fake_remove. */
const char *fake_folder(void);
void fake_remove(const char *folder);
void fake_write(const char *folder, const char *name, const char *content);
void fake_prompts(const char *folder, int n);

#endif
