/* The judge's reading of an image and GenEval's rules. Arithmetic is in integers only, so training/judge.py agrees on
 * every image. Nothing is guessed: what has no name makes the image unreadable. */
#include "score/judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    GREY_LOW = 96,
    GREY_HIGH = 160,
    MIN_OBJECT = 120,     /* pixels; the smallest object of the world covers about 430 */
    MAX_SPECKS = 300,     /* pixels */
    MIN_CONFIDENCE = 700, /* thousandths */
};

static int square(int x) { return x * x; }

/* 0 = background, 1.. = palette colour + 1: the nearest in RGB, ties to the lower. */
static uint8_t label_pixel(const unsigned char *rgb) {
    int r = rgb[0], g = rgb[1], b = rgb[2], grey = (r + g + b + 1) / 3;
    if (grey < GREY_LOW) grey = GREY_LOW;
    if (grey > GREY_HIGH) grey = GREY_HIGH;
    int best = square(r - grey) + square(g - grey) + square(b - grey), label = 0;
    for (int i = 0; i < JUDGE_COLOURS; i++) {
        const int *c = JUDGE_PALETTE[i];
        int d = square(r - c[0]) + square(g - c[1]) + square(b - c[2]);
        if (d < best) best = d, label = i + 1;
    }
    return (uint8_t)label;
}

/* A component while it is measured. `part` holds the number of the component of every pixel, 0 = none yet. */
typedef struct reader {
    int width, height;
    uint8_t *label;
    int32_t *part, *stack;
} reader;

/* Number the 4-connected component of equal label around pixel `start`, with its area and box. */
static judge_object flood(reader *r, int start, int32_t number) {
    int x0 = start % r->width, y0 = start / r->width;
    judge_object o = {.x0 = x0, .y0 = y0, .x1 = x0 + 1, .y1 = y0 + 1};
    int depth = 0;
    r->stack[depth++] = start;
    r->part[start] = number;
    while (depth > 0) {
        int at = r->stack[--depth], x = at % r->width, y = at / r->width;
        o.area++;
        if (x < o.x0) o.x0 = x;
        if (y < o.y0) o.y0 = y;
        if (x >= o.x1) o.x1 = x + 1;
        if (y >= o.y1) o.y1 = y + 1;
        const int next[4] = {x > 0 ? at - 1 : -1, x + 1 < r->width ? at + 1 : -1, y > 0 ? at - r->width : -1,
                             y + 1 < r->height ? at + r->width : -1};
        for (int i = 0; i < 4; i++)
            if (next[i] >= 0 && !r->part[next[i]] && r->label[next[i]] == r->label[start]) {
                r->part[next[i]] = number;
                r->stack[depth++] = next[i];
            }
    }
    return o;
}

/* Thousandths of intersection over union of the component's mask with a template stretched over its box; 0 where the
 * box's proportions differ from the shape's by more than 3 : 2. */
static int judge_match(const reader *r, const judge_object *o, int32_t number, int shape) {
    int w = o->x1 - o->x0, h = o->y1 - o->y0, wide = JUDGE_SIZE[shape][0], high = JUDGE_SIZE[shape][1];
    if (2 * w * high > 3 * h * wide || 3 * w * high < 2 * h * wide) return 0;
    int both = 0, either = 0;
    for (int y = 0; y < h; y++) {
        uint64_t row = JUDGE_TEMPLATE[shape][(2 * y + 1) * JUDGE_GRID / (2 * h)];
        for (int x = 0; x < w; x++) {
            int cell = (2 * x + 1) * JUDGE_GRID / (2 * w);
            int in_template = (int)(row >> (JUDGE_GRID - 1 - cell) & 1);
            int in_mask = r->part[(o->y0 + y) * r->width + o->x0 + x] == number;
            both += in_template & in_mask;
            either += in_template | in_mask;
        }
    }
    return either ? 1000 * both / either : 0;
}

static int by_confidence(const void *a, const void *b) {
    const judge_object *p = a, *q = b;
    if (p->confidence != q->confidence) return q->confidence - p->confidence;
    return p->y0 != q->y0 ? p->y0 - q->y0 : p->x0 - q->x0;
}

static void read_components(reader *r, judge_reading *out) {
    int specks = 0, nameless = 0;
    int32_t number = 0;
    for (int at = 0; at < r->width * r->height; at++) {
        if (!r->label[at] || r->part[at]) continue;
        judge_object o = flood(r, at, ++number);
        if (o.area < MIN_OBJECT) {
            specks += o.area;
            continue;
        }
        o.colour = r->label[at] - 1;
        for (int shape = 0; shape < JUDGE_SHAPES; shape++) {
            int confidence = judge_match(r, &o, number, shape);
            if (confidence > o.confidence) o.confidence = confidence, o.shape = shape;
        }
        if (o.confidence < MIN_CONFIDENCE || out->n == JUDGE_MAX_OBJECTS) nameless++;
        else out->object[out->n++] = o;
    }
    qsort(out->object, (size_t)out->n, sizeof out->object[0], by_confidence);
    if (nameless) out->unreadable = "a part that is no shape";
    else if (specks > MAX_SPECKS) out->unreadable = "specks";
    else if (out->n == 0) out->unreadable = "no object";
}

