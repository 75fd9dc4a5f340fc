#define _GNU_SOURCE
#include "faults/tree.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void tree_die(const char *what, const char *path) {
    fprintf(stderr, "faults: %s %s: %s\n", what, path, strerror(errno));
    exit(1);
}

char *tree_read(const char *path, size_t *size) {
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    struct stat st;
    if (fstat(fileno(f), &st) != 0) tree_die("cannot read", path);
    char *data = malloc((size_t)st.st_size + 1);
    if (!data) tree_die("no memory for", path);
    size_t n = fread(data, 1, (size_t)st.st_size, f);
    fclose(f);
    data[n] = '\0';
    if (size) *size = n;
    return data;
}

static void write_bytes(const char *path, const char *data, size_t size) {
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, size, f) != size || fclose(f) != 0) tree_die("cannot write", path);
}

void tree_write(const char *path, const char *text) { write_bytes(path, text, strlen(text)); }

static int is_folder(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int names_of(const char *path, struct dirent ***entry) {
    int n = scandir(path, entry, NULL, alphasort);
    if (n < 0) tree_die("cannot list", path);
    int kept = 0;
    for (int i = 0; i < n; i++) {
        const char *name = (*entry)[i]->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) free((*entry)[i]);
        else (*entry)[kept++] = (*entry)[i];
    }
    return kept;
}

static void forget(struct dirent **entry, int n) {
    for (int i = 0; i < n; i++) free(entry[i]);
    free(entry);
}

static void join(char out[TREE_PATH], const char *folder, const char *name) {
    if (snprintf(out, TREE_PATH, "%s/%s", folder, name) >= TREE_PATH) tree_die("too long a name below", folder);
}

void tree_remove(const char *path) {
    struct stat st;
    if (lstat(path, &st) != 0) return;
    if (S_ISDIR(st.st_mode)) {
        struct dirent **entry;
        int n = names_of(path, &entry);
        for (int i = 0; i < n; i++) {
            char below[TREE_PATH];
            join(below, path, entry[i]->d_name);
            tree_remove(below);
        }
        forget(entry, n);
    }
    if (remove(path) != 0) tree_die("cannot remove", path);
}

void tree_copy(const char *from, const char *to) {
    if (!is_folder(from)) {
        size_t size = 0;
        char *data = tree_read(from, &size);
        if (!data) tree_die("cannot read", from);
        write_bytes(to, data, size);
        free(data);
        return;
    }
    if (mkdir(to, 0777) != 0) tree_die("cannot make", to);
    struct dirent **entry;
    int n = names_of(from, &entry);
    for (int i = 0; i < n; i++) {
        char a[TREE_PATH], b[TREE_PATH];
        join(a, from, entry[i]->d_name);
        join(b, to, entry[i]->d_name);
        tree_copy(a, b);
    }
    forget(entry, n);
}

static int same_file(const char *a, const char *b) {
    size_t n = 0, m = 0;
    char *x = tree_read(a, &n), *y = tree_read(b, &m);
    int same = x && y ? n == m && memcmp(x, y, n) == 0 : !x && !y;
    free(x);
    free(y);
    return same;
}

int tree_same(const char *a, const char *b, char first[TREE_PATH]) {
    snprintf(first, TREE_PATH, "%s", a);
    if (is_folder(a) != is_folder(b)) return 0;
    if (!is_folder(a)) return same_file(a, b);
    struct dirent **x, **y;
    int n = names_of(a, &x), m = names_of(b, &y), same = 1;
    for (int i = 0; same && (i < n || i < m); i++) {
        char p[TREE_PATH], q[TREE_PATH];
        if (i >= n || i >= m || strcmp(x[i]->d_name, y[i]->d_name) != 0) {
            join(first, a, i < n ? x[i]->d_name : y[i]->d_name);
            same = 0;
            break;
        }
        join(p, a, x[i]->d_name);
        join(q, b, y[i]->d_name);
        same = tree_same(p, q, first);
    }
    forget(x, n);
    forget(y, m);
    return same;
}
