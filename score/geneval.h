/* GenEval's prompt metadata: evaluation_metadata.jsonl, one JSON object a line
 *   {"tag": "two_object", "include": [{"class": "star", "count": 1, "color": "red", "position": ["left of", 0]}, ..],
 *    "exclude": [{"class": "star", "count": 3}], "prompt": "a photo of ..."}
 * Source: GenEval (Ghosh et al. 2023), its README and evaluate_images.py. */
#ifndef SCORE_GENEVAL_H
#define SCORE_GENEVAL_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

enum { GENEVAL_MAX_OBJECTS = 8 };

typedef struct geneval_object {
    char *class_name;
    int count;
    char *color;         /* NULL = any */
    char *relation;      /* "left of", "right of", "above", "below"; NULL = none */
    int relation_target; /* index into include; -1 = none */
} geneval_object;

typedef struct geneval_prompt {
    char *tag;    /* NULL where there is none */
    char *prompt; /* never NULL */
    int held_out; /* names what the model's training left out ("held_out": true; models/shapes-sd3) */
    int n_include, n_exclude;
    geneval_object include[GENEVAL_MAX_OBJECTS], exclude[GENEVAL_MAX_OBJECTS];
    char *line; /* the JSON object as it stands in the file (for metadata.jsonl); NULL for strings */
} geneval_prompt;

typedef struct geneval_prompts {
    int n;
    size_t capacity;
    geneval_prompt *prompt;
} geneval_prompts;

/* Read prompts by the end of the file's name, in small letters or capitals:
 *   .jsonl  metadata, an object a line
 *   .json   a list of strings, or of such objects
 *   .csv    columns prompt and, where wanted, tag
 *   other   text, one prompt a line (empty lines are skipped); what looks like JSON is refused, not drawn
 * Errors name file:line. Free with geneval_free. */
ss_status geneval_read(const char *path, geneval_prompts *out, ss_error *err);
void geneval_free(geneval_prompts *p);

#endif
