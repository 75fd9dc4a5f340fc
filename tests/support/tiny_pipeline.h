/* A tiny model of the tests as a pipeline: its folder for the time of a test, changed and put back, opened, refused,
 * and compared with what diffusers drew. Fails the test where anything does. */
#ifndef SUPPORT_TINY_PIPELINE_H
#define SUPPORT_TINY_PIPELINE_H

#include "io/json.h"
#include "sampler/pipeline.h"

typedef struct tiny_pipeline {
    const char *data, *kind; /* tests/data, "tiny-sdxl" */
    char folder[64];
} tiny_pipeline;

/* For cmocka's group fixtures: 0, or -1 where the folder cannot be made. */
int tiny_pipeline_make(tiny_pipeline *t, const char *data, const char *kind);
void tiny_pipeline_remove(const tiny_pipeline *t);

/* Replace the first `from` in a file of the folder by `to`; a NULL `from` puts the file back. */
void tiny_pipeline_edit(const tiny_pipeline *t, const char *name, const char *from, const char *to);

/* Members of `changes` (as JSON) over those of the scheduler's config, until tiny_pipeline_restore. */
void tiny_pipeline_change_scheduler(const tiny_pipeline *t, const char *changes);
void tiny_pipeline_restore(const tiny_pipeline *t); /* configs of scheduler and autoencoder, model_index.json */

/* On a context of its own, which the caller destroys after the pipeline. */
pipeline *tiny_pipeline_open(const tiny_pipeline *t, compute **c, int threads);

/* The folder with one file edited cannot be opened: `where` is the end of the error's place, `message` its begin. */
typedef struct tiny_refusal {
    const char *file, *from, *to, *where, *message;
} tiny_refusal;
void tiny_pipeline_refuses(const tiny_pipeline *t, const tiny_refusal *cases, size_t n);

/* Settings that it does not take, and the message. */
typedef struct tiny_setting {
    sample_settings s;
    const char *message;
} tiny_setting;
void tiny_pipeline_refuses_settings(const pipeline *p, const tiny_setting *cases, size_t n);

/* Every one of the `n` images of data/sampler/NAME.json and .safetensors: prompt, negative, seed, size, steps,
 * guidance; what differs from the folder: "scheduler", "vae", "zeros" (false), "sizes". */
void tiny_pipeline_draws(const tiny_pipeline *t, const char *name, size_t n);

#endif
