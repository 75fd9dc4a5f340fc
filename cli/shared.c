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

const char *cli_data_folder(void) {
    const char *data = getenv("SINKSCOPE_DATA");
    return data && *data ? data : SS_DATA_FOLDER;
}

ss_status cli_find_data(const char *name, char **out, ss_error *err) {
    struct stat st;
    *out = stat(name, &st) == 0 || *name == '/' ? text_copy(name) : file_join(cli_data_folder(), name);
    if (!*out) return error_no_memory(err, "file name", 0);
    if (*name == '/' || stat(*out, &st) == 0) return SS_OK;
    error_set(err, SS_ERR_INPUT, name, "is neither here nor in %s; expected a file or folder", cli_data_folder());
    free(*out);
    *out = NULL;
    return err->code;
}
