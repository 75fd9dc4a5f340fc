/* One prompt twice from the same noise: as the model draws it, and with the ten largest sinks of every head masked in
 * every block. cc sink.c $(pkg-config --cflags --libs sinkscope) -o sink && ./sink models/shapes-sd3 'a red star' */
#include <sinkscope.h>
#include <stdio.h>

static ss_status draw(ss_model *model, const char *prompt, const ss_intervention *intervention, const char *path,
                      ss_error *err) {
    ss_request request = {.prompt = prompt, .seed = 1, .intervention = intervention};
    ss_image image;
    ss_status status = ss_generate(model, &request, &image, err);
    if (status == SS_OK) status = ss_image_write_png(&image, path, err);
    ss_image_free(&image);
    return status;
}

int main(int argc, char **argv) {
    ss_model *model;
    ss_error err;
    if (argc != 3) return fprintf(stderr, "usage: sink MODEL PROMPT\n"), SS_ERR_USAGE;
    ss_intervention sinks = {.select = "top", .edit = "mask", .k = 10, .block = -1};
    ss_status status = ss_model_open(&model, argv[1], 0, &err);
    if (status == SS_OK) {
        status = draw(model, argv[2], NULL, "baseline.png", &err);
        if (status == SS_OK) status = draw(model, argv[2], &sinks, "masked.png", &err);
        ss_model_close(model);
    }
    if (status != SS_OK) fprintf(stderr, "%s: %s\n", err.where, err.message);
    return (int)status;
}
