/* Faults at every point: each command of commands.c runs once for every chosen allocation (or call on a file), which is
 * made to fail. Allowed are two ends: the exit code of a resource with a message that blames memory (the disk), or
 * exit 0 with the bytes of an undisturbed run. A store must be whole afterwards, or go on to the undisturbed result.
 *
 * By hand, after `ninja -C build-faults` (`make faults` makes that folder: the usual build, with -Ddebug=true):
 *   SWEEP=build-faults/tests/faults/sweep
 *   $SWEEP build-faults tests/data                              every command, memory, then files
 *   ... --kind files                                            calls on files alone; memory: allocations alone
 *   ... --kind files --command run --call rename                one command, one call
 *   ... --kind memory --command stats --point 37                one point: its call stack, what the program said
 *   ... --jobs 2 --sample 150                                   points at a time; only so many points, evenly over all
 * Each point that ends otherwise is reported in three lines: where, the program's functions, what it said. Points are
 * chosen by call stack (choose). What is left out, and why, and how each call fails, stands in calls.c; what a message
 * must say, in blames. TMPDIR says where the runs lie (default /dev/shm). */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "faults/commands.h"
#include "faults/tree.h"

enum { ALIKE, REFUSED, SILENT, WRONG_CODE, WRONG_WORDS, STORE_HURT, CRASHED, HANGS, NOT_REACHED, ENDS };
static const char *const ENDINGS[ENDS] = {"same bytes",      "refused",     "other bytes, exit 0",
                                          "wrong exit code", "wrong words", "store hurt",
                                          "crashed",         "hangs",       "not reached"};

enum { FRAMES_KEPT = 7, SAID = 240 };

typedef struct point {
    uint64_t nth;
    int call, how;
    int end, code;
    unsigned long frame[FRAMES_KEPT]; /* of the program itself, innermost first */
    char said[SAID];
} point;

typedef struct sweep {
    char program[TREE_PATH], injector[TREE_PATH], make_tiny[TREE_PATH];
    const char *kind, *only, *call;
    char root[TREE_PATH], inputs[TREE_PATH];
    int of_class, jobs, sample;
    uint64_t one;
} sweep;

/* ---- the points of a command ---- */

typedef struct visit {
    uint64_t stack, first, second, last;
} visit;

/* The place of `stack` in a table of open addresses. */
static visit *visit_of(visit *table, size_t size, uint64_t stack) {
    size_t i = (size_t)(stack * 0x9E3779B97F4A7C15u) & (size - 1);
    while (table[i].first && table[i].stack != stack) i = (i + 1) & (size - 1);
    return &table[i];
}

/* Every call stack at its first, second and last visit, and every 50th event of the rest. Left-out events are none. */
static size_t choose(const sweep *s, const fault_record *r, point **out, uint64_t *left) {
    size_t size = 1024, n = 0, rest = 0;
    uint64_t events = r->n < FAULTS_EVENTS ? r->n : FAULTS_EVENTS;
    while (size < 2 * events) size *= 2;
    visit *table = calloc(size, sizeof *table);
    uint64_t *chosen = malloc((events + 1) * sizeof *chosen);
    if (!table || !chosen) tree_die("no memory for", "points");
    *left = 0;
    for (uint64_t i = 0; i < events; i++) {
        if (r->event[i].reason) continue;
        visit *v = visit_of(table, size, r->event[i].stack);
        if (!v->first) v->first = i + 1, v->stack = r->event[i].stack;
        else if (!v->second) v->second = i + 1;
        v->last = i + 1;
    }
    for (uint64_t i = 0; i < events; i++) {
        if (r->event[i].reason) {
            ++*left;
            continue;
        }
        const visit *v = visit_of(table, size, r->event[i].stack);
        if (v->first == i + 1 || v->second == i + 1 || v->last == i + 1 || rest++ % 50 == 49) chosen[n++] = i + 1;
    }
    free(table);
    *out = calloc(n * 5 + 1, sizeof **out);
    if (!*out) tree_die("no memory for", "points");
    size_t kept = 0;
    for (size_t k = 0; k < n; k++) {
        const fault_event *e = &r->event[chosen[k] - 1];
        if (s->call && strcmp(s->call, FAULTS_CALLS[e->call].name) != 0) continue;
        const int *how = FAULTS_CALLS[e->call].how;
        for (int h = 0; h < 5 && how[h]; h++) {
            int opens = strncmp(FAULTS_CALLS[e->call].name, "open", 4) == 0;
            if (opens && how[h] == ENOSPC && !e->flags) continue; /* nothing is made there */
            (*out)[kept++] = (point){.nth = chosen[k], .call = e->call, .how = how[h]};
        }
    }
    free(chosen);
    return kept;
}

