/* Another scheduler over a model's settings: "NAME, key=value, force" (scheduler_choose). */
#include <string.h>

#include "base/text.h"
#include "sampler/scheduler_row.h"

enum { MAX_ASKED = 500 };

/* The next part between commas, without white space at its ends; NULL at the end. Commas in brackets are part of it. */
static char *next_part(char **rest) {
    char *start = *rest + strspn(*rest, " \t"), *end = start;
    if (!*start) return NULL;
    for (int depth = 0; *end && (depth > 0 || *end != ','); end++) depth += (*end == '[') - (*end == ']');
    *rest = end + (*end != 0);
    while (end > start && strchr(" \t", end[-1])) end--;
    *end = 0;
    return start;
}

/* A value as in JSON; what is none is a word. */
static json_t *scheduler_choose_read_value(const char *s) {
    json_error_t unused;
    json_t *value = json_loads(s, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &unused);
    return value ? value : json_string(s);
}

static ss_status set_key(json_t *config, char *part, const char *name, ss_error *err) {
    char *equals = strchr(part, '=');
    if (!equals || equals == part)
        return error_set(err, SS_ERR_INPUT, NULL,
                         "scheduler %s: '%s'; expected a setting, as use_karras_sigmas=true, or force", name, part);
    *equals = 0;
    if (json_object_set_new(config, part, scheduler_choose_read_value(equals + 1)) == 0) return SS_OK;
    return error_no_memory(err, "scheduler's settings", strlen(part));
}

static ss_status refuse_prediction(const scheduler *own, const scheduler *g, ss_error *err) {
    static const char flows[] = "a flow's are FlowMatchEulerDiscreteScheduler, FlowMatchHeunDiscreteScheduler and "
                                "solvers with use_flow_sigmas=true, prediction_type=flow_prediction",
                      others[] = "set prediction_type, or choose another class";
    return error_set(err, SS_ERR_INPUT, NULL,
                     "%s over this model's settings takes the output for %s; the model predicts %s: %s; or add ', "
                     "force' to get what diffusers makes of it",
                     scheduler_name(g), PREDICTION_NAMES[scheduler_predicts(g)],
                     PREDICTION_NAMES[scheduler_predicts(own)],
                     scheduler_predicts(own) == PREDICTS_FLOW ? flows : others);
}

/* from_config takes those of the settings that the class supports, and the class's own defaults for the rest. */
static ss_status scheduler_choose_choose(scheduler *out, json_t *config, const scheduler *own, scheduler_family family,
                                         char *asked, ss_error *err) {
    char *rest = asked, *name = next_part(&rest), *part;
    int force = 0;
    if (!name) return error_set(err, SS_ERR_INPUT, NULL, "scheduler is empty; expected a class's name");
    while ((part = next_part(&rest))) {
        if (strcmp(part, "force") == 0) force = 1;
        else SS_TRY(set_key(config, part, name, err));
    }
    SS_TRY(scheduler_parse_class(config, "scheduler", family, name, out, err));
    out->forced = scheduler_predicts(out) != scheduler_predicts(own);
    return out->forced && !force ? refuse_prediction(own, out, err) : SS_OK;
}

ss_status scheduler_choose(scheduler *out, const json_t *config, const scheduler *own, scheduler_family family,
                           const char *asked, ss_error *err) {
    char words[MAX_ASKED];
    *out = (scheduler){0};
    if (strlen(asked) >= sizeof words)
        return error_set(err, SS_ERR_INPUT, NULL, "scheduler: expected less than %d characters", MAX_ASKED);
    strcpy(words, asked);
    json_t *copy = json_copy((json_t *)(uintptr_t)config);
    if (!copy) return error_no_memory(err, "scheduler's settings", 0);
    ss_status status = scheduler_choose_choose(out, copy, own, family, words, err);
    json_decref(copy);
    return status;
}
