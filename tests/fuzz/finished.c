/* See finished.h. The study is small, for every run of a target reads all of it; the database has pages of 512 bytes,
 * so that damage anywhere hits something. Its hash stands in corpus/manifest: who changes the study changes those. */
#include "tests/fuzz/finished.h"

#include <sqlite3.h>
#include <stdlib.h>

#include "base/file.h"
#include "tests/fuzz/fuzz.h"
#include "tests/laboratory/world.h"

static const char STUDY[] = "study: finished\n"
                            "question: Does it matter?\n"
                            "model: model\n"
                            "prompts: {file: prompts.jsonl, sample: 2, stratify: tag}\n"
                            "seeds: [1]\n"
                            "sampler: {steps: 1}\n"
                            "probes: [mass, entropy, census]\n"
                            "measure: {sinks: 2}\n"
                            "conditions:\n"
                            "  sink:  {select: top, k: [1, 3], edit: mask}\n"
                            "  other: {prompt: swap-attribute}\n"
                            "metrics: [glow, right, pixel-rmse]\n"
                            "primary: glow\n"
                            "contrasts:\n"
                            "  - {what: sink - baseline, margin: calibrated}\n"
                            "sham: 1\n";

static world made;
static finished f;

static void clean(void) {
    free((void *)(uintptr_t)f.store);
    free((void *)(uintptr_t)f.manifest);
    free((void *)(uintptr_t)f.database);
    world_close(&made);
}

static void make_pages_small(void) {
    sqlite3 *db;
    FUZZ_CHECK(sqlite3_open(f.database, &db) == SQLITE_OK);
    FUZZ_CHECK(sqlite3_exec(db, "PRAGMA page_size = 512; VACUUM", NULL, NULL, NULL) == SQLITE_OK);
    sqlite3_close(db);
}

const finished *finished_store(void) {
    ss_error err;
    if (f.folder) return &f;
    world_open(&made, STUDY, 4, 0);
    f.folder = made.folder;
    f.plan = made.p;
    f.store = file_join(f.folder, "store");
    FUZZ_CHECK(f.store && world_run(&made, "store", &(run_options){.batch = 1}, &err) == SS_OK);
    f.manifest = file_join(f.store, "manifest.json");
    f.database = file_join(f.store, "results.sqlite");
    FUZZ_CHECK(f.manifest && f.database);
    make_pages_small();
    atexit(clean);
    return &f;
}
