/* Renderer of the world of shapes. Follows training/world.py line by line. */
#include "tests/unit/score/scene.h"

#include <math.h>
#include <stdlib.h>
#include "score/judge_templates.h"

enum { SIZE = 128, SAMPLES = 4 };

static int inside_star(double u, double v) {
    const double fifth = 2.0 * 3.14159265358979323846 / 5.0, inner = 0.45;
    double rho = hypot(u, v), fold = atan2(u, -v);
    fold = fabs(fold - fifth * nearbyint(fold / fifth));
    double p = rho * cos(fold), q = rho * sin(fold);
    return (inner * cos(fifth / 2) - 1.0) * q - inner * sin(fifth / 2) * (p - 1.0) >= 0;
}

static int inside(int shape, double u, double v) {
    double a = fabs(u), b = fabs(v), d = u * u + v * v, x = 1.15 * u, y = 0.10 - 1.12 * v, w = x * x + y * y - 1;
    switch (shape) {
    case 0: return d <= 1;
    case 1: return fmax(a, b) <= 0.85;
    case 2: return v <= 0.8 && a * 1.8 <= v + 1;
    case 3: return inside_star(u, v);
    case 4: return w * w * w - x * x * y * y * y <= 0;
    case 5: return a / 0.75 + b <= 1;
    case 6: return fmin(a, b) <= 0.32 && fmax(a, b) <= 0.95;
    default: return d <= 1 && d >= 0.25;
    }
}

static double uniform(philox *r, double low, double high) { return low + (high - low) * philox_uniform(r); }

static void place(philox *r, scene *s) {
    static const double RADIUS[4][2] = {{34, 42}, {22, 27}, {19, 24}, {19, 24}};
    int sideways = (int)philox_below(r, 2), first = (int)philox_below(r, 4);
    for (int i = 0; i < s->n; i++) {
        scene_object *o = &s->object[i];
        o->r = uniform(r, RADIUS[s->n - 1][0], RADIUS[s->n - 1][1]);
        if (s->n == 1) {
            o->x = 64 + uniform(r, -12, 12);
            o->y = 64 + uniform(r, -12, 12);
        } else if (s->n == 2) {
            double along = 64 + (i ? 1 : -1) * uniform(r, 31, 34), across = 64 + uniform(r, -14, 14);
            o->x = sideways ? along : across;
            o->y = sideways ? across : along;
        } else {
            int cell = (first + i) % 4;
            o->x = (cell % 2 ? 96 : 32) + uniform(r, -4, 4);
            o->y = (cell / 2 ? 96 : 32) + uniform(r, -4, 4);
        }
    }
}

scene scene_draw(philox *r, int n) {
    scene s = {.level = uniform(r, 120, 136), .slope_x = uniform(r, -8, 8), .slope_y = uniform(r, -8, 8), .n = n};
    for (int i = 0; i < n; i++) {
        s.object[i].shape = (int)philox_below(r, JUDGE_SHAPES);
        s.object[i].colour = (int)philox_below(r, JUDGE_COLOURS);
    }
    place(r, &s);
    return s;
}

static double coverage(const scene_object *o, int px, int py) {
    int hits = 0;
    for (int i = 0; i < SAMPLES * SAMPLES; i++) {
        double x = px + (i % SAMPLES + 0.5) / SAMPLES, y = py + (i / SAMPLES + 0.5) / SAMPLES;
        hits += inside(o->shape, (x - o->x) / o->r, (y - o->y) / o->r);
    }
    return hits / (double)(SAMPLES * SAMPLES);
}

rgb_image scene_render(const scene *s) {
    rgb_image image = {SIZE, SIZE, malloc(3 * SIZE * SIZE)};
    for (int y = 0; image.rgb && y < SIZE; y++)
        for (int x = 0; x < SIZE; x++) {
            double grey = s->level + s->slope_x * (x + 0.5 - 64) / 64 + s->slope_y * (y + 0.5 - 64) / 64;
            double pixel[3] = {grey, grey, grey};
            for (int i = 0; i < s->n; i++) {
                double cover = coverage(&s->object[i], x, y);
                for (int ch = 0; ch < 3; ch++)
                    pixel[ch] += cover * (JUDGE_PALETTE[s->object[i].colour][ch] - pixel[ch]);
            }
            for (int ch = 0; ch < 3; ch++) image.rgb[3 * (y * SIZE + x) + ch] = (unsigned char)floor(pixel[ch] + 0.5);
        }
    return image;
}
