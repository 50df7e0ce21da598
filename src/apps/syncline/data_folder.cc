#include "apps/syncline/data_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "apps/syncline/commands.h"

namespace syncline::cli {

std::string log_path(const std::string& data) { return data + "/log.db"; }

void keep_files_private() { ::umask(S_IRWXG | S_IRWXO); }

Result<DataFolder> DataFolder::take(const std::string& path) {
  keep_files_private();
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return Error(ErrorCode::storage, path + ": " + std::strerror(errno));
  }
  const int lock = ::open((path + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0) {
    return Error(ErrorCode::storage, path + "/lock: " + std::strerror(errno));
  }
  if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
    ::close(lock);
    return Error(ErrorCode::storage, "another server uses " + path + " now; stop it first");
  }
  // Also what lay there before, or was copied there by hand.
  if (DIR* const folder = ::opendir(path.c_str())) {
    while (const dirent* const entry = ::readdir(folder)) {
      struct stat facts {};
      const std::string file = path + "/" + entry->d_name;
      if (::lstat(file.c_str(), &facts) == 0 && S_ISREG(facts.st_mode)) {
        (void)::chmod(file.c_str(), facts.st_mode & (S_IRUSR | S_IWUSR));
      }
    }
    ::closedir(folder);
  }
  return DataFolder(lock);
}

DataFolder::DataFolder(DataFolder&& other) noexcept : lock_(other.lock_) { other.lock_ = -1; }

DataFolder::~DataFolder() {
  if (lock_ >= 0) {
    ::close(lock_);
  }
}

}  // namespace syncline::cli
