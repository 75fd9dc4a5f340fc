/* The files of a tokenizer folder as trees: what transformers5.c builds from. */
#ifndef TEXT_TRANSFORMERS5_FILES_H
#define TEXT_TRANSFORMERS5_FILES_H

#include <jansson.h>
#include "base/error.h"

typedef struct tokenizer_folder {
    char *folder, *config_path, *json_path;
    json_t *config;  /* tokenizer_config.json, an empty object where there is none; every number a real */
    json_t *special; /* special_tokens_map.json where it counts, else NULL */
    json_t *added;   /* added_tokens.json where it counts, else NULL */
    json_t *file;    /* tokenizer.json, or NULL */
} tokenizer_folder;

ss_status tokenizer_folder_open(tokenizer_folder *f, const char *folder, ss_error *err);
void tokenizer_folder_close(tokenizer_folder *f);

/* {"vocab": ..., "merges": ...} of vocab.json and merges.txt. */
ss_status read_bpe_files(const char *folder, json_t **out, ss_error *err);
/* The same of a merges.txt alone, from which CLIP's vocabulary follows. */
ss_status read_merges_file(const char *path, json_t **out, ss_error *err);
/* {"vocab": ...} of a vocab.txt. */
ss_status read_wordpiece_file(const char *path, json_t **out, ss_error *err);
/* {"vocab": [[piece, score], ...], "precompiled_charsmap": base64 or null, "added": [tokens]} of a spiece.model. */
ss_status read_unigram_file(const char *folder, json_t **out, ss_error *err);

#endif
