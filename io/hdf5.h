/* HDF5 files of float32 arrays with named dimensions: the traces of a study. Written to a temporary name and
 * committed at the end; no time stamps inside, so the same arrays give the same bytes. The C library keeps global
 * state and is not thread-safe: one thread at a time calls anything here. Its own printing of errors is off. */
#ifndef IO_HDF5_H
#define IO_HDF5_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/seed.h"

enum { HDF5_MAX_DIMS = 8 };

/* A float32 array, row-major. dims[i] names dimension i ("step", "block", ...): stored in the attribute
 * DIMENSION_LABELS, which h5py shows as dims[i].label. */
typedef struct hdf5_array {
    const char *name; /* a plain name, without '/' */
    int ndim;         /* 1 .. HDF5_MAX_DIMS */
    int64_t shape[HDF5_MAX_DIMS];
    const char *dims[HDF5_MAX_DIMS];
    const float *data;
} hdf5_array;

typedef struct hdf5_writer hdf5_writer;

/* Start a file, in memory; nothing is at `path` before hdf5_commit. */
ss_status hdf5_create(hdf5_writer **out, const char *path, ss_error *err);

/* Attributes of the root group. */
ss_status hdf5_put_text(hdf5_writer *w, const char *name, const char *value, ss_error *err);
ss_status hdf5_put_int(hdf5_writer *w, const char *name, int64_t value, ss_error *err);
/* A 64-bit integer, signed where it fits, else unsigned. */
ss_status hdf5_put_seed(hdf5_writer *w, const char *name, image_seed value, ss_error *err);
ss_status hdf5_put_double(hdf5_writer *w, const char *name, double value, ss_error *err);

/* Chunked along the first dimension, shuffled and deflated. */
ss_status hdf5_put_array(hdf5_writer *w, const hdf5_array *array, ss_error *err);

/* Write it, whole or not at all; the writer is freed also on failure. */
ss_status hdf5_commit(hdf5_writer *w, ss_error *err);
void hdf5_abandon(hdf5_writer *w); /* NULL is allowed */

/* Read array `name` of a file: *data [product of shape] (malloc; the caller frees). */
ss_status hdf5_read_array(const char *path, const char *name, int *ndim, int64_t shape[HDF5_MAX_DIMS], float **data,
                          ss_error *err);
/* Read a text attribute of the root group (malloc; the caller frees). */
ss_status hdf5_read_text(const char *path, const char *name, char **value, ss_error *err);

#endif
