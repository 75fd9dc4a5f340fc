/* See culprit.h. */
#include "model/culprit.h"

#include <stdlib.h>
#include <string.h>
#include "base/finite.h"
#include "base/text.h"
#include "io/checkpoint_values.h"

/* ---- listening ---- */

static void culprit_take(void *user, const char *name, tensor t) {
    culprit *k = user;
    int64_t n = tensor_elements(t), rows = t.ndim ? t.dim[0] : 1;
    if (*k->tap || n == 0) return;
    if (k->c->tap_of) k->network = k->c->tap_of;
    float *host = malloc((size_t)n * sizeof *host);
    if (!host) {
        ss_error err;
        error_no_memory(&err, name, (size_t)n * sizeof *host);
        compute_fail(k->c, &err);
        return;
    }
    op_download(k->c, host, t);
    for (int64_t i = 0; compute_ok(k->c) && i < rows && i < CULPRIT_MAX_ROWS; i++)
        if (finite_first_bad(host + i * (n / rows), n / rows) >= 0) k->bad_rows |= UINT32_C(1) << i;
    free(host);
    if (!k->bad_rows) return;
    snprintf(k->tap, sizeof k->tap, "%s", name);
    k->rows = (int)rows;
}

void culprit_listen(culprit *k, compute *c, const model *m) {
    *k = (culprit){.c = c, .network = m, .before = c->tap};
    k->sink = (tap_sink){culprit_take, k};
    c->tap = &k->sink;
}

void culprit_stop(culprit *k) { k->c->tap = k->before; }

/* ---- weights ---- */

/* Tensors that hold values that are not finite. */
typedef struct bad_weights {
    int n;
    const checkpoint_entry *first;
    checkpoint_values values; /* of the first */
} bad_weights;

static int is_part(const char *name, const culprit_case *about) {
    for (int i = 0; i < about->n_prefixes; i++)
        if (strncmp(name, about->prefixes[i], strlen(about->prefixes[i])) == 0) return 1;
    return !about->prefixes;
}

static ss_status find_bad_weights(const model *m, const culprit_case *about, bad_weights *out, ss_error *err) {
    *out = (bad_weights){0};
    for (int i = 0; m->files && i < m->set.n; i++) {
        const checkpoint_entry *e = m->set.item[i].entry;
        checkpoint_values v;
        if (!e || !is_part(m->set.item[i].name, about)) continue;
        SS_TRY(checkpoint_count_values(m->files, e, &v, err));
        if (v.first < 0) continue;
        if (out->n++ == 0) {
            out->first = e;
            out->values = v;
        }
    }
    return SS_OK;
}

/* ---- the message ---- */

const char *culprit_network_name(const model *m) {
    const char *slash = strrchr(m->folder, '/');
    return slash && slash[1] ? slash + 1 : m->folder;
}

/* "transformer_blocks.3.attn, branch cond" */
static void culprit_add_place(text *t, const culprit *k, const culprit_case *about) {
    text_add(t, k->tap);
    if (k->rows != 2 || !about->rows[0]) return;
    if (k->bad_rows == 3) text_addf(t, ", branches %s and %s", about->rows[0], about->rows[1]);
    else text_addf(t, ", branch %s", about->rows[k->bad_rows == 2]);
}

static void add_weights(text *t, const culprit *k, const culprit_case *about, const bad_weights *w) {
    text_addf(t, "%s: the tensor %s holds ", culprit_network_name(k->network), w->first->name);
    checkpoint_add_values(t, w->first, &w->values);
    if (w->n > 1) text_addf(t, " (%d tensors of the network hold such values)", w->n);
    text_addf(t, ". So %s are not finite", about->what);
    if (*k->tap) text_add(t, "; the first such values are in "), culprit_add_place(t, k, about);
    text_add(t, ". Get the file anew; 'sinkscope inspect MODEL --check' reads every tensor of a model");
}

static void add_overflow(text *t, const culprit *k, const culprit_case *about) {
    if (k->network) text_addf(t, "%s: ", culprit_network_name(k->network));
    text_addf(t, "%s are not finite. ", about->what);
    if (*k->tap) {
        text_add(t, "The first such values are in ");
        culprit_add_place(t, k, about);
        text_add(t, "; the network's weights are finite: a number left the range of float32 (3.4e38)");
    } else text_add(t, "The network's output is finite, and so are its weights");
    if (about->hint) text_addf(t, "; %s", about->hint);
}

ss_status culprit_report(const culprit *k, const culprit_case *about, ss_error *err) {
    bad_weights w = {0};
    text message = {0};
    if (k->network) SS_TRY(find_bad_weights(k->network, about, &w, err));
    if (w.n) add_weights(&message, k, about, &w);
    else add_overflow(&message, k, about);
    if (message.failed) error_no_memory(err, "message", message.len);
    else error_set(err, SS_ERR_INPUT, w.n ? w.first->file : k->network ? k->network->folder : NULL, "%s", message.s);
    text_free(&message);
    return err->code;
}
