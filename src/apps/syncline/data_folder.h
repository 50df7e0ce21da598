#pragma once

#include <string>

#include "base/result.h"

namespace syncline::cli {

// From here on this process makes files for its own user alone: what a server stores is
// everybody's.
void keep_files_private();

// A server's data folder, made if need be and held by one process at a time.
class DataFolder {
 public:
  // Fails with `storage` when another process holds it.
  static Result<DataFolder> take(const std::string& path);
  DataFolder(DataFolder&& other) noexcept;
  DataFolder& operator=(DataFolder&&) = delete;
  DataFolder(const DataFolder&) = delete;
  DataFolder& operator=(const DataFolder&) = delete;
  ~DataFolder();

 private:
  explicit DataFolder(int lock) : lock_(lock) {}
  int lock_;
};

}  // namespace syncline::cli
