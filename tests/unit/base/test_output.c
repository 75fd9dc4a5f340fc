/* Where results go: what is replaced, what is written into, what is refused. */
#define _XOPEN_SOURCE 700
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/output.h"
#include "tests/support/folder.h"

static void holds(const char *name, const char *expected) {
    char *content;
    size_t size;
    ss_error err;
    assert_int_equal(file_read(folder_at(name), 100, &content, &size, &err), SS_OK);
    assert_string_equal(content, expected);
    free(content);
}

static ss_status put(const char *name, const char *content, ss_error *err) {
    char path[256];
    snprintf(path, sizeof path, "%s", folder_at(name));
    return file_write(path, content, strlen(content), err);
}

static mode_t mode_of(const char *name) {
    struct stat st;
    assert_int_equal(lstat(folder_at(name), &st), 0);
    return st.st_mode;
}

static void test_files(void **state) {
    (void)state;
    ss_error err;
    assert_int_equal(put("x", "one", &err), SS_OK);
    holds("x", "one");
    assert_int_equal(chmod(folder_at("x"), 0640), 0);
    mode_t before = umask(077);
    assert_int_equal(put("x", "two", &err), SS_OK);
    umask(before);
    holds("x", "two");
    assert_int_equal(mode_of("x") & 0777, 0640); /* the permissions that it had */
    assert_int_equal(chmod(folder_at("x"), 0600), 0);
    assert_int_equal(put("x", "three", &err), SS_OK);
    assert_int_equal(mode_of("x") & 0777, 0600); /* a secret stays one */
}

static void test_links(void **state) {
    (void)state;
    ss_error err;
    assert_int_equal(mkdir(folder_at("sub"), 0777), 0);
    assert_int_equal(put("sub/real", "old", &err), SS_OK);
    assert_int_equal(symlink("sub/real", folder_at("link")), 0);
    assert_int_equal(symlink("link", folder_at("second")), 0);
    assert_int_equal(put("second", "new", &err), SS_OK);
    holds("sub/real", "new");
    assert_true(S_ISLNK(mode_of("link")) && S_ISLNK(mode_of("second")) && S_ISREG(mode_of("sub/real")));
    assert_int_equal(symlink("sub/later", folder_at("dangling")), 0);
    assert_int_equal(put("dangling", "made", &err), SS_OK);
    holds("sub/later", "made");
    assert_true(S_ISLNK(mode_of("dangling")));
    assert_int_equal(symlink("circle", folder_at("circle")), 0);
    assert_true(put("circle", "x", &err) != SS_OK);
    assert_true(S_ISLNK(mode_of("circle")));
}

static void test_fifo(void **state) {
    (void)state;
    ss_error err;
    char got[16] = "";
    assert_int_equal(mkfifo(folder_at("pipe"), 0666), 0);
    pid_t child = fork();
    if (child == 0) _exit(put("pipe", "through", &err) != SS_OK);
    int fd = open(folder_at("pipe"), O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, got, sizeof got - 1), 7);
    assert_string_equal(got, "through");
    close(fd);
    int ended;
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_int_equal(ended, 0);
    assert_true(S_ISFIFO(mode_of("pipe"))); /* it is still a FIFO */
    assert_int_equal(file_write("/dev/null", "gone", 4, &err), SS_OK);
    assert_int_equal(file_write("/dev/full", "full", 4, &err), SS_ERR_RESOURCE);
    struct stat st;
    assert_int_equal(stat("/dev/null", &st), 0);
    assert_true(S_ISCHR(st.st_mode));
}

/* Each of the names of standard output, where it is a file and where it is a pipe. */
static void test_standard_output(void **state) {
    (void)state;
    static const char *const NAMES[] = {"-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"};
    for (int i = 0; i < 8; i++) {
        ss_error err;
        int ends[2] = {-1, -1};
        char got[32] = "";
        int file = open(folder_at("out"), O_RDWR | O_CREAT | O_TRUNC, 0666);
        assert_true(file >= 0);
        assert_int_equal(pipe(ends), 0);
        fflush(stdout);
        int kept = dup(STDOUT_FILENO);
        dup2(i < 4 ? file : ends[1], STDOUT_FILENO);
        assert_int_equal(write(STDOUT_FILENO, "before ", 7), 7);
        ss_status status = file_write(NAMES[i % 4], "after", 5, &err);
        dup2(kept, STDOUT_FILENO);
        close(kept);
        close(ends[1]);
        assert_int_equal(status, SS_OK);
        if (i < 4) assert_int_equal(pread(file, got, sizeof got - 1, 0), 12);
        else assert_int_equal(read(ends[0], got, sizeof got - 1), 12);
        assert_string_equal(got, "before after");
        close(ends[0]);
        close(file);
    }
}

static void test_refused(void **state) {
    (void)state;
    ss_error err;
    assert_int_equal(file_write("", "x", 1, &err), SS_ERR_USAGE);
    assert_int_equal(file_make_folder("", &err), SS_ERR_USAGE);
    assert_int_equal(file_write(folder, "x", 1, &err), SS_ERR_USAGE);
    assert_non_null(strstr(err.message, "is a folder"));
    assert_int_equal(put("none/", "x", &err), SS_ERR_USAGE);
    assert_int_equal(put("missing/x", "x", &err), SS_ERR_RESOURCE);
    assert_int_equal(output_check(folder, &err), SS_ERR_USAGE);
    assert_true(output_is_file(folder_at("new")) && !output_is_file("/dev/null") && !output_is_file("-"));
    if (geteuid() != 0) { /* root may write everywhere */
        assert_int_equal(put("fixed", "old", &err), SS_OK);
        assert_int_equal(chmod(folder_at("fixed"), 0444), 0);
        assert_int_equal(put("fixed", "new", &err), SS_ERR_RESOURCE);
        holds("fixed", "old");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),           cmocka_unit_test(test_links),   cmocka_unit_test(test_fifo),
        cmocka_unit_test(test_standard_output), cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
