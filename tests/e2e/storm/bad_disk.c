// A disk that misbehaves, for one process: loaded before libc (LD_PRELOAD), steered by a shared
// file that BAD_DISK names and that the test writes while the process runs. Only regular files are
// touched, and only calls by which a database writes.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { well, full, failing, dying, slow };

struct control {
  int32_t mode;
  int32_t percent;    // failing: how many calls of a hundred
  int32_t delay_us;   // slow: how long a sync takes
  int32_t countdown;  // dying: calls until the process is killed in the middle of things
};

static struct control nothing;
static volatile struct control* control = &nothing;
static ssize_t (*real_pwrite)(int, const void*, size_t, off_t);
static int (*real_fdatasync)(int);
static int (*real_fsync)(int);
static int (*real_ftruncate)(int, off_t);
static uint32_t chance = 1;

// Found by the loader although the build hides names.
#pragma GCC visibility push(default)

__attribute__((constructor)) static void begin(void) {
  real_pwrite = (ssize_t(*)(int, const void*, size_t, off_t))dlsym(RTLD_NEXT, "pwrite");
  real_fdatasync = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  real_fsync = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  real_ftruncate = (int (*)(int, off_t))dlsym(RTLD_NEXT, "ftruncate");
  chance = (uint32_t)getpid() * 2654435761U + 1;
  const char* path = getenv("BAD_DISK");
  const int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) {
    return;
  }
  void* mapped = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (mapped != MAP_FAILED) {
    control = (volatile struct control*)mapped;
  }
}

static int is_file(int fd, off_t* size) {
  struct stat about;
  if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) {
    return 0;
  }
  *size = about.st_size;
  return 1;
}

// What a call that writes up to `end` answers instead of doing its work; zero lets it.
static int trouble(int fd, off_t end) {
  off_t size = 0;
  if (control->mode == well || !is_file(fd, &size)) {
    return 0;
  }
  switch (control->mode) {
    case full:
      return end > size ? ENOSPC : 0;
    case failing:
      chance = chance * 1664525U + 1013904223U;
      return (int32_t)((chance >> 16) % 100U) < control->percent ? EIO : 0;
    case dying:
      if (__atomic_sub_fetch(&control->countdown, 1, __ATOMIC_SEQ_CST) <= 0) {
        control->mode = well;
        kill(getpid(), SIGKILL);
      }
      return 0;
    default:
      return 0;
  }
}

ssize_t pwrite(int fd, const void* data, size_t size, off_t at) {
  const int error = trouble(fd, at + (off_t)size);
  if (error != 0) {
    errno = error;
    return -1;
  }
  return real_pwrite(fd, data, size, at);
}

ssize_t pwrite64(int fd, const void* data, size_t size, off_t at) {
  return pwrite(fd, data, size, at);
}

static int sync_with(int (*real)(int), int fd) {
  const int error = trouble(fd, 0);
  if (error != 0) {
    errno = error;
    return -1;
  }
  if (control->mode == slow) {
    usleep((useconds_t)control->delay_us);
  }
  return real(fd);
}

int fdatasync(int fd) { return sync_with(real_fdatasync, fd); }
int fsync(int fd) { return sync_with(real_fsync, fd); }

int ftruncate(int fd, off_t size) {
  const int error = trouble(fd, size);
  if (error != 0) {
    errno = error;
    return -1;
  }
  return real_ftruncate(fd, size);
}

int ftruncate64(int fd, off_t size) { return ftruncate(fd, size); }
