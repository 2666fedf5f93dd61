/* Preloaded into a process whose power will be cut: notes how much of each file has been synced.
 *
 * $POWERLOSS_TABLE is a file of ENTRIES entries, shared with the test, which kills the process and cuts
 * every file in the data folder back to the size noted (one that was never synced to nothing). Files whose
 * name ends in $POWERLOSS_IGNORE are not synced at all, as in a build that forgot it, though the caller is
 * told that they were. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ENTRIES = 1 << 16 };

struct entry {
  uint64_t inode; /* 0: free */
  uint64_t synced;
};

static struct entry *table;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int (*real_fsync)(int), (*real_fdatasync)(int);

static void begin(void) {
  real_fsync = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  real_fdatasync = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  const char *path = getenv("POWERLOSS_TABLE");
  int file = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
  if (file < 0) return;
  if (ftruncate(file, sizeof(struct entry) * ENTRIES) == 0) {
    void *memory =
        mmap(NULL, sizeof(struct entry) * ENTRIES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory != MAP_FAILED) table = memory;
  }
  close(file);
}

/* An inode that is used again for another file has its size noted anew at that file's first sync; until
 * then the test sees the old one, which can only be too large for a file that nothing was promised of. */
static void note(uint64_t inode, uint64_t size) {
  pthread_mutex_lock(&lock);
  for (uint64_t step = 0; step < ENTRIES; step++) {
    struct entry *entry = &table[(inode + step) % ENTRIES];
    if (entry->inode != 0 && entry->inode != inode) continue;
    entry->synced = size;
    entry->inode = inode;
    break;
  }
  pthread_mutex_unlock(&lock);
}

static int is_ignored(int file) {
  const char *suffix = getenv("POWERLOSS_IGNORE");
  if (!suffix) return 0;
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t count = readlink(link, path, sizeof path - 1);
  size_t length = strlen(suffix);
  return count >= (ssize_t)length && memcmp(path + count - length, suffix, length) == 0;
}

static int sync_with(int (*real)(int), int file) {
  if (is_ignored(file)) return 0;
  /* A slow disk: so the power is cut, nearly always, with a commit under way. */
  usleep(3000);
  struct stat before;
  int is_file = fstat(file, &before) == 0 && S_ISREG(before.st_mode);
  int result = real(file);
  /* What was appended while it synced may not be there. */
  if (result == 0 && is_file && table) note(before.st_ino, (uint64_t)before.st_size);
  return result;
}

int fsync(int file) {
  pthread_once(&once, begin);
  return sync_with(real_fsync, file);
}

int fdatasync(int file) {
  pthread_once(&once, begin);
  return sync_with(real_fdatasync, file);
}