ss_status judge_read(const rgb_image *image, judge_reading *out, ss_error *err) {
    size_t pixels = (size_t)image->width * (size_t)image->height;
    reader r = {image->width, image->height, calloc(pixels, 1), calloc(pixels, sizeof *r.part),
                malloc(pixels * sizeof *r.stack)};
    *out = (judge_reading){0};
    ss_status status = SS_OK;
    if (!r.label || !r.part || !r.stack) {
        status = error_no_memory(err, "judge", pixels * 9);
    } else {
        for (size_t i = 0; i < pixels; i++) r.label[i] = label_pixel(image->rgb + 3 * i);
        read_components(&r, out);
    }
    free(r.label);
    free(r.part);
    free(r.stack);
    return status;
}

/* ---- GenEval's rules ---- */

static int name_index(const char *name, const char *const *names, int n) {
    for (int i = 0; i < n; i++)
        if (strcmp(name, names[i]) == 0) return i;
    return -1;
}

/* The first `limit` objects of a class, by confidence. */
static int take_class(const judge_reading *r, int shape, int limit, const judge_object **out) {
    int n = 0;
    for (int i = 0; i < r->n && n < limit; i++)
        if (r->object[i].shape == shape) out[n++] = &r->object[i];
    return n;
}

/* GenEval's relative_position in twentieths of a pixel; "|revised| > 0.5 |offset|" is compared squared. */
static int relation_holds(const char *relation, const judge_object *a, const judge_object *b) {
    long dx = 10L * (a->x0 + a->x1 - b->x0 - b->x1), dy = 10L * (a->y0 + a->y1 - b->y0 - b->y1);
    long sx = 2L * (a->x1 - a->x0 + b->x1 - b->x0), sy = 2L * (a->y1 - a->y0 + b->y1 - b->y0);
    long rx = labs(dx) > sx ? labs(dx) - sx : 0, ry = labs(dy) > sy ? labs(dy) - sy : 0, squared = dx * dx + dy * dy;
    int along_x = 4 * rx * rx > squared, along_y = 4 * ry * ry > squared;
    if (strcmp(relation, "left of") == 0) return along_x && dx < 0;
    if (strcmp(relation, "right of") == 0) return along_x && dx > 0;
    if (strcmp(relation, "above") == 0) return along_y && dy < 0;
    return along_y && dy > 0;
}

/* One `include` entry: what was found for it (kept for relations of later ones) and what is wrong with it. */
typedef struct group {
    int n; /* 0 = not satisfied */
    const judge_object *object[JUDGE_MAX_OBJECTS];
    char problem[96];
} group;

static void check_include(const judge_reading *r, const geneval_object *want, int shape, int colour,
                          const group *groups, group *g) {
    const char *class_name = want->class_name;
    int right = 0;
    g->n = take_class(r, shape, want->count, g->object);
    g->problem[0] = '\0';
    for (int i = 0; i < g->n; i++) right += colour < 0 || g->object[i]->colour == colour;
    if (g->n < want->count) {
        snprintf(g->problem, sizeof g->problem, "%d of %d %s", g->n, want->count, class_name);
    } else if (right < want->count) {
        snprintf(g->problem, sizeof g->problem, "%d of %d %s %s", right, want->count, want->color, class_name);
    } else if (want->relation) {
        const group *target = &groups[want->relation_target];
        int holds = target->n > 0;
        for (int i = 0; i < g->n; i++)
            for (int j = 0; j < target->n; j++)
                holds = holds && relation_holds(want->relation, g->object[i], target->object[j]);
        if (!holds) snprintf(g->problem, sizeof g->problem, "%s not %s its mate", class_name, want->relation);
    }
    if (g->problem[0]) g->n = 0;
}

/* Indices of the class and colour that an entry names; colour -1 = any. */
static ss_status resolve(const geneval_object *want, int *shape, int *colour, ss_error *err) {
    *shape = name_index(want->class_name, JUDGE_SHAPE_NAME, JUDGE_SHAPES);
    *colour = want->color ? name_index(want->color, JUDGE_COLOUR_NAME, JUDGE_COLOURS) : -1;
    if (*shape < 0)
        return error_set(err, SS_ERR_INPUT, NULL, "the judge knows no class '%s': it reads the world of shapes only",
                         want->class_name);
    if (want->color && *colour < 0)
        return error_set(err, SS_ERR_INPUT, NULL, "the judge knows no colour '%s'", want->color);
    return SS_OK;
}

ss_status judge_decide(const judge_reading *r, const geneval_prompt *p, int *right, char *note, size_t note_size,
                       ss_error *err) {
    group groups[GENEVAL_MAX_OBJECTS] = {{0}};
    const judge_object *found[JUDGE_MAX_OBJECTS];
    const char *problem = "";
    char extra[96];
    int shape, colour;
    for (int i = 0; i < p->n_include; i++) {
        SS_TRY(resolve(&p->include[i], &shape, &colour, err));
        check_include(r, &p->include[i], shape, colour, groups, &groups[i]);
        if (!*problem) problem = groups[i].problem;
    }
    for (int i = 0; i < p->n_exclude; i++) {
        SS_TRY(resolve(&p->exclude[i], &shape, &colour, err));
        int n = take_class(r, shape, JUDGE_MAX_OBJECTS, found);
        if (n < p->exclude[i].count || *problem) continue;
        snprintf(extra, sizeof extra, "%d %s, too many", n, p->exclude[i].class_name);
        problem = extra;
    }
    *right = !r->unreadable && !*problem;
    if (r->unreadable) snprintf(note, note_size, "unreadable: %s", r->unreadable);
    else snprintf(note, note_size, "%s", problem);
    return SS_OK;
}
