#include "base/file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <filesystem>
#include <system_error>
#include <vector>

#include "base/text.h"

namespace weft {
namespace {

Result<> write_all(int fd, ByteView content, const std::string& path) {
  size_t done = 0;
  while (done < content.size()) {
    const ssize_t n = ::write(fd, content.data() + done, content.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error("write", path, errno);
    done += size_t(n);
  }
  if (::fsync(fd) != 0) return system_error("sync", path, errno);
  return {};
}

Result<> sync_folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  const std::string name = folder.empty() ? "." : folder;
  FileDescriptor fd(::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return system_error("open", name, errno);
  if (::fsync(fd.get()) != 0) return system_error("sync", name, errno);
  return {};
}

}  // namespace

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = other.release();
  }
  return *this;
}

void FileDescriptor::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Error system_error(std::string_view what, std::string_view path, int error_number) {
  ErrorCode code = ErrorCode::kIo;
  if (error_number == ENOENT || error_number == ENOTDIR) code = ErrorCode::kNotFound;
  if (error_number == EACCES || error_number == EPERM || error_number == ELOOP) {
    code = ErrorCode::kDenied;
  }
  if (error_number == EEXIST || error_number == EADDRINUSE) code = ErrorCode::kConflict;
  return Error(code, cat(what, " ", path, ": ", std::generic_category().message(error_number)));
}

int poll_milliseconds(Duration timeout) {
  const auto whole = std::chrono::ceil<std::chrono::milliseconds>(timeout);
  return int(std::clamp<int64_t>(whole.count(), 0, INT_MAX));
}

bool wait_readable(std::span<const int> descriptors, Duration timeout) {
  std::vector<pollfd> states;
  for (const int fd : descriptors) states.push_back({fd, POLLIN, 0});
  return ::poll(states.data(), states.size(), poll_milliseconds(timeout)) > 0;
}

Result<Bytes> read_file(const std::string& path, uint64_t limit_bytes) {
  FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return system_error("open", path, errno);
  Bytes content;
  constexpr size_t kStepBytes = 64 * 1024;
  while (true) {
    const size_t done = content.size();
    content.resize(done + kStepBytes);
    const ssize_t n = ::read(fd.get(), content.data() + done, kStepBytes);
    content.resize(done + (n > 0 ? size_t(n) : 0));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error("read", path, errno);
    if (content.size() > limit_bytes) {
      return Error(ErrorCode::kExhausted,
                   cat("read ", path, ": larger than the limit of ", limit_bytes, " bytes"));
    }
    if (n == 0) return content;
  }
}

Result<> write_file_atomic(const std::string& path, ByteView content, mode_t mode) {
  std::string temporary = path + ".XXXXXX";
  FileDescriptor fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd.valid()) return system_error("create", temporary, errno);
  Result<> written = write_all(fd.get(), content, temporary);
  if (written.ok() && ::fchmod(fd.get(), mode) != 0) {
    written = system_error("set the mode of", temporary, errno);
  }
  if (written.ok() && ::rename(temporary.c_str(), path.c_str()) != 0) {
    written = system_error("rename to", path, errno);
  }
  if (!written.ok()) {
    ::unlink(temporary.c_str());
    return written;
  }
  return sync_folder_of(path);
}

Result<> make_folder(const std::string& path, mode_t mode) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return {};
  std::filesystem::create_directories(path, error);
  if (error) return system_error("make the folder", path, error.value());
  if (::chmod(path.c_str(), mode) != 0) return system_error("set the mode of", path, errno);
  return {};
}

}  // namespace weft
