/* HDF5 through the C library. A file is made in memory and written by file_write: where the disk is full, HDF5 1.10
 * cannot close a file of its own and fails at exit. The library's state is global, and so is its automatic printing of
 * errors: it is turned off around every operation and its first message becomes ours. A file gets its name only when it
 * is complete. */
#include "io/hdf5.h"

#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"

enum { CHUNK_BYTES = 1 << 20, DEFLATE_LEVEL = 4 };

static const char LABELS[] = "DIMENSION_LABELS"; /* the name that the dimension scales specification gives it */

struct hdf5_writer {
    char *path;
    hid_t file; /* in memory */
};

/* What the innermost failing function said; of a failed system call, the system's words alone ('No space left on
 * device') without the time, addresses and sizes around them. */
static herr_t keep_message(unsigned n, const H5E_error2_t *e, void *out) {
    static const char SYSTEM[] = "error message = '";
    char *message = out;
    if (n > 0 || !e->desc) return 0;
    const char *words = strstr(e->desc, SYSTEM);
    if (words) words += sizeof SYSTEM - 1;
    snprintf(message, 128, "%.*s", words ? (int)strcspn(words, "'") : 127, words ? words : e->desc);
    return 0;
}

static ss_status hdf5_fail(ss_error *err, ss_status code, const char *where, const char *what) {
    char message[128] = "no reason given; memory may have run out";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_message, message);
    return error_set(err, code, where, "%s: HDF5: %s", what, message);
}

static void be_quiet(void) { H5Eset_auto2(H5E_DEFAULT, NULL, NULL); }

/* A file in memory, whose bytes do not depend on the clock; in the oldest format that suffices, which every reader
 * supports: the image of a file with a newer superblock carries the checksum of another state. */
static hid_t create_file(const char *path, ss_error *err) {
    enum { GROWTH = 1 << 20 };
    hid_t creation = H5Pcreate(H5P_FILE_CREATE), access = H5Pcreate(H5P_FILE_ACCESS), file = H5I_INVALID_HID;
    if (creation >= 0 && access >= 0 && H5Pset_obj_track_times(creation, 0) >= 0 &&
        H5Pset_libver_bounds(access, H5F_LIBVER_EARLIEST, H5F_LIBVER_V18) >= 0 &&
        H5Pset_fapl_core(access, GROWTH, 0) >= 0)
        file = H5Fcreate(path, H5F_ACC_TRUNC, creation, access); /* nothing is opened under that name */
    if (file < 0)
        hdf5_fail(err, SS_ERR_RESOURCE, path, "cannot create"); /* now: the next call forgets what went wrong */
    if (creation >= 0) H5Pclose(creation);
    if (access >= 0) H5Pclose(access);
    return file;
}

static void free_writer(hdf5_writer *w) {
    free(w->path);
    free(w);
}

ss_status hdf5_create(hdf5_writer **out, const char *path, ss_error *err) {
    *out = NULL;
    hdf5_writer *w = calloc(1, sizeof *w);
    if (!w) return error_no_memory(err, path, sizeof *w);
    w->path = text_copy(path);
    if (!w->path) {
        free_writer(w);
        return error_no_memory(err, path, strlen(path));
    }
    be_quiet();
    w->file = create_file(path, err);
    if (w->file < 0) {
        free_writer(w);
        return err->code;
    }
    *out = w;
    return SS_OK;
}

/* Write one attribute and close the handles, some of which may be invalid. */
static int put_attribute(hid_t owner, const char *name, hid_t type, hid_t space, const void *value) {
    hid_t attribute = type >= 0 && space >= 0 ? H5Acreate2(owner, name, type, space, H5P_DEFAULT, H5P_DEFAULT) : -1;
    int good = attribute >= 0 && H5Awrite(attribute, type, value) >= 0;
    if (attribute >= 0) H5Aclose(attribute);
    if (space >= 0) H5Sclose(space);
    return good;
}

/* Fixed-length UTF-8, padded with NUL. */
static hid_t text_type(size_t size) {
    hid_t type = H5Tcopy(H5T_C_S1);
    if (type >= 0 && H5Tset_size(type, size ? size : 1) >= 0 && H5Tset_cset(type, H5T_CSET_UTF8) >= 0 &&
        H5Tset_strpad(type, H5T_STR_NULLPAD) >= 0)
        return type;
    if (type >= 0) H5Tclose(type);
    return H5I_INVALID_HID;
}

ss_status hdf5_put_text(hdf5_writer *w, const char *name, const char *value, ss_error *err) {
    be_quiet();
    hid_t type = text_type(strlen(value));
    int good = put_attribute(w->file, name, type, H5Screate(H5S_SCALAR), value);
    if (type >= 0) H5Tclose(type);
    return good ? SS_OK : hdf5_fail(err, SS_ERR_RESOURCE, w->path, "cannot write an attribute");
}

