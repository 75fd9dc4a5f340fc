#define _GNU_SOURCE
#include "faults/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "faults/tree.h"

#define ONE_THREAD "--threads", "1", "--quiet"

const command_row COMMANDS[] = {
    {"list", {"list", ONE_THREAD}, NULL, {0}, {0}},
    {"stats",
     {"stats", "scores.csv", "--contrast", "sink-random", "--contrast", "sink-baseline", "--positive",
      "random-baseline", "--by", "tag", "--margin", "0.01", "--resamples", "200", "--flips", "200", ONE_THREAD},
     NULL,
     {0},
     {0}},
    {"stats-json",
     {"stats", "scores.csv", "--contrast", "sink-random", "--resamples", "200", "--json", ONE_THREAD},
     NULL,
     {0},
     {0}},
    {"export", {"export", "out", ONE_THREAD}, "whole", {0}, {0}},
    {"export-sinks", {"export", "out", "--table", "sinks", ONE_THREAD}, "whole", {0}, {0}},
    {"inspect", {"inspect", "tiny", "--tensors", ONE_THREAD}, NULL, {0}, {0}},
    {"generate",
     {"generate", "tiny", "--prompt", "a red star", "--steps", "1", "--guidance", "1", "-o", "made", ONE_THREAD},
     NULL,
     {"made"},
     {0}},
    {"trace",
     {"trace", "tiny", "--prompt", "a red star", "--steps", "1", "--top", "1", "--map", "word red", "-o", "made",
      ONE_THREAD},
     NULL,
     {"made"},
     {0}},
    {"run",
     {"run", "study.yaml", "-o", "out", ONE_THREAD},
     NULL,
     {"out/images", "out/traces"},
     {"resume", "out", ONE_THREAD}},
    {"resume", {"resume", "out", ONE_THREAD}, "half", {"out/images", "out/traces"}, {"resume", "out", ONE_THREAD}},
    {"report", {"report", "out", "-o", "made", ONE_THREAD}, "whole", {"made"}, {0}},
    {"compare", {"compare", "out", "sink", "baseline", "-o", "made.html", ONE_THREAD}, "whole", {"made.html"}, {0}},
    {"findings", {"findings", "out", "-o", "made.md", ONE_THREAD}, "whole", {"made.md"}, {0}},
    {"verify", {"verify", "out", "--remake", "1", ONE_THREAD}, "whole", {0}, {0}},
    {"score",
     {"score", "out", "--metric", "ssim", ONE_THREAD},
     "whole",
     {"out/images"},
     {"score", "out", "--metric", "ssim"}},
    {"score-folder",
     {"score", "pictures", "--against", "pictures", "--metric", "rmse", "--metric",
      "{image-reward: {weights: reward.safetensors, vocabulary: scorers/../../text/bert/vocab.txt, config: "
      "scorers/image-reward.json}}",
      "-o", "made.csv", ONE_THREAD},
     NULL,
     {"made.csv"},
     {0}},
};
const int COMMAND_COUNT = sizeof COMMANDS / sizeof *COMMANDS;

const char *const STORE_TABLES[] = {"scores", "units", "sites", "trajectories", "sinks", "blocks", NULL};

static const char STUDY[] = "study: tiny\n"
                            "question: Does a fault leave a trace?\n"
                            "model: %s/tiny\n"
                            "prompts: {file: prompts.jsonl}\n"
                            "seeds: [1]\n"
                            "sampler: {steps: 1, guidance: 1}\n"
                            "probes: [mass, census, trajectory]\n"
                            "measure: {sinks: 1, masses: true}\n"
                            "conditions:\n"
                            "  sink: {select: top, k: 1, edit: mask}\n"
                            "metrics: [judge, rmse]\n"
                            "primary: rmse\n"
                            "contrasts:\n"
                            "  - {what: sink - baseline, margin: calibrated}\n";
static const char PROMPTS[] =
    "{\"tag\": \"colors\", \"include\": [{\"class\": \"star\", \"count\": 1, \"color\": \"red\"}], "
    "\"prompt\": \"a red star\"}\n";
static const char *const LINKS[] = {"tiny",     "study.yaml",         "prompts.jsonl", "scores.csv",
                                    "pictures", "reward.safetensors", "scorers"};

static void join(char out[TREE_PATH], const char *folder, const char *name) {
    if (snprintf(out, TREE_PATH, "%s/%s", folder, name) >= TREE_PATH) tree_die("too long a name below", folder);
}

static void write_scores(const char *path) {
    static const char *const CONDITIONS[] = {"baseline", "sink", "random"};
    FILE *f = fopen(path, "w");
    if (!f) tree_die("cannot write", path);
    fputs("prompt,seed,condition,metric,tag,value\n", f);
    for (int i = 0; i < 8; i++)
        for (int c = 0; c < 3; c++)
            fprintf(f, "%d,1,%s,rmse,%s,0.%d%d\n", i, CONDITIONS[c], i < 4 ? "few" : "many", (i * 7 + c * 3) % 10, i);
    fclose(f);
}

static void must(process *p, const char *folder, const char *const *args) {
    int rc = process_run(p, folder, args, 0);
    if (rc == 0) return;
    char path[TREE_PATH];
    snprintf(path, sizeof path, "%s.err", folder);
    fprintf(stderr, "faults: exit %d of sinkscope %s ...\n%s", rc, args[0], tree_read(path, NULL));
    exit(1);
}

void commands_inputs(process *p, const char *folder, const char *make_tiny_model, const char *tests_data) {
    char path[TREE_PATH], command[4 * TREE_PATH];
    if (mkdir(folder, 0777) != 0) tree_die("cannot make", folder);
    snprintf(command, sizeof command, "'%s' '%s' '%s/tiny'", make_tiny_model, tests_data, folder);
    if (system(command) != 0) tree_die("cannot make the model by", command);
    char study[sizeof STUDY + TREE_PATH];
    snprintf(study, sizeof study, STUDY, folder); /* the whole path, for plans print it */
    join(path, folder, "study.yaml"), tree_write(path, study);
    join(path, folder, "prompts.jsonl"), tree_write(path, PROMPTS);
    join(path, folder, "scores.csv"), write_scores(path);
    must(p, folder, (const char *const[]){"run", "study.yaml", "-o", "whole", ONE_THREAD, NULL});
    must(p, folder, (const char *const[]){"run", "study.yaml", "-o", "half", "--limit", "1", ONE_THREAD, NULL});
    char from[TREE_PATH];
    join(from, tests_data, "score/scorers"), join(path, folder, "scorers");
    if (symlink(from, path) != 0) tree_die("cannot make", path);
    must(p, folder,
         (const char *const[]){"inspect", "scorers/image-reward.json", "--random", "reward.safetensors", NULL});
    join(from, folder, "whole/images/sink"), join(path, folder, "pictures");
    tree_copy(from, path);
}

void commands_place(const command_row *row, const char *inputs, const char *folder) {
    char from[TREE_PATH], to[TREE_PATH];
    tree_remove(folder);
    if (mkdir(folder, 0777) != 0) tree_die("cannot make", folder);
    for (size_t i = 0; i < sizeof LINKS / sizeof *LINKS; i++) {
        join(from, inputs, LINKS[i]);
        join(to, folder, LINKS[i]);
        if (symlink(from, to) != 0) tree_die("cannot make", to);
    }
    if (!row->store) return;
    join(from, inputs, row->store);
    join(to, folder, "out");
    tree_copy(from, to);
}
