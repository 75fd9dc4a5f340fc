/* The world of shapes in C, for tests: the same scenes, colours and shapes as training/world.py, rendered with the same
 * 4 x 4 samples a pixel. */
#ifndef TESTS_SCENE_H
#define TESTS_SCENE_H

#include "base/philox.h"
#include "io/rgb_image.h"

typedef struct scene_object {
    int shape, colour; /* indices as in score/judge_templates.h */
    double x, y, r;    /* centre and radius, pixels */
} scene_object;

typedef struct scene {
    double level, slope_x, slope_y; /* background grey */
    int n;
    scene_object object[4];
} scene;

/* A random scene of n objects in random shapes and colours: one large, two side by side or one above the other, three
 * or four in the cells of a grid. */
scene scene_draw(philox *r, int n);

/* 128 x 128 pixels; the caller frees. */
rgb_image scene_render(const scene *s);

#endif
