// Preloaded into a process: logs, in their order, the operations on files under DISK_LOG_UNDER that
// change a disk or bring changes to it. benchmarks/power_cut.py reads the log, DISK_LOG.
//
// A record is a line "op time_ns offset length path\tother\n" and `length` bytes. Times are of
// CLOCK_MONOTONIC, and each operation is logged before the next one is begun.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define LOCKED(call)                     \
    __typeof__(call) result;             \
    pthread_mutex_lock(&one_at_a_time);  \
    result = (call)

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
static int log_descriptor = -1;

static int is_watched(const char *path) {
    const char *under = getenv("DISK_LOG_UNDER");
    return under && path && !strncmp(path, under, strlen(under));
}

static const char *path_of(int descriptor, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = 0;
    return path;
}

static void write_all(const char *data, size_t length) {
    while (length) {
        ssize_t count = REAL(write)(log_descriptor, data, length);
        if (count < 0) abort();
        data += count, length -= count;
    }
}

// Called with the lock held, which it lets go.
static void note(char op, const char *path, const char *other, long offset, const void *data,
                 size_t length, int worked) {
    if (worked && is_watched(path)) {
        struct timespec now;
        char head[2 * PATH_MAX + 100];
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (log_descriptor < 0)
            log_descriptor =
                REAL(open)(getenv("DISK_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        snprintf(head, sizeof head, "%c %lld %ld %zu %s\t%s\n", op,
                 now.tv_sec * 1000000000LL + now.tv_nsec, offset, length, path, other);
        write_all(head, strlen(head));
        write_all(data, length);
    }
    pthread_mutex_unlock(&one_at_a_time);
}

#define OPEN(name)                                                        \
    int name(const char *path, int flags, ...) {                          \
        va_list more;                                                     \
        va_start(more, flags);                                            \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more);                                                     \
        LOCKED(REAL(name)(path, flags, mode));                            \
        int changes = flags & (O_CREAT | O_TRUNC);                        \
        note(flags & O_TRUNC ? 'O' : 'o', path, "", 0, "", 0, result >= 0 && changes); \
        return result;                                                    \
    }
OPEN(open)
OPEN(open64)

ssize_t write(int descriptor, const void *data, size_t length) {
    char path[PATH_MAX];
    LOCKED(REAL(write)(descriptor, data, length));
    int watched = result > 0 && is_watched(path_of(descriptor, path));
    long offset = watched ? lseek(descriptor, 0, SEEK_CUR) - result : 0;
    note('w', path, "", offset, data, watched ? result : 0, watched);
    return result;
}

ssize_t pwrite64(int descriptor, const void *data, size_t length, off64_t offset) {
    char path[PATH_MAX];
    LOCKED(REAL(pwrite64)(descriptor, data, length, offset));
    note('w', path_of(descriptor, path), "", offset, data, result > 0 ? result : 0, result > 0);
    return result;
}

#define SYNC(name)                                                          \
    int name(int descriptor) {                                              \
        char path[PATH_MAX];                                                \
        LOCKED(REAL(name)(descriptor));                                     \
        note('s', path_of(descriptor, path), "", 0, "", 0, !result);        \
        return result;                                                      \
    }
SYNC(fsync)
SYNC(fdatasync)

int ftruncate64(int descriptor, off64_t length) {
    char path[PATH_MAX];
    LOCKED(REAL(ftruncate64)(descriptor, length));
    note('t', path_of(descriptor, path), "", length, "", 0, !result);
    return result;
}

int rename(const char *path, const char *other) {
    LOCKED(REAL(rename)(path, other));
    note('r', path, other, 0, "", 0, !result);
    return result;
}

int unlink(const char *path) {
    LOCKED(REAL(unlink)(path));
    note('u', path, "", 0, "", 0, !result);
    return result;
}

int mkdir(const char *path, mode_t mode) {
    LOCKED(REAL(mkdir)(path, mode));
    note('d', path, "", 0, "", 0, !result);
    return result;
}
