#include "apps/syncline/data_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "apps/syncline/commands.h"

namespace syncline::cli {

std::string log_path(const std::string& data) { return data + "/log.db"; }

Result<DataFolder> DataFolder::take(const std::string& path) {
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
  return DataFolder(lock);
}

DataFolder::DataFolder(DataFolder&& other) noexcept : lock_(other.lock_) { other.lock_ = -1; }

DataFolder::~DataFolder() {
  if (lock_ >= 0) {
    ::close(lock_);
  }
}

}  // namespace syncline::cli