/* ---- one point ---- */

static void path_of(char out[TREE_PATH], const char *folder, const char *name) {
    if (snprintf(out, TREE_PATH, "%s/%s", folder, name) >= TREE_PATH) tree_die("too long a name below", folder);
}

static void suffixed(char out[TREE_PATH], const char *folder, const char *end) {
    if (snprintf(out, TREE_PATH, "%s.%s", folder, end) >= TREE_PATH) tree_die("too long a name", folder);
}

/* What was printed, but for the lines of a plan that are measured: time and memory of this machine. */
static char *printed(const char *folder) {
    static const char *const MEASURED[] = {"\n  time ", "\n  memory "};
    char path[TREE_PATH];
    suffixed(path, folder, "out");
    char *s = tree_read(path, NULL);
    for (int i = 0; s && i < 2; i++) {
        char *at = strstr(s, MEASURED[i]), *end = at ? strchr(at + 1, '\n') : NULL;
        if (end) memmove(at, end, strlen(end) + 1);
    }
    return s;
}

static void last_words(const char *folder, char said[SAID]) {
    char path[TREE_PATH];
    suffixed(path, folder, "err");
    char *s = tree_read(path, NULL);
    size_t n = s ? strlen(s) : 0;
    while (n > 0 && s[n - 1] == '\n') s[--n] = '\0';
    snprintf(said, SAID, "%s", s ? s : "");
    for (char *c = said; *c; c++)
        if (*c == '\n') *c = '|';
    free(s);
}

/* Does the message blame what failed? */
static int blames(const char *folder, int how) {
    static const char *const DISK[] = {"disk", "cannot", "could not"};
    char path[TREE_PATH];
    suffixed(path, folder, "err");
    char *s = tree_read(path, NULL);
    int found = 0;
    if (s && how == ENOMEM) found = strcasestr(s, "memory") != NULL;
    else if (s && how < FAULTS_SHORT) found = strstr(s, strerror(how)) != NULL;
    for (size_t i = 0; s && how != ENOMEM && !found && i < sizeof DISK / sizeof *DISK; i++)
        found = strcasestr(s, DISK[i]) != NULL;
    free(s);
    return found;
}

/* The tables of the store in FOLDER/out, each as FOLDER.TABLE. 0: an export failed. */
static int exported(process *p, const char *folder) {
    for (int i = 0; STORE_TABLES[i]; i++) {
        char from[TREE_PATH], to[TREE_PATH];
        if (process_run(p, folder, (const char *const[]){"export", "out", "--table", STORE_TABLES[i], NULL}, 0) != 0)
            return 0;
        suffixed(from, folder, "out");
        suffixed(to, folder, STORE_TABLES[i]);
        if (rename(from, to) != 0) tree_die("cannot rename", from);
    }
    return 1;
}

static int exports_alike(const char *a, const char *b, char first[TREE_PATH]) {
    for (int i = 0; STORE_TABLES[i]; i++) {
        char x[TREE_PATH], y[TREE_PATH];
        suffixed(x, a, STORE_TABLES[i]);
        suffixed(y, b, STORE_TABLES[i]);
        if (!tree_same(x, y, first)) return 0;
    }
    return 1;
}

static int written_alike(const command_row *row, const char *a, const char *b, char first[TREE_PATH]) {
    for (int i = 0; i < 4 && row->written[i]; i++) {
        char x[TREE_PATH], y[TREE_PATH];
        path_of(x, a, row->written[i]);
        path_of(y, b, row->written[i]);
        if (!tree_same(x, y, first)) return 0;
    }
    return 1;
}

