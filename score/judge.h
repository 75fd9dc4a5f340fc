/* The judge: reads images of the world of shapes exactly, and decides prompts by GenEval's rules (evaluate_images.py,
 * Ghosh et al. 2023). Everything is integer arithmetic; training/judge.py is its twin and says how it works. */
#ifndef SCORE_JUDGE_H
#define SCORE_JUDGE_H

#include "io/rgb_image.h"
#include "score/geneval.h"
#include "score/judge_templates.h"

enum { JUDGE_MAX_OBJECTS = 64 };

typedef struct judge_object {
    int shape, colour;  /* indices of JUDGE_SHAPE_NAME, JUDGE_COLOUR_NAME */
    int confidence;     /* thousandths of intersection over union with the template */
    int x0, y0, x1, y1; /* box in pixels, right and bottom exclusive */
    int area;           /* pixels */
} judge_object;

typedef struct judge_reading {
    int n;
    judge_object object[JUDGE_MAX_OBJECTS]; /* by falling confidence, then top, then left */
    const char *unreadable;                 /* why; NULL = readable. Static storage */
} judge_reading;

/* What the image shows. Fails only without memory. */
ss_status judge_read(const rgb_image *image, judge_reading *out, ss_error *err);

/* 1 when the reading satisfies the prompt; else 0 and why not in `note` (an unreadable image is wrong). A class or
 * colour that the world does not have is an input error. */
ss_status judge_decide(const judge_reading *r, const geneval_prompt *p, int *right, char *note, size_t note_size,
                       ss_error *err);

#endif
