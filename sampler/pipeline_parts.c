/* See pipeline_parts.h. */
#include "sampler/pipeline_parts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"

/* ---- components of a folder ---- */

int pipeline_has_component(const json_t *index, const char *name) {
    return json_is_string(json_array_get(json_object_get(index, name), 1));
}

ss_status pipeline_open_component(model **out, pipeline *p, const json_t *index, const char *index_path,
                                  const char *name, const char *class_name, const char *variant, ss_error *err) {
    if (!pipeline_has_component(index, name))
        return error_set(err, SS_ERR_INPUT, index_path, "%s: expected [library, \"%s\"], found no such component", name,
                         class_name);
    SS_TRY(source_open_component(out, p, name, class_name, variant, err));
    return notices_add_all(&p->c->notices, &(*out)->notices, err);
}

ss_status pipeline_open_tokenizer(tokenizer **out, const pipeline *p, const json_t *index, const char *name,
                                  tokenizer_kind kind, const model *encoder, int64_t vocabulary, ss_error *err) {
    const char *class_name = json_string_value(json_array_get(json_object_get(index, name), 1));
    text folder = {0};
    SS_TRY(source_open_tokenizer(out, p, name, class_name, &folder, err));
    ss_status status = folder.failed ? error_no_memory(err, "path", folder.len) : SS_OK;
    if (status == SS_OK && tokenizer_get_kind(*out) != kind)
        status = error_set(err, SS_ERR_INPUT, folder.s, "expected a %s tokenizer, found %s", tokenizer_kind_name(kind),
                           tokenizer_kind_name(tokenizer_get_kind(*out)));
    else if (status == SS_OK && tokenizer_vocabulary_size(*out) > vocabulary)
        status = error_set(err, SS_ERR_INPUT, folder.s, "%d tokens; expected at most vocab_size %lld of %s/config.json",
                           tokenizer_vocabulary_size(*out), (long long)vocabulary, encoder->folder);
    text_free(&folder);
    return status;
}

ss_status pipeline_open_scheduler(pipeline *p, scheduler_family family, json_t *changes, ss_error *err) {
    json_t *config = NULL;
    char *where = NULL;
    ss_status status = source_read_config(p, "scheduler", &config, &where, err);
    if (status == SS_OK) status = scheduler_open_config(&p->sampling, config, where, changes, family, err);
    p->family = family;
    if (status == SS_OK) p->sampling_config = json_incref(config);
    json_decref(config);
    free(where);
    return status;
}

ss_status pipeline_agree(const pipeline *p, int64_t found, const char *what, int64_t expected, const char *why,
                         ss_error *err) {
    if (found == expected) return SS_OK;
    return error_set(err, SS_ERR_INPUT, p->folder, "%s is %lld; expected %lld, %s", what, (long long)found,
                     (long long)expected, why);
}

/* ---- text ---- */

static const char *const ENCODERS[MAX_CLIPS] = {"text_encoder", "text_encoder_2"};

ss_status clip_texts_open(clip_texts *m, pipeline *p, const json_t *index, const char *index_path,
                          const char *const *classes, const char *variant, ss_error *err) {
    static const char *const tokenizers[MAX_CLIPS] = {"tokenizer", "tokenizer_2"};
    const int n = m->n;
    assert(n <= MAX_CLIPS);
    for (int i = 0; i < n; i++) {
        SS_TRY(pipeline_open_component(&m->encoder[i], p, index, index_path, ENCODERS[i], classes[i], variant, err));
        SS_TRY(pipeline_open_tokenizer(&m->tokenizer[i], p, index, tokenizers[i], TOKENIZER_CLIP, m->encoder[i],
                                       clip_texts_config(m, i)->vocabulary, err));
    }
    m->tokens = tokenizer_max_length(m->tokenizer[0]);
    for (int i = 0; i < n; i++)
        if (m->tokens < 2 || m->tokens > clip_texts_config(m, i)->positions)
            return error_set(err, SS_ERR_INPUT, p->folder,
                             "tokenizer/tokenizer_config.json has model_max_length %d; expected 2 to "
                             "max_position_embeddings %lld of %s/config.json",
                             m->tokens, (long long)clip_texts_config(m, i)->positions, ENCODERS[i]);
    return SS_OK;
}

void clip_texts_close(clip_texts *m) {
    for (int i = 0; i < m->n; i++) {
        tokenizer_close(m->tokenizer[i]);
        model_close(m->encoder[i]);
    }
}

void clip_texts_list(const clip_texts *m, text_shape *out) {
    for (int i = 0; i < m->n; i++)
        out->encoder[out->n_encoders++] = (text_encoder){ENCODERS[i], m->tokenizer[i], m->tokens};
}

int64_t clip_texts_width(const clip_texts *m) {
    int64_t width = 0;
    for (int i = 0; i < m->n; i++) width += clip_texts_config(m, i)->encoder.width;
    return width;
}

tensor text_pooled_new(compute *c, int64_t rows, int64_t width) {
    return width ? compute_2d(c, rows, width) : TENSOR_NONE;
}

ss_status text_ids(const tokenizer *t, const char *const *texts, int n, int count, int32_t *ids, ss_error *err) {
    for (int i = 0; i < n; i++) {
        tokens tok = {0};
        SS_TRY(tokenizer_encode(t, texts[i], count, &tok, err));
        for (int j = 0; j < count; j++) ids[i * count + j] = tok.at[j].id;
        tokens_free(&tok);
    }
    return SS_OK;
}

ss_status clip_texts_encode(const clip_texts *m, compute *c, const char *const *texts, int n, int32_t *ids,
                            tensor states, tensor pooled, ss_error *err) {
    int64_t column = 0, pooled_column = 0;
    for (int i = 0; i < m->n; i++) {
        const clip_text_config *g = clip_texts_config(m, i);
        clip_text_output out;
        arena_mark mark = arena_get_mark(c->scratch);
        SS_TRY(text_ids(m->tokenizer[i], texts, n, m->tokens, ids, err));
        clip_text_forward_streamed(c, m->encoder[i], ids, n, m->tokens, &out);
        op_copy(c, tensor_columns(tensor_slice(states, 1, 0, m->tokens), column, g->encoder.width),
                m->last ? out.last : out.penultimate);
        column += g->encoder.width;
        if (g->projection) {
            op_copy(c, tensor_columns(pooled, pooled_column, g->projection), out.pooled);
            pooled_column += g->projection;
        }
        arena_release(c->scratch, mark);
    }
    return SS_OK;
}

/* ---- the autoencoder ---- */

int pipeline_vae_factor(const pipeline *p) { return 1 << (pipeline_vae_config(p)->blocks - 1); }

tensor pipeline_decode(const pipeline *p, compute *c, const denoise_state *d) {
    const vae_config *g = pipeline_vae_config(p);
    tensor x = compute_4d(c, 1, d->height, d->width, d->channels), shift = nn_like(c, x);
    op_upload(c, x, d->latents);
    op_fill(c, shift, p->row->latents == LATENTS_SHIFTED ? (float)g->shift_factor : 0);
    if (p->row->latents == LATENTS_NORMALISED && g->normalised) {
        const int64_t dim[] = {1, 1, 1, d->channels};
        op_mul(c, x, x, model_upload(c, g->latents_std, 4, dim));
        op_axpby(c, x, (float)(1 / g->scaling_factor), x, 1, shift);
        op_add(c, x, x, model_upload(c, g->latents_mean, 4, dim));
    } else op_axpby(c, x, (float)(1 / g->scaling_factor), x, 1, shift);
    return vae_decode(c, g, p->vae->weights, x);
}
