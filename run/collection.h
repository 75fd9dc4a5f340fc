/* Images that a study did not make, to be scored: a folder in GenEval's layout, a folder of images, or a CSV. */
#ifndef RUN_COLLECTION_H
#define RUN_COLLECTION_H

#include <stddef.h>
#include "score/geneval.h"

typedef struct collection_image {
    char *path;                    /* of the image */
    char *name;                    /* path below the folder, or as the CSV has it: what results are listed under */
    char *prompt, *tag, *baseline; /* NULL where not known; baseline: path of the paired image */
    const geneval_prompt *geneval; /* NULL where not known */
} collection_image;

/* Zero-initialise; free with collection_free. */
typedef struct collection {
    int n;
    size_t capacity;
    collection_image *image; /* sorted by name; a CSV's in its order */
    int n_metadata;
    geneval_prompts *metadata; /* one a prompt folder; its addresses are stable once the reading is done */
} collection;

/* `path`:
 *   a folder whose subfolders are numbers with metadata.jsonl and samples/ (GenEval's layout)
 *   another folder: the images in it (.png, .jpg, .jpeg, .webp), without prompts
 *   a CSV: columns image and prompt, and where wanted tag and baseline; paths are relative to the CSV's folder
 * Errors name file, line and what is missing. A collection without an image is an error. */
ss_status collection_read(const char *path, collection *out, ss_error *err);
void collection_free(collection *c);

/* Give every image its pair: the one of the same name in `others`. A missing one is an error that names both. */
ss_status collection_pair(collection *c, const collection *others, const char *others_path, ss_error *err);

#endif
