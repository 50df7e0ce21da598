#pragma once

#include <string>

#include "base/result.h"

namespace syncline::cli {

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