/* After the fault: is the store what it was, or does it go on to what it would have been? */
static int store_is_sound(const sweep *s, process *p, const command_row *row, const char *folder, const char *ref,
                          int code, char first[TREE_PATH]) {
    char a[TREE_PATH], b[TREE_PATH];
    path_of(a, folder, "out");
    if (!row->again[0]) {
        if (!row->store) return 1;
        path_of(b, s->inputs, row->store);
        return tree_same(a, b, first);
    }
    if (code != 0) { /* what was not touched goes on as it would have begun */
        if (row->store) path_of(b, s->inputs, row->store);
        if (row->store ? tree_same(a, b, first) : access(a, F_OK) != 0) return 1;
        path_of(b, folder, "out/manifest.json");
        int begun = access(b, F_OK) == 0;
        snprintf(first, TREE_PATH, "going on failed");
        if (process_run(p, folder, begun ? row->again : row->args, 0) != 0) return 0;
    }
    snprintf(first, TREE_PATH, "export failed");
    if (!exported(p, folder)) return 0;
    return exports_alike(folder, ref, first) && written_alike(row, folder, ref, first);
}

/* Offsets of the frames that lie in the program. */
static void frames_of(const sweep *s, const char *where, unsigned long frame[FRAMES_KEPT]) {
    size_t n = strlen(s->program);
    int kept = 0;
    for (const char *line = where; *line && kept < FRAMES_KEPT; line = strchr(line, '\n') + 1)
        if (strncmp(line, s->program, n) == 0 && line[n] == '+') frame[kept++] = strtoul(line + n + 1, NULL, 16);
}

static int judge(const command_row *row, const point *x, const char *folder, const char *ref, char first[TREE_PATH]) {
    if (x->code == PROCESS_HANGS) return HANGS;
    if (x->code < 0) return CRASHED;
    if (x->code == 4) return blames(folder, x->how) ? REFUSED : WRONG_WORDS;
    if (x->code != 0) return WRONG_CODE;
    char *a = printed(folder), *b = printed(ref), e[TREE_PATH], f[TREE_PATH];
    snprintf(first, TREE_PATH, "standard output");
    int alike = a && b && strcmp(a, b) == 0;
    free(a);
    free(b);
    suffixed(e, folder, "err");
    suffixed(f, ref, "err");
    alike = alike && tree_same(e, f, first) && written_alike(row, folder, ref, first);
    return alike ? ALIKE : SILENT;
}

static void try_point(const sweep *s, process *p, const command_row *row, point *x, const char *folder,
                      const char *ref) {
    char first[TREE_PATH] = "";
    commands_place(row, s->inputs, folder);
    fault_record *r = p->record;
    r->recording = 0, r->of_class = s->of_class, r->nth = x->nth, r->how = x->how;
    x->code = process_run(p, folder, row->args, 1);
    frames_of(s, r->where, x->frame);
    x->end = r->fired ? judge(row, x, folder, ref, first) : NOT_REACHED;
    last_words(folder, x->said);
    if (x->end == SILENT) snprintf(x->said + strlen(x->said), SAID - strlen(x->said), " [differs: %.120s]", first);
    if (x->end <= REFUSED && !store_is_sound(s, p, row, folder, ref, x->code, first)) {
        x->end = STORE_HURT;
        char after[SAID];
        last_words(folder, after);
        snprintf(x->said, SAID, "exit %d; then: %.100s: %.100s", x->code, first, after);
    }
}

/* ---- report ---- */

static const char *how_name(int how) { return how == FAULTS_SHORT ? "short" : strerrorname_np(how); }

/* The names of the program's functions at `frame`. */
static void names_of(const sweep *s, const unsigned long *frame, char *out, size_t size) {
    char command[2 * TREE_PATH], line[400];
    int at = snprintf(command, sizeof command, "addr2line -sfe '%s'", s->program);
    for (int i = 0; i < FRAMES_KEPT && frame[i]; i++)
        at += snprintf(command + at, sizeof command - (size_t)at, " 0x%lx", frame[i] - 1);
    out[0] = '\0';
    FILE *f = frame[0] ? popen(command, "r") : NULL;
    for (int i = 0; f && fgets(line, sizeof line, f); i++) {
        line[strcspn(line, "\n (")] = '\0';
        size_t n = strlen(out);
        snprintf(out + n, size - n, i % 2 ? " %s" : i ? " < %s" : "%s", line);
    }
    if (f) pclose(f);
}

