/* Sampling settings in words. Apart from the pipelines, since whoever only describes what was made needs none. */
#include "sampler/pipeline.h"

void sample_settings_add_words(const sample_settings *s, text *out) {
    text_addf(out, "%d steps, guidance ", s->steps);
    text_add_double(out, s->guidance, 6);
    picture_sizes_add_words(&s->sizes, ", ", out);
}
