/* manifest.json of a finished store, read by all that reads it: opening, the check of the files it names, the report's
 * provenance. The word FOLDER stands for the folder of the store's study, which has another name in every process. */
#include <string.h>

#include "report/facts.h"
#include "store/internal.h"
#include "tests/fuzz/finished.h"
#include "tests/fuzz/fuzz.h"

static void add_input(const uint8_t *data, size_t size, const char *folder, text *out) {
    static const char WORD[] = "FOLDER";
    const size_t n = sizeof WORD - 1;
    for (size_t i = 0; i < size;)
        if (size - i >= n && memcmp(data + i, WORD, n) == 0) {
            text_add(out, folder);
            i += n;
        } else text_add_n(out, (const char *)data + i++, 1);
}

static void read_all(store *s) {
    ss_error err = {0};
    int64_t files, differing;
    text problems = {0};
    if (store_check_files(s, &files, &differing, &problems, &err) == SS_OK)
        FUZZ_CHECK(files >= 1 && differing >= 0 && differing <= files && (differing == 0) == (problems.len == 0));
    else FUZZ_CHECK(err.message[0]);
    text_free(&problems);
    report_facts f = {.study = store_study(s), .store_folder = store_folder(s)};
    err = (ss_error){0};
    if (facts_gather_provenance(&f, s, &err) == SS_OK) FUZZ_CHECK(f.n_entries >= 3);
    else FUZZ_CHECK(err.message[0]);
    facts_free(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const finished *f = finished_store();
    ss_error err = {0};
    store *s;
    text manifest = {0};
    add_input(data, size, f->folder, &manifest);
    FUZZ_CHECK(!manifest.failed);
    fuzz_write(f->manifest, manifest.s, manifest.len);
    text_free(&manifest);
    if (store_open(&s, f->store, STORE_READ, NULL, &err) != SS_OK) {
        FUZZ_CHECK(s == NULL && err.message[0] && (err.code == SS_ERR_STORE || err.code == SS_ERR_INPUT));
        return 0;
    }
    read_all(s);
    store_close(s);
    return 0;
}