static void tell_bad(const sweep *s, const command_row *row, const point *x) {
    char names[1200];
    names_of(s, x->frame, names, sizeof names);
    printf("  %s point %llu, %s %s: %s (exit %d)\n      in %s\n      said: %s\n", row->name, (unsigned long long)x->nth,
           FAULTS_CALLS[x->call].name, how_name(x->how), ENDINGS[x->end], x->code, names, x->said);
}

/* ---- a command ---- */

static void run_points(const sweep *s, const command_row *row, point *x, size_t n, const char *ref) {
    for (int job = 0; job < s->jobs; job++) {
        pid_t child = fork();
        if (child < 0) tree_die("cannot start", "a job");
        if (child > 0) continue;
        char folder[TREE_PATH], record[TREE_PATH];
        snprintf(folder, sizeof folder, "%.900s/job%d", s->root, job);
        suffixed(record, folder, "record");
        process p = {.program = s->program, .injector = s->injector};
        process_open(&p, record);
        for (size_t i = (size_t)job; i < n; i += (size_t)s->jobs) try_point(s, &p, row, &x[i], folder, ref);
        _exit(0);
    }
    int status, bad = 0;
    for (int job = 0; job < s->jobs; job++) bad |= wait(&status) < 0 || status != 0;
    if (bad) tree_die("a job did not end:", row->name);
}

/* The undisturbed run, twice: the second is counted. Both must agree, or nothing could be compared. */
static void undisturbed(const sweep *s, process *p, const command_row *row, const char *ref) {
    char twice[TREE_PATH], first[TREE_PATH];
    snprintf(twice, sizeof twice, "%.900s/count", s->root);
    commands_place(row, s->inputs, ref);
    int code = process_run(p, ref, row->args, 0);
    p->record->recording = 1, p->record->of_class = s->of_class, p->record->nth = 0;
    commands_place(row, s->inputs, twice);
    point x = {.code = process_run(p, twice, row->args, 1)};
    if (code != 0 || judge(row, &x, twice, ref, first) != ALIKE) {
        char said[SAID];
        last_words(code ? ref : twice, said);
        fprintf(stderr, "faults: undisturbed runs of %s do not agree (exit %d, %d; %s): %s\n", row->name, code, x.code,
                first, said);
        exit(1);
    }
    char out[TREE_PATH], kept[TREE_PATH];
    if (!row->again[0]) return;
    suffixed(out, ref, "out"), suffixed(kept, ref, "kept");
    if (rename(out, kept) != 0 || !exported(p, ref) || rename(kept, out) != 0) tree_die("cannot export", ref);
}

