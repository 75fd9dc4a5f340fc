/* The judge reads rendered truth, decides by GenEval's rules, and calls damage unreadable. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "score/judge.h"
#include "tests/unit/score/scene.h"

static philox stream(uint64_t name) {
    philox r;
    philox_init(&r, 2026, &name, 1);
    return r;
}

static judge_reading read_image(rgb_image *image) {
    judge_reading reading;
    ss_error err;
    assert_int_equal(judge_read(image, &reading, &err), SS_OK);
    rgb_image_free(image);
    return reading;
}

static int count_object(const judge_reading *r, const scene_object *o) {
    int n = 0;
    for (int i = 0; i < r->n; i++) n += r->object[i].shape == o->shape && r->object[i].colour == o->colour;
    return n;
}

static int reads_right(const scene *s, const judge_reading *r) {
    if (r->unreadable || r->n != s->n) return 0;
    for (int i = 0; i < s->n; i++) {
        int truth = 0;
        for (int j = 0; j < s->n; j++)
            truth += s->object[j].shape == s->object[i].shape && s->object[j].colour == s->object[i].colour;
        if (count_object(r, &s->object[i]) != truth) return 0;
    }
    return 1;
}

/* Issue: >= 99.5 % right on rendered truth. */
static void test_rendered_truth(void **state) {
    (void)state;
    philox r = stream(1);
    int right = 0;
    for (int i = 0; i < 600; i++) {
        scene s = scene_draw(&r, 1 + i % 4);
        rgb_image image = scene_render(&s);
        judge_reading reading = read_image(&image);
        right += reads_right(&s, &reading);
    }
    assert_true(right >= 597);
}

static scene two(int shape_a, int colour_a, double xa, double ya, int shape_b, int colour_b, double xb, double yb) {
    scene s = {.level = 128, .n = 2};
    s.object[0] = (scene_object){shape_a, colour_a, xa, ya, 24};
    s.object[1] = (scene_object){shape_b, colour_b, xb, yb, 24};
    return s;
}

static char LEFT[] = "left of", RIGHT[] = "right of", ABOVE[] = "above", BELOW[] = "below";
static char STAR[] = "star", HEART[] = "heart", RED[] = "red", BLUE[] = "blue";

static int decide(const scene *s, const geneval_prompt *p, char note[96]) {
    rgb_image image = scene_render(s);
    judge_reading reading = read_image(&image);
    ss_error err;
    int right;
    assert_int_equal(judge_decide(&reading, p, &right, note, 96, &err), SS_OK);
    return right;
}

static void test_relations(void **state) {
    (void)state;
    char *const names[] = {LEFT, RIGHT, ABOVE, BELOW}, note[96];
    const double at[4][2] = {{32, 64}, {96, 64}, {64, 32}, {64, 96}}; /* of the star; the heart lies opposite */
    for (int truth = 0; truth < 4; truth++) {
        scene s = two(3, 0, at[truth][0], at[truth][1], 4, 4, 128 - at[truth][0], 128 - at[truth][1]);
        for (int asked = 0; asked < 4; asked++) {
            geneval_prompt p = {.n_include = 2};
            p.include[0] = (geneval_object){.class_name = HEART, .count = 1, .relation_target = -1};
            p.include[1] =
                (geneval_object){.class_name = STAR, .count = 1, .relation = names[asked], .relation_target = 0};
            assert_int_equal(decide(&s, &p, (char *)note), asked == truth);
        }
    }
}

static void test_count_and_colour(void **state) {
    (void)state;
    char note[96];
    scene s = two(3, 0, 32, 64, 3, 4, 96, 64); /* a red and a blue star */
    geneval_prompt p = {.n_include = 1, .n_exclude = 1};
    p.include[0] = (geneval_object){.class_name = STAR, .count = 2, .relation_target = -1};
    p.exclude[0] = (geneval_object){.class_name = STAR, .count = 3, .relation_target = -1};
    assert_int_equal(decide(&s, &p, note), 1);
    p.include[0].count = 1, p.exclude[0].count = 2;
    assert_int_equal(decide(&s, &p, note), 0);
    assert_string_equal(note, "2 star, too many");
    p.n_exclude = 0, p.include[0].count = 3;
    assert_int_equal(decide(&s, &p, note), 0);
    assert_string_equal(note, "2 of 3 star");
    p.include[0].count = 2, p.include[0].color = RED;
    assert_int_equal(decide(&s, &p, note), 0);
    assert_string_equal(note, "1 of 2 red star");
    s.object[1].colour = 0;
    assert_int_equal(decide(&s, &p, note), 1);
    p.include[0].color = BLUE;
    assert_int_equal(decide(&s, &p, note), 0);
}

/* Damage makes images unreadable, never right. */
static void test_damage(void **state) {
    (void)state;
    philox r = stream(2);
    scene s = {.level = 128, .n = 1};
    s.object[0] = (scene_object){3, 0, 64, 64, 40};
    geneval_prompt p = {.n_include = 1};
    p.include[0] = (geneval_object){.class_name = STAR, .count = 1, .relation_target = -1};
    rgb_image image = scene_render(&s);
    for (int y = 0; y < 128; y++) /* two colours in one blob */
        for (int x = 64; x < 128; x++)
            if (image.rgb[3 * (y * 128 + x)] > 170) memcpy(image.rgb + 3 * (y * 128 + x), "\x14\x3c\xdc", 3);
    judge_reading reading = read_image(&image);
    assert_non_null(reading.unreadable);
    ss_error err;
    char note[96];
    int right = 1;
    assert_int_equal(judge_decide(&reading, &p, &right, note, sizeof note, &err), SS_OK);
    assert_int_equal(right, 0);
    assert_memory_equal(note, "unreadable: ", 12);
    s.n = 0;
    image = scene_render(&s);
    reading = read_image(&image);
    assert_string_equal(reading.unreadable, "no object");
    image = scene_render(&s);
    for (int i = 0; i < 128 * 128; i++)
        if (philox_below(&r, 12) == 0) memset(image.rgb + 3 * i, 250, 3);
    reading = read_image(&image);
    assert_string_equal(reading.unreadable, "specks");
}

static void test_unknown_class(void **state) {
    (void)state;
    char class_name[] = "bench", note[96];
    judge_reading reading = {0};
    geneval_prompt p = {.n_include = 1};
    p.include[0] = (geneval_object){.class_name = class_name, .count = 1, .relation_target = -1};
    ss_error err;
    int right;
    assert_int_equal(judge_decide(&reading, &p, &right, note, sizeof note, &err), SS_ERR_INPUT);
    assert_non_null(strstr(err.message, "'bench'"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rendered_truth),   cmocka_unit_test(test_relations),
        cmocka_unit_test(test_count_and_colour), cmocka_unit_test(test_damage),
        cmocka_unit_test(test_unknown_class),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
