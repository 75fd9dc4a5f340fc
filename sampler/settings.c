/* Sampling settings in words. A separate file, since a description of existing images needs no pipeline. */
#include "sampler/pipeline.h"

#include <string.h>

static int has_force(const char *asked) {
    const char *last = strrchr(asked, ',');
    return last && strcmp(last + 1 + strspn(last + 1, " \t"), "force") == 0;
}

void scheduler_asked_add_words(const char *asked, const char *before, text *out) {
    if (!asked || !*asked) return;
    text_addf(out, "%sscheduler %s", before, asked);
    if (has_force(asked)) text_add(out, " (it takes the model's output for what it expects)");
}

void settings_add_words(const resolved_settings *s, text *out) {
    text_addf(out, "%d steps, guidance ", s->steps);
    text_add_double(out, s->guidance, 6);
    scheduler_asked_add_words(s->scheduler, ", ", out);
    if (s->noise.processors) {
        text_add(out, ", noise ");
        torch_device_add_words(&s->noise, out);
    }
    picture_sizes_add_words(&s->sizes, ", ", out);
}

sample_settings settings_asked(const resolved_settings *s) {
    return (sample_settings){.width = s->width,
                             .height = s->height,
                             .steps = s->steps,
                             .guidance = s->guidance,
                             .negative = s->negative,
                             .max_text_tokens = s->max_text_tokens,
                             .sizes = s->sizes,
                             .scheduler = s->scheduler,
                             .noise = s->noise};
}
