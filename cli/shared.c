/* What several commands share: the compute context and the search for data files. */
#include "cli/tables.h"

#include <stdlib.h>
#include <sys/stat.h>
#include "base/file.h"

ss_status cli_compute(const invocation *in, compute **out, ss_error *err) {
    SS_TRY(compute_create(out, "cpu", invocation_threads(in), CLI_SCRATCH_BYTES, err));
    (*out)->stop = invocation_stop(in);
    return SS_OK;
}

ss_status cli_find_data(const char *name, char **out, ss_error *err) {
    struct stat st;
    const char *data = getenv("SINKSCOPE_DATA");
    if (stat(name, &st) == 0 || *name == '/') {
        *out = text_copy(name);
        return *out ? SS_OK : error_no_memory(err, "file name", 0);
    }
    *out = file_join(data ? data : SS_DATA_FOLDER, name);
    if (!*out) return error_no_memory(err, "file name", 0);
    if (stat(*out, &st) == 0) return SS_OK;
    error_set(err, SS_ERR_INPUT, name, "is neither here nor in %s; expected a file or folder",
              data ? data : SS_DATA_FOLDER);
    free(*out);
    *out = NULL;
    return err->code;
}
