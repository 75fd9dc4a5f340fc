/* Reading collections of images; see collection.h. Relies on GenEval's layout, DIR/<digits>/metadata.jsonl and
 * DIR/<digits>/samples/. Looks at names alone: images are opened when they are scored. */
#include "run/collection.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/array.h"
#include "base/file.h"
#include "base/folder.h"
#include "base/text.h"
#include "base/text_set.h"
#include "io/content.h"
#include "io/csv.h"

static int collection_is_number(const char *name) { return *name && name[strspn(name, "0123456789")] == '\0'; }

static int is_picture(const char *name) {
    static const char *const ENDS[] = {".png", ".jpg", ".jpeg", ".webp"};
    for (size_t i = 0; i < sizeof ENDS / sizeof *ENDS; i++)
        if (content_has_extension(name, ENDS[i])) return 1;
    return 0;
}

/* Entries of a folder that `wanted` takes. */
static ss_status list_some(const char *folder, int (*wanted)(const char *name), folder_names *out, ss_error *err) {
    SS_TRY(folder_list(folder, out, err));
    int n = 0;
    for (int i = 0; i < out->n; i++)
        if (wanted(out->at[i])) out->at[n++] = out->at[i];
        else free(out->at[i]);
    out->n = n;
    return SS_OK;
}

/* Takes the texts, also on failure; `lost`: one of them could not be copied. */
static ss_status collection_add_image(collection *c, collection_image image, int lost, ss_error *err) {
    ss_status status = ARRAY_ROOM(c->image, c->capacity, c->n + 1, "a list of images", err);
    if (status == SS_OK && (lost || !image.path || !image.name))
        status = error_no_memory(err, "a list of images", (unsigned long long)c->n);
    if (status == SS_OK) {
        c->image[c->n++] = image;
        return SS_OK;
    }
    free(image.path);
    free(image.name);
    free(image.prompt);
    free(image.tag);
    free(image.baseline);
    return status;
}

static ss_status add_folder(collection *c, const char *folder, const char *below, const geneval_prompt *prompt,
                            ss_error *err) {
    folder_names pictures;
    char *path = *below ? file_join(folder, below) : text_copy(folder);
    if (!path) return error_no_memory(err, folder, 1);
    ss_status status = list_some(path, is_picture, &pictures, err);
    for (int i = 0; status == SS_OK && i < pictures.n; i++) {
        collection_image image = {.path = file_join(path, pictures.at[i])};
        image.name = *below ? file_join(below, pictures.at[i]) : text_copy(pictures.at[i]);
        if (prompt) {
            image.prompt = text_copy(prompt->prompt);
            image.tag = prompt->tag ? text_copy(prompt->tag) : NULL;
            image.geneval = prompt->n_include > 0 ? prompt : NULL;
        }
        int lost = prompt && (!image.prompt || (prompt->tag && !image.tag));
        status = collection_add_image(c, image, lost, err);
    }
    folder_names_free(&pictures);
    free(path);
    return status;
}

static ss_status collection_add_prompt_folder(collection *c, const char *folder, const char *number, ss_error *err) {
    char *below = file_join(number, "samples"), *inner = file_join(folder, number);
    char *metadata = inner ? file_join(inner, "metadata.jsonl") : NULL;
    geneval_prompts *p = &c->metadata[c->n_metadata];
    ss_status status = below && metadata ? geneval_read(metadata, p, err) : error_no_memory(err, folder, 1);
    if (status == SS_OK) {
        c->n_metadata++;
        if (p->n != 1)
            status = error_set(err, SS_ERR_INPUT, metadata, "holds %d prompts; expected one JSON object", p->n);
        else status = add_folder(c, folder, below, &p->prompt[0], err);
    }
    free(metadata);
    free(inner);
    free(below);
    return status;
}

static ss_status read_folder(const char *path, collection *c, ss_error *err) {
    folder_names numbers;
    SS_TRY(list_some(path, collection_is_number, &numbers, err));
    ss_status status = SS_OK;
    c->metadata = calloc((size_t)numbers.n + 1, sizeof *c->metadata);
    if (!c->metadata) status = error_no_memory(err, path, 1);
    for (int i = 0; status == SS_OK && i < numbers.n; i++)
        status = collection_add_prompt_folder(c, path, numbers.at[i], err);
    if (status == SS_OK && numbers.n == 0) status = add_folder(c, path, "", NULL, err);
    folder_names_free(&numbers);
    return status;
}

/* ---- CSV ---- */

/* The column's index, -1 where there is none. */
static int optional_column(const csv_table *t, const char *name) {
    for (int i = 0; i < csv_column_count(t); i++)
        if (strcmp(csv_column_name(t, i), name) == 0) return i;
    return -1;
}

