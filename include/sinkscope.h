/* sinkscope: causal analysis of attention sinks in diffusion transformers.
 *
 * The one public header. Everything here is prefixed ss_ (functions, types) or SS_ (constants); nothing
 * else is exported from the shared library. Errors are values: a fallible function returns an ss_status
 * and, when that is not SS_OK, has filled the caller's ss_error. The library never prints and never exits. */
#ifndef SINKSCOPE_H
#define SINKSCOPE_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SS_API __attribute__((visibility("default")))
#else
#define SS_API
#endif

/* The sources of sinkscope have the two types in base/status.h. */
#ifndef SS_STATUS_TYPES
#define SS_STATUS_TYPES
/* Status of a call; the values are also the exit codes of the program. */
typedef enum ss_status {
    SS_OK = 0,
    SS_ERR_INTERNAL = 1,      /* a defect in sinkscope itself */
    SS_ERR_USAGE = 2,         /* the command line */
    SS_ERR_INPUT = 3,         /* a model, study, prompt or image file */
    SS_ERR_RESOURCE = 4,      /* memory, disk space, permissions, missing packages */
    SS_ERR_STORE = 5,         /* a results store: damaged, newer, or of another numeric class */
    SS_ERR_INTERRUPTED = 130, /* the caller's stop flag was set */
} ss_status;

/* What went wrong, in full. `where` names the file (with line and column, or tensor) or is empty;
 * `message` says what was expected, what was found and what to do. Both are always terminated. */
typedef struct ss_error {
    ss_status code;
    char where[512];
    char message[1536];
} ss_error;
#endif

/* The library's version, "major.minor.patch". Static storage. */
SS_API const char *ss_version(void);

/* A text-to-image model, ready to run: a diffusers folder (model_index.json and its components), a single file, or a
 * hub name whose files are in the local cache ("OWNER/NAME"; docs/FORMATS.md). One thread at a time
 * may use it; it uses `threads` of its own (0 = as many as the process may). Results do not depend on their number. */
typedef struct ss_model ss_model;
SS_API ss_status ss_model_open(ss_model **out, const char *folder, int threads, ss_error *err);
SS_API void ss_model_close(ss_model *model); /* NULL is allowed */

/* What is suppressed while an image is made: in block `block` (-1 = all), at every step, in every head, the `k` keys
 * that `select` names ("top", "random") are edited by `edit` ("mask", "zero"), with the tables' default options.
 * `sinkscope list` prints the tables. */
typedef struct ss_intervention {
    const char *select, *edit;
    int k, block;
} ss_intervention;

/* Zero-initialise; what is 0 or NULL is the model's default. A guidance of 0 therefore cannot be requested; every value
 * up to 1 means no guidance: write 1. Seeds equal modulo 2^32 are one noise; a negative seed is cast. */
typedef struct ss_request {
    const char *prompt, *negative_prompt;
    unsigned long long seed; /* of the noise, as torch.Generator("cpu").manual_seed takes it */
    int steps, width, height;
    double guidance;
    const ss_intervention *intervention; /* NULL = none */
} ss_request;

/* 8-bit sRGB, rows from the top, [height, width, 3]. Free with ss_image_free. */
typedef struct ss_image {
    int width, height;
    unsigned char *rgb;
} ss_image;

SS_API ss_status ss_generate(ss_model *model, const ss_request *request, ss_image *out, ss_error *err);
SS_API ss_status ss_image_write_png(const ss_image *image, const char *path, ss_error *err);
SS_API void ss_image_free(ss_image *image);

#ifdef __cplusplus
}
#endif
#endif
