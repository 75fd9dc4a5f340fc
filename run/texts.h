/* The texts of a run: each is encoded once, before anything is denoised, and kept in the store's folder text/ until the
 * study is complete, so that the text encoders are not in memory while images are made and a resumed run does without
 * them. */
#ifndef RUN_TEXTS_H
#define RUN_TEXTS_H

#include "study/plan.h"
#include "store/store.h"

typedef struct run_texts {
    text_folder folder;
    char *path, *identity; /* owned: the folder's members */
} run_texts;

/* Where the texts of a store are. Nothing is read or made yet. Free with texts_close, also after a failure. */
ss_status texts_open(run_texts *t, const store *s, ss_error *err);
void texts_close(run_texts *t);

/* Encode what the units that are not done need and the folder has not got. `progress` as in pipeline_encode_into. */
ss_status texts_prepare(const run_texts *t, const plan *p, pipeline *pl, const uint8_t *done,
                        void (*progress)(void *user, int64_t done, int64_t total), void *user, ss_error *err);

/* No text will be needed again: the folder goes, with the files that are ours. */
void texts_remove(const run_texts *t);

#endif
