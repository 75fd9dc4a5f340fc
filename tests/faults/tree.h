/* Folders of small files: copied, compared, removed. */
#ifndef TESTS_FAULTS_TREE_H
#define TESTS_FAULTS_TREE_H

#include <stddef.h>

enum { TREE_PATH = 1024 };

void tree_die(const char *what, const char *path); /* a failure of the test's own: says why and exits */
char *tree_read(const char *path, size_t *size);   /* malloc; NULL where there is no such file */
void tree_write(const char *path, const char *text);
void tree_remove(const char *path);
void tree_copy(const char *from, const char *to);
/* 1 where both hold the same names and bytes (or neither is there); else what differs is in `first`. */
int tree_same(const char *a, const char *b, char first[TREE_PATH]);

#endif
