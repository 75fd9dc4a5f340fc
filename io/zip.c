/* Reading a zip archive: the end record (with its zip64 form), the central directory, and each local header. The
 * central directory is authoritative, and local headers must agree with it: an archive that two readers could interpret
 * differently is refused. Every offset is checked against the size before it is followed. */
#include "io/zip.h"

#include <stdlib.h>
#include <string.h>

#include "io/bytes.h"

enum {
    LOCAL = 0x04034b50, /* "PK\3\4" and its like, as little-endian numbers */
    CENTRAL = 0x02014b50,
    END = 0x06054b50,
    END64 = 0x06064b50,
    LOCATOR64 = 0x07064b50,
    LOCAL_SIZE = 30, /* bytes of each, before names and other extras */
    CENTRAL_SIZE = 46,
    END_SIZE = 22,
    END64_SIZE = 56,
    LOCATOR64_SIZE = 20,
    FLAG_ENCRYPTED = 1 | 1 << 6 | 1 << 13,
    FLAG_DESCRIPTOR = 1 << 3, /* sizes follow the data; the central directory has them in any case */
    EXTRA_ZIP64 = 1
};

/* The archive being read. */
typedef struct reader {
    const file_reader *file;
    size_t size;
    const char *path;
    ss_error *err;
    unsigned char *local; /* scratch for a local header and its name */
} reader;

/* The central directory, as the end record gives it. */
typedef struct directory {
    uint64_t at, size, count, disks;
} directory;

static ss_status record_error(const reader *r, const zip_record *record, const char *what) {
    return error_set(r->err, SS_ERR_INPUT, r->path, "record '%s' of the zip archive %s",
                     bytes_printable(record->name, record->name_length).s, what);
}

static ss_status read_at(const reader *r, size_t at, void *out, size_t n) {
    return file_reader_read(r->file, at, out, n, NULL, r->err);
}

/* The end record comes last, followed only by a comment whose length it states. tail: the last `n` bytes of the
 * file. */
static ss_status find_end(const reader *r, const unsigned char *tail, size_t n, size_t *at) {
    for (size_t comment = 0; comment <= UINT16_MAX && comment + END_SIZE <= n; comment++) {
        *at = n - END_SIZE - comment;
        if (bytes_u32(tail + *at) == END && bytes_u16(tail + *at + 20) == comment) return SS_OK;
    }
    return error_set(r->err, SS_ERR_INPUT, r->path, "is a zip archive without an end record (truncated?)");
}

static ss_status read_end64(const reader *r, const unsigned char *locator, directory *d) {
    uint64_t at = bytes_u64(locator + 8);
    unsigned char end[END64_SIZE] = {0};
    if (r->size >= END64_SIZE && at <= r->size - END64_SIZE) SS_TRY(read_at(r, (size_t)at, end, sizeof end));
    if (bytes_u32(end) != END64)
        return error_set(r->err, SS_ERR_INPUT, r->path, "is a zip archive without the zip64 end record at byte %llu",
                         (unsigned long long)at);
    *d = (directory){.count = bytes_u64(end + 32), .size = bytes_u64(end + 40), .at = bytes_u64(end + 48)};
    d->disks = bytes_u32(end + 16) | bytes_u32(end + 20) | bytes_u32(locator + 4) | (bytes_u64(end + 24) ^ d->count);
    return SS_OK;
}

static ss_status parse_end(const reader *r, const unsigned char *tail, size_t n, directory *d) {
    size_t at = 0;
    SS_TRY(find_end(r, tail, n, &at));
    const unsigned char *end = tail + at;
    const size_t end_at = r->size - n + at;
    *d = (directory){.count = bytes_u16(end + 10), .size = bytes_u32(end + 12), .at = bytes_u32(end + 16)};
    d->disks = bytes_u16(end + 4) | bytes_u16(end + 6) | (bytes_u16(end + 8) ^ d->count);
    if (at >= LOCATOR64_SIZE && bytes_u32(end - LOCATOR64_SIZE) == LOCATOR64)
        SS_TRY(read_end64(r, end - LOCATOR64_SIZE, d));
    if (d->disks) return error_set(r->err, SS_ERR_INPUT, r->path, "is part of a zip archive in several files");
    if (d->at > end_at || d->size > end_at - d->at || d->count > d->size / CENTRAL_SIZE)
        return error_set(r->err, SS_ERR_INPUT, r->path,
                         "is a zip archive whose directory (%llu records in %llu bytes at byte %llu) does not fit the "
                         "file (truncated?)",
                         (unsigned long long)d->count, (unsigned long long)d->size, (unsigned long long)d->at);
    return SS_OK;
}

