/* The variant of a pipeline's weights, component by component: diffusers takes it where a component has it and the
 * plain files elsewhere (pipelines/pipeline_loading_utils.py, _identify_model_variants); where none has it, it refuses.
 */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "sampler/pipeline_parts.h"

/* Adds the component to `with` or `without`; one without a config.json has no weights. */
static ss_status sort_component(const char *folder, const char *name, const char *variant, text *with, text *without,
                                ss_error *err) {
    int taken = 0;
    char *component = file_join(folder, name), *config = component ? file_join(component, "config.json") : NULL;
    ss_status status =
        config ? checkpoint_folder_has_variant(component, variant, &taken, err) : error_no_memory(err, "path", 1);
    if (status == SS_OK && taken) text_addf(with, "%s%s", with->len ? ", " : "", name);
    else if (status == SS_OK && file_exists(config)) text_addf(without, "%s%s", without->len ? ", " : "", name);
    free(config);
    free(component);
    return status;
}

ss_status pipeline_check_variant(const pipeline *p, const json_t *index, const char *index_path, const char *variant,
                                 ss_error *err) {
    text with = {0}, without = {0};
    const char *name;
    json_t *value;
    ss_status status = SS_OK;
    if (!variant) return SS_OK;
    json_object_foreach((json_t *)(uintptr_t)index, name, value) {
        if (status == SS_OK && json_is_array(value))
            status = sort_component(p->folder, name, variant, &with, &without, err);
    }
    if (status == SS_OK && (with.failed || without.failed)) status = error_no_memory(err, "a notice", with.len);
    if (status == SS_OK && !with.len)
        status = error_set(err, SS_ERR_INPUT, index_path,
                           "no component has weights of variant '%s'; expected one at least to have such files as "
                           "model.%s.safetensors",
                           variant, variant);
    else if (status == SS_OK && without.len)
        status = notices_add(&p->c->notices, err, "%s: variant %s of %s, and of %s the weights without a variant",
                             p->folder, variant, with.s, without.s);
    text_free(&with);
    text_free(&without);
    return status;
}