ss_status hdf5_put_int(hdf5_writer *w, const char *name, int64_t value, ss_error *err) {
    be_quiet();
    int good = put_attribute(w->file, name, H5T_NATIVE_INT64, H5Screate(H5S_SCALAR), &value);
    return good ? SS_OK : hdf5_fail(err, SS_ERR_RESOURCE, w->path, "cannot write an attribute");
}

ss_status hdf5_put_seed(hdf5_writer *w, const char *name, image_seed value, ss_error *err) {
    if (seed_is_int64(value)) return hdf5_put_int(w, name, seed_key(value), err);
    be_quiet();
    int good = put_attribute(w->file, name, H5T_NATIVE_UINT64, H5Screate(H5S_SCALAR), &value.bits);
    return good ? SS_OK : hdf5_fail(err, SS_ERR_RESOURCE, w->path, "cannot write an attribute");
}

ss_status hdf5_put_double(hdf5_writer *w, const char *name, double value, ss_error *err) {
    be_quiet();
    int good = put_attribute(w->file, name, H5T_NATIVE_DOUBLE, H5Screate(H5S_SCALAR), &value);
    return good ? SS_OK : hdf5_fail(err, SS_ERR_RESOURCE, w->path, "cannot write an attribute");
}

/* The names of the dimensions as an array of variable-length strings, as H5DSset_label writes them. */
static int put_labels(hid_t set, const hdf5_array *a) {
    const hsize_t n = (hsize_t)a->ndim;
    hid_t type = H5Tcopy(H5T_C_S1);
    int good = type >= 0 && H5Tset_size(type, H5T_VARIABLE) >= 0 &&
               put_attribute(set, LABELS, type, H5Screate_simple(1, &n, NULL), a->dims);
    if (type >= 0) H5Tclose(type);
    return good;
}

/* Chunks hold whole trailing dimensions, as many of the first as fit CHUNK_BYTES (at least one). */
static hid_t creation_properties(const hdf5_array *a, const hsize_t *shape) {
    hsize_t chunk[HDF5_MAX_DIMS], slice = sizeof(float);
    hid_t p = H5Pcreate(H5P_DATASET_CREATE);
    if (p < 0) return p;
    for (int i = 1; i < a->ndim; i++) {
        chunk[i] = shape[i];
        slice *= shape[i];
    }
    hsize_t rows = CHUNK_BYTES / slice;
    chunk[0] = rows < 1 ? 1 : rows < shape[0] ? rows : shape[0];
    if (H5Pset_chunk(p, a->ndim, chunk) >= 0 && H5Pset_shuffle(p) >= 0 && H5Pset_deflate(p, DEFLATE_LEVEL) >= 0 &&
        H5Pset_obj_track_times(p, 0) >= 0)
        return p;
    H5Pclose(p);
    return H5I_INVALID_HID;
}

ss_status hdf5_put_array(hdf5_writer *w, const hdf5_array *a, ss_error *err) {
    hsize_t shape[HDF5_MAX_DIMS] = {0};
    for (int i = 0; i < a->ndim; i++) {
        if (a->shape[i] < 1)
            return error_set(err, SS_ERR_INTERNAL, w->path, "array '%s' is empty in dimension %d", a->name, i);
        shape[i] = (hsize_t)a->shape[i];
    }
    be_quiet();
    hid_t space = H5Screate_simple(a->ndim, shape, NULL), properties = creation_properties(a, shape), set = -1;
    if (space >= 0 && properties >= 0)
        set = H5Dcreate2(w->file, a->name, H5T_IEEE_F32LE, space, H5P_DEFAULT, properties, H5P_DEFAULT);
    int good =
        set >= 0 && H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, a->data) >= 0 && put_labels(set, a);
    ss_status status = good ? SS_OK : hdf5_fail(err, SS_ERR_RESOURCE, w->path, "cannot write an array");
    if (set >= 0) H5Dclose(set);
    if (properties >= 0) H5Pclose(properties);
    if (space >= 0) H5Sclose(space);
    return status;
}

/* The file's bytes (malloc). */
static ss_status take_image(const hdf5_writer *w, void **bytes, size_t *size, ss_error *err) {
    ssize_t n = H5Fflush(w->file, H5F_SCOPE_GLOBAL) >= 0 ? H5Fget_file_image(w->file, NULL, 0) : -1;
    if (n <= 0) return hdf5_fail(err, SS_ERR_RESOURCE, w->path, "cannot write");
    *bytes = malloc((size_t)n);
    if (!*bytes) return error_no_memory(err, w->path, (size_t)n);
    *size = (size_t)n;
    return H5Fget_file_image(w->file, *bytes, *size) == n ? SS_OK
                                                          : hdf5_fail(err, SS_ERR_RESOURCE, w->path, "cannot write");
}

