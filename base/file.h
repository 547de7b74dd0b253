// Files: whole reads with a limit, and writes that leave the old content or the new, never neither.
#pragma once

#include <sys/types.h>

#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"

namespace weft {

// A file descriptor that closes itself.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(other.release()) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  ~FileDescriptor() { close(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int release() { const int fd = fd_; fd_ = -1; return fd; }
  void close();

 private:
  int fd_ = -1;
};

// As poll(2) and epoll_wait(2) take a time: whole milliseconds, rounded up, none if it is over.
int poll_milliseconds(Duration timeout);

// Waits until one of them is readable or `timeout` (rounded up to milliseconds) is over. True if
// one is readable; false also after a signal.
bool wait_readable(std::span<const int> descriptors, Duration timeout);

// The whole file; kExhausted if it is larger than `limit_bytes`, kNotFound, kDenied or kIo with the
// path and the system's reason.
Result<Bytes> read_file(const std::string& path, uint64_t limit_bytes);

// Writes beside `path`, syncs, renames over it, syncs the folder. On an error the old file stands.
Result<> write_file_atomic(const std::string& path, ByteView content, mode_t mode = 0644);

// Makes the folder and its parents; no error if it is there.
Result<> make_folder(const std::string& path, mode_t mode = 0755);

// "open /x/y: No such file or directory", with the code that fits errno.
Error system_error(std::string_view what, std::string_view path, int error_number);

}  // namespace weft
