/* See pictures.h. */
#include "cli/pictures.h"

#include <stdlib.h>
#include <string.h>
#include "base/array.h"
#include "base/file.h"
#include "io/png.h"

/* ---- seeds ---- */

/* Append `seed` and those that follow it, `images` in all. */
static ss_status pictures_add_seeds(picture_seeds *out, image_seed seed, int images, ss_error *err) {
    image_seed *grown = array_resize(out->at, (size_t)out->n + (size_t)images, sizeof *grown);
    if (!grown) return error_no_memory(err, "seeds", (size_t)images * sizeof *grown);
    out->at = grown;
    for (int i = 0; i < images; i++)
        if (seed_add(seed, i, &out->at[out->n++]) != 0)
            return error_set(err, SS_ERR_USAGE, NULL, "--images is %d; seeds end at 18446744073709551615", images);
    return SS_OK;
}

static ss_status pictures_read_list(const char *written, int images, picture_seeds *out, ss_error *err) {
    static const option SEED = {"seed", OPTION_SEED, NULL, 0, 0, NULL, ""};
    for (const char *at = written;; at++) {
        char one[32];
        option_value o;
        at += strspn(at, " ");
        size_t n = strcspn(at, ", ");
        snprintf(one, sizeof one, "%.*s", n < sizeof one ? (int)n : (int)sizeof one - 1, at);
        if (option_parse(&SEED, one, NULL, &o, err) != SS_OK) return err->code = SS_ERR_USAGE;
        SS_TRY(pictures_add_seeds(out, o.seed, images, err));
        at += n + strspn(at + n, " ");
        if (!*at) return SS_OK;
        if (*at != ',') at--;
    }
}

ss_status picture_seeds_read(const char *written, int images, picture_seeds *out, ss_error *err) {
    seed_text a, b;
    int first;
    *out = (picture_seeds){0};
    ss_status status = pictures_read_list(written, images, out, err);
    int again = status == SS_OK ? seed_find_same_noise(out->at, out->n, &first) : -1;
    if (again == -2) status = error_no_memory(err, "seeds", (unsigned long long)out->n);
    if (again >= 0)
        status = error_set(err, SS_ERR_USAGE, NULL,
                           "the seeds %s and %s are one noise (torch's generator takes them modulo 2^32), so their "
                           "pictures would be the same",
                           seed_write(out->at[first], a), seed_write(out->at[again], b));
    if (status != SS_OK) {
        free(out->at);
        *out = (picture_seeds){0};
    }
    return status;
}

/* ---- what is there already ---- */

static ss_status other_picture(const char *path, const char *what, const char *found, ss_error *err) {
    return error_set(err, SS_ERR_USAGE, path,
                     "is another picture (%s%s%.200s); choose another folder (-o), or overwrite it with --force", what,
                     found ? ": " : "", found ? found : "");
}

ss_status picture_check(const char *path, const png_note *notes, int n, ss_error *err) {
    ss_status status = SS_OK;
    if (!file_exists(path)) return SS_OK;
    for (int i = 0; status == SS_OK && i < n; i++) {
        char *found = NULL;
        status = png_read_note(path, notes[i].key, &found, err);
        if (status == SS_OK && !found) status = other_picture(path, "without text chunks of sinkscope", NULL, err);
        else if (status == SS_OK && strcmp(found, notes[i].value) != 0)
            status = other_picture(path, notes[i].key, found, err);
        free(found);
    }
    return status;
}

ss_status picture_check_pixels(const char *path, const rgb_image *image, ss_error *err) {
    rgb_image there = {0};
    ss_error unreadable;
    if (!file_exists(path)) return SS_OK;
    int same = png_read(path, &there, &unreadable) == SS_OK && there.width == image->width &&
               there.height == image->height &&
               memcmp(there.rgb, image->rgb, 3 * (size_t)there.width * (size_t)there.height) == 0;
    rgb_image_free(&there);
    return same ? SS_OK : other_picture(path, "other pixels", NULL, err);
}
