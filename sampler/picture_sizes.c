/* See picture_sizes.h. Independent of the kind of pipeline. */
#include "sampler/picture_sizes.h"

enum { MOST = 1 << 16 }; /* pixels; a network has seen no such image */

const option PICTURE_SIZE_KEYS[] = {PICTURE_SIZE_OPTIONS, {0}};

static int is_given(const picture_sizes *s, int i) { return (int)(s->given >> i & 1); }

/* A crop may begin at 0; a size is at least one pixel. */
static int least_of(int i) { return i == CROP ? 0 : 1; }

static int picture_sizes_fits(int64_t pixels, int i) { return pixels >= least_of(i) && pixels <= MOST; }

ss_status picture_sizes_read(picture_sizes *s, picture_size which, const char *written, const char *called,
                             ss_error *err) {
    int64_t across, down;
    if (text_to_pair(written, &across, &down) != 0 || !picture_sizes_fits(across, which) ||
        !picture_sizes_fits(down, which))
        return error_set(err, SS_ERR_INPUT, NULL, "%s is '%s'; expected %s, each from %d to %d pixels", called, written,
                         which == CROP ? "LEFTxTOP" : "WIDTHxHEIGHT or one side", least_of(which), MOST);
    s->given |= 1u << which;
    s->across[which] = (int)across;
    s->down[which] = (int)down;
    return SS_OK;
}

void picture_sizes_change(picture_sizes *s, const picture_sizes *changes) {
    for (int i = 0; i < PICTURE_SIZES; i++) {
        if (!is_given(changes, i)) continue;
        s->across[i] = changes->across[i];
        s->down[i] = changes->down[i];
    }
    s->given |= changes->given;
}

ss_status picture_sizes_check(const picture_sizes *s, ss_error *err) {
    for (int i = 0; i < PICTURE_SIZES; i++)
        if (is_given(s, i) && (!picture_sizes_fits(s->across[i], i) || !picture_sizes_fits(s->down[i], i)))
            return error_set(err, SS_ERR_INPUT, NULL, "%s is %dx%d; expected %d to %d pixels",
                             PICTURE_SIZE_KEYS[i].name, s->across[i], s->down[i], least_of(i), MOST);
    return SS_OK;
}

ss_status picture_sizes_refuse(const picture_sizes *s, const char *who, ss_error *err) {
    for (int i = 0; i < PICTURE_SIZES; i++)
        if (is_given(s, i))
            return error_set(err, SS_ERR_INPUT, NULL,
                             "%s is given, which %s does not tell its network; expected none of %s, %s and %s",
                             PICTURE_SIZE_KEYS[i].name, who, PICTURE_SIZE_KEYS[ORIGINAL_SIZE].name,
                             PICTURE_SIZE_KEYS[CROP].name, PICTURE_SIZE_KEYS[TARGET_SIZE].name);
    return SS_OK;
}

void picture_sizes_condition(const picture_sizes *s, int width, int height, float out[SIZE_CONDITIONS]) {
    const int across[PICTURE_SIZES] = {[ORIGINAL_SIZE] = width, [TARGET_SIZE] = width},
              down[PICTURE_SIZES] = {[ORIGINAL_SIZE] = height, [TARGET_SIZE] = height};
    for (int i = 0; i < PICTURE_SIZES; i++) {
        out[2 * i] = (float)(is_given(s, i) ? s->down[i] : down[i]);
        out[2 * i + 1] = (float)(is_given(s, i) ? s->across[i] : across[i]);
    }
}

void picture_sizes_add_words(const picture_sizes *s, const char *between, text *out) {
    for (int i = 0; i < PICTURE_SIZES; i++)
        if (is_given(s, i))
            text_addf(out, "%s%s %dx%d", out->len ? between : "", PICTURE_SIZE_KEYS[i].name, s->across[i], s->down[i]);
}