static int sweep_command(const sweep *s, process *p, const command_row *row, size_t most, size_t sum[ENDS]) {
    char ref[TREE_PATH];
    snprintf(ref, sizeof ref, "%.900s/undisturbed", s->root);
    undisturbed(s, p, row, ref);
    point *all;
    uint64_t left, events = p->record->n;
    size_t n = choose(s, p->record, &all, &left), take = most && most < n ? most : n, kept = 0;
    point *x = mmap(NULL, (n + 1) * sizeof *x, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (x == MAP_FAILED) tree_die("no memory for", "points");
    for (size_t i = 0; i < n; i++)
        if (s->one ? all[i].nth == s->one : i * take / n != (i + 1) * take / n) x[kept++] = all[i];
    free(all);
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    run_points(s, row, x, kept, ref);
    clock_gettime(CLOCK_MONOTONIC, &b);
    size_t count[ENDS] = {0};
    for (size_t i = 0; i < kept; i++) count[x[i].end]++;
    for (int e = 0; e < ENDS; e++) sum[e] += count[e];
    int bad = 0;
    for (size_t i = 0; i < kept; i++)
        if (x[i].end > REFUSED || s->one) bad += x[i].end > REFUSED, tell_bad(s, row, &x[i]);
    printf("%-13s %8llu %8llu %7zu %7zu", row->name, (unsigned long long)events, (unsigned long long)left, n, kept);
    for (int e = 0; e < ENDS; e++) printf(" %6zu", count[e]);
    printf(" %6.0f s\n", (double)(b.tv_sec - a.tv_sec));
    fflush(stdout);
    munmap(x, (n + 1) * sizeof *x);
    return bad;
}

static int usage(void) {
    fprintf(stderr,
            "usage: sweep BUILD TESTS_DATA [--kind memory|files|both] [--command NAME] [--call NAME] [--point N] "
            "[--jobs N] [--sample N]\n");
    return 2;
}

static int read_flags(sweep *s, int argc, char **argv) {
    for (int i = 3; i < argc; i += 2) {
        const char *flag = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (!value) return 0;
        if (strcmp(flag, "--kind") == 0) s->kind = value;
        else if (strcmp(flag, "--command") == 0) s->only = value;
        else if (strcmp(flag, "--call") == 0) s->call = value;
        else if (strcmp(flag, "--point") == 0) s->one = strtoull(value, NULL, 10);
        else if (strcmp(flag, "--jobs") == 0) s->jobs = atoi(value);
        else if (strcmp(flag, "--sample") == 0) s->sample = atoi(value);
        else return 0;
    }
    return s->jobs > 0;
}

static void begin(sweep *s, const char *build) {
    char resolved[TREE_PATH];
    if (!realpath(build, resolved)) tree_die("cannot find", build);
    snprintf(s->program, sizeof s->program, "%.900s/cli/sinkscope", resolved);
    snprintf(s->injector, sizeof s->injector, "%.900s/tests/faults/libinject.so", resolved);
    snprintf(s->make_tiny, sizeof s->make_tiny, "%.900s/tests/support/make_tiny_model", resolved);
    const char *temporary = getenv("TMPDIR"), *memory = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(s->root, sizeof s->root, "%.800s/sinkscope-faults.XXXXXX", temporary ? temporary : memory);
    if (!mkdtemp(s->root)) tree_die("cannot make", s->root);
    path_of(s->inputs, s->root, "inputs");
    setenv("LC_ALL", "C", 1);
    setenv("SINKSCOPE_DATA", s->root, 1);
}

/* Every command by one class of faults. Returns how many points ended badly, or -1 where no command has that name. */
static int sweep_class(sweep *s, process *p, int of_class) {
    size_t sum[ENDS] = {0}, tried = 0;
    int bad = 0, found = 0;
    s->of_class = of_class;
    printf("%-13s %8s %8s %7s %7s %s\n", of_class == FAULTS_MEMORY ? "memory" : "files", "events", "left out", "points",
           "tried", "  same refused silent  code  words  store  crash  hangs   none");
    for (int i = 0; i < COMMAND_COUNT; i++) {
        if (s->only && strcmp(s->only, COMMANDS[i].name) != 0) continue;
        found = 1;
        bad += sweep_command(s, p, &COMMANDS[i], s->sample ? (size_t)(s->sample / COMMAND_COUNT + 1) : 0, sum);
    }
    for (int e = 0; e < ENDS; e++) tried += sum[e];
    printf("%zu points tried: %zu with the same bytes, %zu refused, %d otherwise\n", tried, sum[ALIKE], sum[REFUSED],
           bad);
    return found ? bad : -1;
}

int main(int argc, char **argv) {
    sweep s = {.jobs = 1, .kind = "both"};
    char record[TREE_PATH], data[TREE_PATH];
    if (argc < 3 || !read_flags(&s, argc, argv)) return usage();
    if (!realpath(argv[2], data)) tree_die("cannot find", argv[2]);
    begin(&s, argv[1]);
    path_of(record, s.root, "record");
    process p = {.program = s.program, .injector = s.injector};
    process_open(&p, record);
    commands_inputs(&p, s.inputs, s.make_tiny, data);
    int memory = strcmp(s.kind, "files") != 0 ? sweep_class(&s, &p, FAULTS_MEMORY) : 0;
    int files = strcmp(s.kind, "memory") != 0 ? sweep_class(&s, &p, FAULTS_FILES) : 0;
    tree_remove(s.root);
    return memory < 0 || files < 0 ? usage() : memory + files > 0;
}
