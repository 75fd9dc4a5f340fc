/* Names of LoRA's tensors. Three families: diffusers' (a component, a module's path, lora_A or lora.down), PEFT's
 * (base_model.model. and a path), kohya's (lora_unet_ or lora_te_, and a path with '_' for '.'). Paths may be those of
 * diffusers' modules or of the original layouts (model/original_maps.c). */
#include <string.h>

#include "model/lora_internal.h"
#include "model/original_internal.h"

static const struct {
    const char *end;
    lora_kind kind;
    const char *what;
} ENDS[] = {
    {".lora_A.weight", LORA_DOWN, NULL},
    {".lora_B.weight", LORA_UP, NULL},
    {".lora_A.default.weight", LORA_DOWN, NULL},
    {".lora_B.default.weight", LORA_UP, NULL},
    {".lora.down.weight", LORA_DOWN, NULL},
    {".lora.up.weight", LORA_UP, NULL},
    {".lora_linear_layer.down.weight", LORA_DOWN, NULL},
    {".lora_linear_layer.up.weight", LORA_UP, NULL},
    {".lora_down.weight", LORA_DOWN, NULL},
    {".lora_up.weight", LORA_UP, NULL},
    {"_lora.down.weight", LORA_DOWN, NULL}, /* attn1.processor.to_q_lora.down.weight */
    {"_lora.up.weight", LORA_UP, NULL},
    {".alpha", LORA_ALPHA, NULL},
    {".dora_scale", LORA_REFUSED, "DoRA"},
    {".lora_magnitude_vector", LORA_REFUSED, "DoRA"},
    {".lora_magnitude_vector.weight", LORA_REFUSED, "DoRA"},
    {".lora_magnitude_vector.default.weight", LORA_REFUSED, "DoRA"},
    {".lora_mid.weight", LORA_REFUSED, "a Tucker decomposition (LoCon with lora_mid)"},
    {".lora_B.bias", LORA_REFUSED, "a LoRA of biases"},
    {".lora_B.default.bias", LORA_REFUSED, "a LoRA of biases"},
    {".hada_w1_a", LORA_REFUSED, "LoHa"},
    {".lokr_w1", LORA_REFUSED, "LoKr"},
    {".lokr_w1_a", LORA_REFUSED, "LoKr"},
    {".oft_blocks", LORA_REFUSED, "OFT"},
    {".diff", LORA_REFUSED, "a difference of full rank"},
    {".diff_b", LORA_REFUSED, "a difference of biases"},
};

/* Longer beginnings first where one begins with another. */
static const struct {
    const char *beginning, *component;
    int flat;
} BEGINNINGS[] = {
    {"lora_unet_", "denoiser", 1},
    {"lora_transformer_", "transformer", 1},
    {"lora_te1_", "text_encoder", 1},
    {"lora_te2_", "text_encoder_2", 1},
    {"lora_te3_", "text_encoder_3", 1},
    {"lora_te_", "text_encoder", 1},
    {"unet.", "unet", 0},
    {"transformer.", "transformer", 0},
    {"text_encoder.", "text_encoder", 0},
    {"text_encoder_2.", "text_encoder_2", 0},
    {"text_encoder_3.", "text_encoder_3", 0},
    {"diffusion_model.", "denoiser", 0},
    {"base_model.model.", "denoiser", 0},
};

static int lora_names_begins(const char *s, const char *beginning) {
    return strncmp(s, beginning, strlen(beginning)) == 0;
}

/* Old attention processors have a place of their own in names: "attn1.processor.to_out" is "attn1.to_out.0". */
static void add_module(text *out, const char *s, size_t n) {
    static const char processor[] = ".processor.", output[] = "to_out";
    const size_t length = sizeof processor - 1;
    const char *at = NULL;
    for (size_t i = 0; i + length <= n && !at; i++)
        if (memcmp(s + i, processor, length) == 0) at = s + i;
    if (!at) {
        text_add_n(out, s, n);
        return;
    }
    const char *rest = at + length;
    const size_t left = n - (size_t)(rest - s);
    text_add_n(out, s, (size_t)(at - s) + 1);
    text_add_n(out, rest, left);
    if (left == sizeof output - 1 && memcmp(rest, output, left) == 0) text_add(out, ".0");
}

void lora_read_name(const char *name, lora_name *out) {
    *out = (lora_name){.kind = LORA_UNKNOWN, .component = "denoiser"};
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof ENDS / sizeof ENDS[0] && out->kind == LORA_UNKNOWN; i++)
        if (text_ends_with(name, ENDS[i].end)) {
            out->kind = ENDS[i].kind;
            out->what = ENDS[i].what;
            n -= strlen(ENDS[i].end);
        }
    if (out->kind == LORA_UNKNOWN) return;
    for (size_t i = 0; i < sizeof BEGINNINGS / sizeof BEGINNINGS[0]; i++) {
        const size_t length = strlen(BEGINNINGS[i].beginning);
        if (length > n || !lora_names_begins(name, BEGINNINGS[i].beginning)) continue;
        out->component = BEGINNINGS[i].component;
        out->flat = BEGINNINGS[i].flat;
        add_module(&out->module, name + length, n - length);
        return;
    }
    add_module(&out->module, name, n);
}

static void add_flat(text *out, const char *s, size_t n) {
    for (size_t i = 0; i < n; i++) text_add_n(out, s[i] == '.' ? "_" : &s[i], 1);
}

/* Names of a text model with and without its first word are one. */
static size_t text_model_bytes(const char *s) {
    return lora_names_begins(s, "text_model.") || lora_names_begins(s, "text_model_") ? strlen("text_model.") : 0;
}

int lora_flat_name(const char *weight, text *out) {
    static const char end[] = ".weight";
    if (!text_ends_with(weight, end)) return 0;
    const size_t skipped = text_model_bytes(weight);
    add_flat(out, weight + skipped, strlen(weight) - skipped - (sizeof end - 1));
    return 1;
}

/* ---- targets ---- */

static const name_map *original_names(const char *component) {
    if (strcmp(component, "unet") == 0) return &ORIGINAL_UNET;
    if (strcmp(component, "transformer") == 0) return &ORIGINAL_MMDIT;
    return NULL;
}

static void flatten(view_tensor *t) {
    for (char *p = t->name; *p; p++)
        if (*p == '.') *p = '_';
    size_t n = strlen(t->name);
    if (n > 0 && t->name[n - 1] == '_') t->name[n - 1] = '\0';
}

ss_status lora_targets(const lora_name *module, const char *component, const checkpoint_entry *up, int layers,
                       int blocks, view_tensors *list, ss_error *err) {
    const name_map *m = original_names(component);
    const map_numbers numbers = {.layers = layers, .blocks = blocks};
    const char *name = module->module.s ? module->module.s : "";
    int known = 0;
    text own = {0};
    text_addf(&own, "%s%s", name, module->flat ? "_" : "."); /* rows of the map end in a point */
    if (own.failed) {
        text_free(&own);
        return error_no_memory(err, "the name of a tensor", strlen(name));
    }
    ss_status status = m ? name_map_apply_flat(m, &numbers, own.s, up, list, &known, err) : SS_OK;
    if (status == SS_OK && !known) { /* a path of diffusers' or transformers' own */
        text whole = {0};
        text_add(&whole, own.s + text_model_bytes(own.s));
        if (!view_tensors_add(list, &whole, up, err)) status = err->code;
    }
    for (size_t i = 0; i < list->n; i++) flatten(&list->at[i]);
    text_free(&own);
    return status;
}
