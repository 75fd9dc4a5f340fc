/* The calls that the injector makes fail, and what is left out of the sweep. Both sides compile this file. */
#include <errno.h>
#include <sys/syscall.h>
#include "faults/inject.h"

/* System calls, not functions of the C library: what stdio, SQLite and HDF5 do inside is seen too. Writes to standard
 * error are never made to fail: nobody could read the message. */
const faults_call FAULTS_CALLS[] = {
    {"malloc", FAULTS_MEMORY, -1, {ENOMEM}},
    {"calloc", FAULTS_MEMORY, -1, {ENOMEM}},
    {"realloc", FAULTS_MEMORY, -1, {ENOMEM}},
    {"aligned_alloc", FAULTS_MEMORY, -1, {ENOMEM}},
    {"mmap", FAULTS_MEMORY, -1, {ENOMEM}},
    {"open", FAULTS_FILES, SYS_open, {EACCES, EMFILE, EIO, ENOSPC}},
    {"openat", FAULTS_FILES, SYS_openat, {EACCES, EMFILE, EIO, ENOSPC}},
    {"read", FAULTS_FILES, SYS_read, {EIO, EINTR, FAULTS_SHORT}},
    {"pread", FAULTS_FILES, SYS_pread64, {EIO, EINTR, FAULTS_SHORT}},
    {"readv", FAULTS_FILES, SYS_readv, {EIO, EINTR}},
    {"write", FAULTS_FILES, SYS_write, {EIO, ENOSPC, EINTR, FAULTS_SHORT}},
    {"pwrite", FAULTS_FILES, SYS_pwrite64, {EIO, ENOSPC, EINTR, FAULTS_SHORT}},
    {"writev", FAULTS_FILES, SYS_writev, {EIO, ENOSPC, EINTR}},
    {"fsync", FAULTS_FILES, SYS_fsync, {EIO, ENOSPC}},
    {"fdatasync", FAULTS_FILES, SYS_fdatasync, {EIO, ENOSPC}},
    {"ftruncate", FAULTS_FILES, SYS_ftruncate, {EIO, ENOSPC, EINTR}},
    {"fallocate", FAULTS_FILES, SYS_fallocate, {EIO, ENOSPC, EINTR}},
    {"copy_file_range", FAULTS_FILES, SYS_copy_file_range, {EIO, ENOSPC}},
    {"rename", FAULTS_FILES, SYS_rename, {EIO, ENOSPC, EACCES}},
    {"renameat", FAULTS_FILES, SYS_renameat, {EIO, ENOSPC, EACCES}},
    {"renameat2", FAULTS_FILES, SYS_renameat2, {EIO, ENOSPC, EACCES}},
    {"link", FAULTS_FILES, SYS_link, {EIO, ENOSPC, EACCES}},
    {"linkat", FAULTS_FILES, SYS_linkat, {EIO, ENOSPC, EACCES}},
    {"mkdir", FAULTS_FILES, SYS_mkdir, {EIO, ENOSPC, EACCES}},
    {"mkdirat", FAULTS_FILES, SYS_mkdirat, {EIO, ENOSPC, EACCES}},
    {"unlink", FAULTS_FILES, SYS_unlink, {EIO, EACCES}},
    {"unlinkat", FAULTS_FILES, SYS_unlinkat, {EIO, EACCES}},
    {"close", FAULTS_FILES, SYS_close, {EIO}},
    {"getdents", FAULTS_FILES, SYS_getdents64, {EIO}},
};
const int FAULTS_CALL_COUNT = sizeof FAULTS_CALLS / sizeof *FAULTS_CALLS;

/* A frame of that object (and of that exported function, where one is named) anywhere in the call stack leaves the
 * call out. */
const faults_left_out FAULTS_LEFT_OUT[] = {
    {"libgfortran.so", 0, "ends the process itself when it has no memory"},
    {"libhdf5_serial.so", 0,
     "1.10.8 crashes where memory runs out as it opens, and frees twice in H5Dcreate and H5Fcreate"},
};
const int FAULTS_LEFT_OUT_COUNT = sizeof FAULTS_LEFT_OUT / sizeof *FAULTS_LEFT_OUT;