static ss_status find_directory(const reader *r, directory *d) {
    const size_t most = UINT16_MAX + END_SIZE + LOCATOR64_SIZE, n = r->size < most ? r->size : most;
    unsigned char *tail = malloc(most);
    if (!tail) return error_no_memory(r->err, r->path, most);
    ss_status status = read_at(r, r->size - n, tail, n);
    if (status == SS_OK) status = parse_end(r, tail, n, d);
    free(tail);
    return status;
}

/* Sizes and offset of a large record stand in an extra field, those that do not fit the 32 bits, in this order. */
static ss_status read_zip64(const reader *r, const zip_record *record, const unsigned char *extra, size_t length,
                            uint64_t *values[3]) {
    const unsigned char *field = NULL, *end = extra + length;
    size_t have = 0;
    while (!field && end - extra >= 4) {
        have = bytes_u16(extra + 2);
        if (have > (size_t)(end - extra) - 4) break;
        if (bytes_u16(extra) == EXTRA_ZIP64) field = extra + 4;
        extra += 4 + have;
    }
    for (int i = 0; i < 3; i++) {
        if (*values[i] != UINT32_MAX) continue;
        if (!field || have < 8) return record_error(r, record, "has no zip64 sizes, which it needs");
        *values[i] = bytes_u64(field);
        field += 8, have -= 8;
    }
    return SS_OK;
}

/* The local header agrees with the directory, and the data lies before it. */
static ss_status read_local(const reader *r, const directory *d, zip_record *record, uint64_t at) {
    unsigned char *local = r->local;
    memset(local, 0, LOCAL_SIZE);
    if (d->at >= LOCAL_SIZE && at <= d->at - LOCAL_SIZE) SS_TRY(read_at(r, (size_t)at, local, LOCAL_SIZE));
    if (bytes_u32(local) != LOCAL) return record_error(r, record, "has no local header where the directory says");
    unsigned flags = bytes_u16(local + 6);
    size_t name_length = bytes_u16(local + 26), room = d->at - at - LOCAL_SIZE;
    size_t before = name_length + bytes_u16(local + 28);
    if (flags & FLAG_ENCRYPTED) return record_error(r, record, "is encrypted; torch.save does not encrypt");
    if (bytes_u16(local + 8) != record->method)
        return record_error(r, record, "has another method in its local header");
    if (before > room || record->size > room - before) return record_error(r, record, "runs into the directory");
    SS_TRY(read_at(r, (size_t)at + LOCAL_SIZE, local + LOCAL_SIZE, name_length));
    if (name_length != record->name_length || memcmp(local + LOCAL_SIZE, record->name, name_length) != 0)
        return record_error(r, record, "has another name in its local header");
    if (!(flags & FLAG_DESCRIPTOR) && bytes_u32(local + 18) != UINT32_MAX && bytes_u32(local + 18) != record->size)
        return record_error(r, record, "has another size in its local header");
    record->header_at = at;
    record->at = (size_t)at + LOCAL_SIZE + before;
    return SS_OK;
}

/* One entry of the central directory; `*at` moves past it. */
static ss_status read_central(const reader *r, const directory *d, const unsigned char *bytes, size_t *at,
                              zip_record *record) {
    const unsigned char *entry = bytes + (*at - d->at);
    size_t room = d->at + d->size - *at;
    if (room < CENTRAL_SIZE || bytes_u32(entry) != CENTRAL)
        return error_set(r->err, SS_ERR_INPUT, r->path, "is a zip archive with no directory entry at byte %zu", *at);
    size_t name = bytes_u16(entry + 28), extra = bytes_u16(entry + 30), comment = bytes_u16(entry + 32);
    uint64_t size = bytes_u32(entry + 24), stored = bytes_u32(entry + 20), local_at = bytes_u32(entry + 42);
    if (name + extra + comment > room - CENTRAL_SIZE)
        return error_set(r->err, SS_ERR_INPUT, r->path, "is a zip archive with half a directory entry at byte %zu",
                         *at);
    *record =
        (zip_record){.name = (const char *)entry + CENTRAL_SIZE, .name_length = name, .method = bytes_u16(entry + 10)};
    if (bytes_u16(entry + 8) & FLAG_ENCRYPTED)
        return record_error(r, record, "is encrypted; torch.save does not encrypt");
    SS_TRY(read_zip64(r, record, entry + CENTRAL_SIZE + name, extra, (uint64_t *[]){&size, &stored, &local_at}));
    if (size != stored && record->method == 0)
        return record_error(r, record, "has two sizes, though it is not compressed");
    record->size = stored;
    *at += CENTRAL_SIZE + name + extra + comment;
    return read_local(r, d, record, local_at);
}

