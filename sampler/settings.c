/* Sampling settings in words. Apart from the pipelines, since whoever only describes what was made needs none. */
#include "sampler/pipeline.h"

void sample_settings_add_words(const sample_settings *s, text *out) {
    text_addf(out, "%d steps, guidance ", s->steps);
    text_add_double(out, s->guidance, 6);
    if (s->scheduler && *s->scheduler) text_addf(out, ", scheduler %s", s->scheduler);
    if (s->noise.processors) {
        text_add(out, ", noise ");
        torch_device_add_words(&s->noise, out);
    }
    picture_sizes_add_words(&s->sizes, ", ", out);
}