ss_status hdf5_commit(hdf5_writer *w, ss_error *err) {
    void *bytes = NULL;
    size_t size = 0;
    be_quiet();
    ss_status status = take_image(w, &bytes, &size, err);
    if (status == SS_OK) status = file_write(w->path, bytes, size, err);
    free(bytes);
    hdf5_abandon(w);
    return status;
}

void hdf5_abandon(hdf5_writer *w) {
    if (!w) return;
    H5Fclose(w->file);
    free_writer(w);
}

static ss_status hdf5_open_file(const char *path, hid_t *file, ss_error *err) {
    be_quiet();
    if (!file_exists(path)) return error_set(err, SS_ERR_INPUT, path, "no such file");
    *file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    return *file >= 0 ? SS_OK : hdf5_fail(err, SS_ERR_INPUT, path, "cannot open");
}

/* Shape and number of elements, checked against our limits. */
static ss_status hdf5_read_shape(hid_t set, const char *path, const char *name, int *ndim, int64_t *shape,
                                 size_t *count, ss_error *err) {
    hsize_t dims[H5S_MAX_RANK];
    hid_t space = H5Dget_space(set);
    int n = space >= 0 ? H5Sget_simple_extent_ndims(space) : -1;
    if (n >= 1 && n <= HDF5_MAX_DIMS) H5Sget_simple_extent_dims(space, dims, NULL);
    if (space >= 0) H5Sclose(space);
    if (n < 1 || n > HDF5_MAX_DIMS)
        return error_set(err, SS_ERR_INPUT, path, "array '%s' has %d dimensions; expected 1 .. %d", name, n,
                         HDF5_MAX_DIMS);
    *ndim = n;
    *count = 1;
    for (int i = 0; i < n; i++) {
        shape[i] = (int64_t)dims[i];
        if (__builtin_mul_overflow(*count, (size_t)dims[i], count) || *count > SIZE_MAX / sizeof(float))
            return error_set(err, SS_ERR_INPUT, path, "array '%s' is too large", name);
    }
    return SS_OK;
}

static ss_status read_set(hid_t set, const char *path, const char *name, int *ndim, int64_t *shape, float **data,
                          ss_error *err) {
    size_t count;
    SS_TRY(hdf5_read_shape(set, path, name, ndim, shape, &count, err));
    *data = malloc(count ? count * sizeof **data : 1);
    if (!*data) return error_no_memory(err, path, count * sizeof **data);
    if (H5Dread(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, *data) >= 0) return SS_OK;
    free(*data);
    *data = NULL;
    return hdf5_fail(err, SS_ERR_INPUT, path, "cannot read an array");
}

ss_status hdf5_read_array(const char *path, const char *name, int *ndim, int64_t shape[HDF5_MAX_DIMS], float **data,
                          ss_error *err) {
    hid_t file = H5I_INVALID_HID;
    *data = NULL;
    SS_TRY(hdf5_open_file(path, &file, err));
    hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
    ss_status status = set >= 0 ? read_set(set, path, name, ndim, shape, data, err)
                                : error_set(err, SS_ERR_INPUT, path, "has no array '%s'", name);
    if (set >= 0) H5Dclose(set);
    H5Fclose(file);
    return status;
}

static ss_status read_text_attribute(hid_t attribute, const char *path, const char *name, char **value, ss_error *err) {
    hid_t type = H5Aget_type(attribute);
    int fixed = type >= 0 && H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0;
    size_t size = fixed ? H5Tget_size(type) : 0;
    ss_status status = SS_OK;
    if (!fixed) status = error_set(err, SS_ERR_INPUT, path, "attribute '%s' is not a fixed-length text", name);
    else if (!(*value = calloc(size + 1, 1))) status = error_no_memory(err, path, size);
    else if (H5Aread(attribute, type, *value) < 0)
        status = hdf5_fail(err, SS_ERR_INPUT, path, "cannot read an attribute");
    if (type >= 0) H5Tclose(type);
    return status;
}

ss_status hdf5_read_text(const char *path, const char *name, char **value, ss_error *err) {
    hid_t file = H5I_INVALID_HID;
    *value = NULL;
    SS_TRY(hdf5_open_file(path, &file, err));
    hid_t attribute = H5Aopen(file, name, H5P_DEFAULT);
    ss_status status = attribute >= 0 ? read_text_attribute(attribute, path, name, value, err)
                                      : error_set(err, SS_ERR_INPUT, path, "has no attribute '%s'", name);
    if (attribute >= 0) H5Aclose(attribute);
    H5Fclose(file);
    if (status != SS_OK) {
        free(*value);
        *value = NULL;
    }
    return status;
}
