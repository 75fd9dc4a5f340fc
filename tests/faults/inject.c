/* Loaded into the program under test (LD_PRELOAD): counts its allocations or its calls on files from the beginning of
 * main, keeps each one's call stack, or makes one of them fail. Allocations are seen by taking malloc's names;
 * calls on files by a seccomp filter that sends them to a handler here, so that those which the C library makes
 * inside itself are seen as well. */
#define _GNU_SOURCE
#undef _FILE_OFFSET_BITS /* mmap and mmap64 are two names here */
#include "faults/inject.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum { FRAMES = 96 };

static fault_record *record; /* NULL until main begins */
static __thread int inside __attribute__((tls_model("initial-exec")));

/* A system call from an address that the filter lets through. */
long faults_raw(long number, long a, long b, long c, long d, long e, long f);
extern const char faults_raw_end[];
__asm__(
    ".text\n.globl faults_raw\n.type faults_raw,@function\nfaults_raw:\n"
    "mov %rdi,%rax\nmov %rsi,%rdi\nmov %rdx,%rsi\nmov %rcx,%rdx\nmov %r8,%r10\nmov %r9,%r8\nmov 8(%rsp),%r9\nsyscall\n"
    ".globl faults_raw_end\nfaults_raw_end:\nret\n.size faults_raw,.-faults_raw\n");

static int frame_left_out(const void *at) {
    Dl_info info;
    if (!dladdr(at, &info) || !info.dli_fname) return 0;
    const char *slash = strrchr(info.dli_fname, '/'), *name = slash ? slash + 1 : info.dli_fname;
    for (int k = 0; k < FAULTS_LEFT_OUT_COUNT; k++) {
        const faults_left_out *l = &FAULTS_LEFT_OUT[k];
        if (strncmp(name, l->object, strlen(l->object)) != 0) continue;
        if (!l->function || (info.dli_sname && strcmp(info.dli_sname, l->function) == 0)) return k + 1;
    }
    return 0;
}

/* The row of FAULTS_LEFT_OUT that leaves this call out, + 1, or 0. Answers are kept by address: dladdr is slow. */
static int left_out(void *const *frame, int n) {
    enum { KNOWN = 1 << 16 };
    static struct {
        const void *at;
        int reason;
    } known[KNOWN];
    for (int i = 0; i < n; i++) {
        size_t k = ((uintptr_t)frame[i] * 0x9E3779B97F4A7C15u) >> 48;
        if (known[k].at != frame[i]) known[k].at = frame[i], known[k].reason = frame_left_out(frame[i]);
        if (known[k].reason) return known[k].reason;
    }
    return 0;
}

static uint64_t hash_of(void *const *frame, int n, int call) {
    uint64_t h = 14695981039346656037u + (uint64_t)call;
    for (int i = 0; i < n; i++) h = (h ^ (uint64_t)(uintptr_t)frame[i]) * 1099511628211u, h ^= h >> 29;
    return h;
}

static void describe(void *const *frame, int n) {
    size_t at = 0;
    for (int i = 0; i < n && at + 400 < sizeof record->where; i++) {
        Dl_info info;
        if (!dladdr(frame[i], &info) || !info.dli_fname) continue;
        int got = snprintf(record->where + at, sizeof record->where - at, "%s+0x%llx %s\n", info.dli_fname,
                           (unsigned long long)((uintptr_t)frame[i] - (uintptr_t)info.dli_fbase),
                           info.dli_sname ? info.dli_sname : "");
        if (got > 0) at += (size_t)got;
    }
}

/* One event. Returns 0, or how it is to fail. */
static int seen(int of_class, int call, uint32_t flags) {
    if (!record || inside || record->of_class != of_class) return 0;
    inside = 1;
    int how = 0;
    uint64_t n = __atomic_add_fetch(&record->n, 1, __ATOMIC_RELAXED);
    if (record->recording && n <= FAULTS_EVENTS) {
        void *frame[FRAMES];
        int depth = backtrace(frame, FRAMES);
        record->event[n - 1] = (fault_event){.stack = hash_of(frame, depth, call),
                                             .call = (uint16_t)call,
                                             .reason = (uint16_t)left_out(frame, depth),
                                             .flags = flags};
    } else if (n == record->nth) {
        void *frame[FRAMES];
        record->fired = 1;
        describe(frame, backtrace(frame, FRAMES));
        how = record->how;
    }
    inside = 0;
    return how;
}

/* ---- memory ---- */

enum { MALLOC, CALLOC, REALLOC, ALIGNED, MMAP };

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
void *memalign(size_t alignment, size_t size);

static int no_memory(int call) {
    if (!seen(FAULTS_MEMORY, call, 0)) return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size) { return no_memory(MALLOC) ? NULL : __libc_malloc(size); }