/* A path as the CSV has it, from the CSV's folder on. */
static char *beside(const char *csv_path, const char *written) {
    const char *slash = strrchr(csv_path, '/');
    text out = {0};
    if (slash && written[0] != '/') text_add_n(&out, csv_path, (size_t)(slash - csv_path) + 1);
    text_add(&out, written);
    if (!out.failed) return out.s;
    text_free(&out);
    return NULL;
}

/* A cell, NULL where the column is not there or the cell is empty. */
static const char *cell_or_null(const csv_table *t, int64_t row, int column) {
    return column >= 0 && *csv_cell(t, row, column) ? csv_cell(t, row, column) : NULL;
}

static ss_status collection_read_rows(const char *path, const csv_table *t, collection *c, ss_error *err) {
    int image, prompt, tag = optional_column(t, "tag"), baseline = optional_column(t, "baseline");
    SS_TRY(csv_find_column(t, "image", &image, err));
    SS_TRY(csv_find_column(t, "prompt", &prompt, err));
    for (int64_t r = 0; r < csv_row_count(t); r++) {
        const char *name = csv_cell(t, r, image);
        if (!*name) {
            text where = {0};
            text_addf(&where, "%s:%d", path, csv_line(t, r));
            error_set(err, SS_ERR_INPUT, where.failed ? path : where.s, "image is empty; expected a file name");
            text_free(&where);
            return SS_ERR_INPUT;
        }
        const char *said = cell_or_null(t, r, prompt), *tagged = cell_or_null(t, r, tag);
        const char *paired = cell_or_null(t, r, baseline);
        collection_image x = {.path = beside(path, name), .name = text_copy(name)};
        if (said) x.prompt = text_copy(said);
        if (tagged) x.tag = text_copy(tagged);
        if (paired) x.baseline = beside(path, paired);
        int lost = (said && !x.prompt) || (tagged && !x.tag) || (paired && !x.baseline);
        SS_TRY(collection_add_image(c, x, lost, err));
    }
    return SS_OK;
}

static ss_status collection_read_csv(const char *path, collection *c, ss_error *err) {
    csv_table *t;
    SS_TRY(csv_read_file(path, &t, err));
    ss_status status = collection_read_rows(path, t, c, err);
    csv_close(t);
    return status;
}

/* ---- the whole ---- */

ss_status collection_read(const char *path, collection *out, ss_error *err) {
    struct stat st;
    *out = (collection){0};
    if (stat(path, &st) != 0) return error_set_errno(err, SS_ERR_INPUT, path, "cannot be found");
    ss_status status = S_ISDIR(st.st_mode) ? read_folder(path, out, err) : collection_read_csv(path, out, err);
    if (status == SS_OK && out->n == 0)
        status = error_set(err, SS_ERR_INPUT, path,
                           "holds no image; expected N/samples/*.png beside N/metadata.jsonl, pictures, or a CSV with "
                           "the columns image and prompt");
    if (status != SS_OK) collection_free(out);
    return status;
}

void collection_free(collection *c) {
    for (int i = 0; i < c->n; i++) {
        free(c->image[i].path);
        free(c->image[i].name);
        free(c->image[i].prompt);
        free(c->image[i].tag);
        free(c->image[i].baseline);
    }
    for (int i = 0; i < c->n_metadata; i++) geneval_free(&c->metadata[i]);
    free(c->image);
    free(c->metadata);
    *c = (collection){0};
}

/* `known`: the names of `others`; first[i]: the first image of the name numbered i. */
static ss_status pair_by_name(collection *c, const collection *others, text_set *known, int *first,
                              const char *others_path, ss_error *err) {
    int32_t number;
    for (int j = others->n; j-- > 0;) {
        SS_TRY(text_set_add(known, others->image[j].name, &number, err));
        first[number] = j;
    }
    for (int i = 0; i < c->n; i++) {
        number = text_set_find(known, c->image[i].name);
        if (number < 0)
            return error_set(err, SS_ERR_INPUT, others_path, "has no %s to go with %s", c->image[i].name,
                             c->image[i].path);
        free(c->image[i].baseline);
        c->image[i].baseline = text_copy(others->image[first[number]].path);
        if (!c->image[i].baseline) return error_no_memory(err, others_path, 1);
    }
    return SS_OK;
}

ss_status collection_pair(collection *c, const collection *others, const char *others_path, ss_error *err) {
    text_set known = {0};
    int *first = malloc(((size_t)others->n + 1) * sizeof *first);
    ss_status status = first ? pair_by_name(c, others, &known, first, others_path, err)
                             : error_no_memory(err, others_path, (size_t)others->n * sizeof *first);
    text_set_free(&known);
    free(first);
    return status;
}