static int zip_by_place(const void *a, const void *b) {
    const zip_record *x = a, *y = b;
    return x->header_at < y->header_at ? -1 : x->header_at > y->header_at;
}

static int zip_by_name(const void *a, const void *b) {
    const zip_record *x = a, *y = b;
    size_t shorter = x->name_length < y->name_length ? x->name_length : y->name_length;
    int order = memcmp(x->name, y->name, shorter);
    if (order) return order;
    return x->name_length < y->name_length ? -1 : x->name_length > y->name_length;
}

static ss_status check_records(const reader *r, zip_archive *z) {
    qsort(z->records, z->count, sizeof *z->records, zip_by_place);
    for (size_t i = 1; i < z->count; i++)
        if (z->records[i].header_at < z->records[i - 1].at + z->records[i - 1].size)
            return record_error(r, &z->records[i], "overlaps another");
    qsort(z->records, z->count, sizeof *z->records, zip_by_name);
    for (size_t i = 1; i < z->count; i++)
        if (zip_by_name(&z->records[i - 1], &z->records[i]) == 0)
            return record_error(r, &z->records[i], "is there twice");
    return SS_OK;
}

static ss_status read_directory(const reader *r, zip_archive *z) {
    directory d = {0};
    SS_TRY(find_directory(r, &d));
    size_t at = d.at, room = ((size_t)d.count + 1) * sizeof *z->records; /* never empty: qsort wants a pointer */
    z->records = malloc(room);
    z->directory = malloc((size_t)d.size + 1);
    if (!z->records || !z->directory)
        return error_no_memory(r->err, "the records of a zip archive", room + (size_t)d.size);
    SS_TRY(read_at(r, (size_t)d.at, z->directory, (size_t)d.size));
    for (z->count = 0; z->count < d.count; z->count++)
        SS_TRY(read_central(r, &d, z->directory, &at, &z->records[z->count]));
    if (at != d.at + d.size)
        return error_set(r->err, SS_ERR_INPUT, r->path,
                         "is a zip archive whose directory has %llu bytes more than its %zu records need",
                         (unsigned long long)(d.at + d.size - at), z->count);
    z->first_name = z->count ? z->records[0].name : "";
    z->first_name_length = z->count ? z->records[0].name_length : 0;
    return check_records(r, z);
}

ss_status zip_open(zip_archive *z, const file_reader *file, ss_error *err) {
    reader r = {.file = file, .size = file->size, .path = file->path, .err = err};
    *z = (zip_archive){0};
    r.local = malloc(LOCAL_SIZE + UINT16_MAX);
    ss_status status = r.local ? read_directory(&r, z) : error_no_memory(err, file->path, LOCAL_SIZE + UINT16_MAX);
    free(r.local);
    if (status != SS_OK) zip_close(z);
    return status;
}

void zip_close(zip_archive *z) {
    free(z->records);
    free(z->directory);
    *z = (zip_archive){0};
}

const zip_record *zip_find(const zip_archive *z, const char *name, size_t name_length) {
    const zip_record key = {.name = name, .name_length = name_length};
    return z->count ? bsearch(&key, z->records, z->count, sizeof key, zip_by_name) : NULL;
}

ss_status zip_check_stored(const zip_record *record, const char *path, ss_error *err) {
    if (record->method == 0) return SS_OK;
    return error_set(
        err, SS_ERR_INPUT, path,
        "record '%s' of the zip archive is compressed (%s, method %u); torch.save stores: load the file in "
        "PyTorch and save it again",
        bytes_printable(record->name, record->name_length).s, record->method == 8 ? "deflate" : "not deflate",
        record->method);
}