void *calloc(size_t n, size_t size) { return no_memory(CALLOC) ? NULL : __libc_calloc(n, size); }
void *realloc(void *p, size_t size) { return no_memory(REALLOC) ? NULL : __libc_realloc(p, size); }
void *memalign(size_t alignment, size_t size) { return no_memory(ALIGNED) ? NULL : __libc_memalign(alignment, size); }
void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }
int posix_memalign(void **out, size_t alignment, size_t size) {
    int before = errno;
    void *p = memalign(alignment, size);
    errno = before;
    if (p || size == 0) *out = p;
    return p || size == 0 ? 0 : ENOMEM;
}

static void *map(void *at, size_t size, int protection, int flags, int fd, off_t offset) {
    if (no_memory(MMAP)) return MAP_FAILED;
    long got = faults_raw(SYS_mmap, (long)at, (long)size, protection, flags, fd, (long)offset);
    if (got >= 0 || got < -4095) return (void *)got;
    errno = (int)-got;
    return MAP_FAILED;
}
void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset) {
    return map(at, size, protection, flags, fd, offset);
}
void *mmap64(void *at, size_t size, int protection, int flags, int fd, off_t offset) {
    return map(at, size, protection, flags, fd, offset);
}

/* ---- files ---- */

static int call_of(long number) {
    for (int i = 0; i < FAULTS_CALL_COUNT; i++)
        if (FAULTS_CALLS[i].number == number) return i;
    return -1;
}

static void on_call(int signal_number, siginfo_t *info, void *context) {
    (void)signal_number;
    int before = errno;
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    long number = info->si_syscall, size = (long)r[REG_RDX];
    int call = call_of(number), writes = number == SYS_write || number == SYS_pwrite64;
    long flags = number == SYS_openat ? (long)r[REG_RDX] : number == SYS_open ? (long)r[REG_RSI] : 0;
    int how = number == SYS_write && r[REG_RDI] == STDERR_FILENO ? 0 : seen(FAULTS_FILES, call, (flags & O_CREAT) != 0);
    if (how == FAULTS_SHORT && (writes || number == SYS_read || number == SYS_pread64)) size -= size / 2, how = 0;
    if (how == 0 || number == SYS_close) { /* a close that fails has closed */
        long got = number == SYS_fsync || number == SYS_fdatasync
                       ? 0 /* no test loses its power */
                       : faults_raw(number, (long)r[REG_RDI], (long)r[REG_RSI], size, (long)r[REG_R10], (long)r[REG_R8],
                                    (long)r[REG_R9]);
        r[REG_RAX] = how ? -how : got;
    } else {
        r[REG_RAX] = -how;
    }
    errno = before;
}

static void filter_calls(void) {
    enum { MOST = 64 };
    const uint64_t allowed = (uint64_t)(uintptr_t)faults_raw_end;
    const unsigned ip = offsetof(struct seccomp_data, instruction_pointer);
    struct sock_filter code[MOST];
    unsigned short n = 0;
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ip);
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)allowed, 0, 3);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ip + 4);
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(allowed >> 32), 0, 1);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int i = 0; i < FAULTS_CALL_COUNT && n + 3 < MOST; i++) {
        if (FAULTS_CALLS[i].number < 0) continue;
        code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)FAULTS_CALLS[i].number, 0, 1);
        code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {.len = n, .filter = code};
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_call;
    action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART;
    if (sigaction(SIGSYS, &action, NULL) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        static const char message[] = "faults: this kernel gives no seccomp filter\n";
        faults_raw(SYS_write, STDERR_FILENO, (long)message, sizeof message - 1, 0, 0, 0);
        _exit(126);
    }
}

/* ---- the beginning ---- */

static int (*real_main)(int, char **, char **);

static int main_with_faults(int argc, char **argv, char **envp) {
    const char *path = getenv(FAULTS_FILE);
    void *frame[2];
    (void)backtrace(frame, 2); /* loads what it needs at the first call */
    Dl_info info;
    (void)dladdr(frame[0], &info);
    if (path) {
        int fd = open(path, O_RDWR);
        void *at =
            fd < 0 ? MAP_FAILED
                   : (void *)faults_raw(SYS_mmap, 0, sizeof(fault_record), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (fd < 0 || (uintptr_t)at > (uintptr_t)-4096) _exit(126);
        close(fd);
        filter_calls();
        record = at;
    }
    return real_main(argc, argv, envp);
}

int __libc_start_main(int (*start)(int, char **, char **), int argc, char **argv, void (*init)(void),
                      void (*fini)(void), void (*rtld_fini)(void), void *stack_end);
int __libc_start_main(int (*start)(int, char **, char **), int argc, char **argv, void (*init)(void),
                      void (*fini)(void), void (*rtld_fini)(void), void *stack_end) {
    int (*next)(int (*)(int, char **, char **), int, char **, void (*)(void), void (*)(void), void (*)(void), void *);
    *(void **)&next = dlsym(RTLD_NEXT, "__libc_start_main");
    real_main = start;
    return next(main_with_faults, argc, argv, init, fini, rtld_fini, stack_end);
}
