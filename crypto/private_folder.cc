#include "crypto/private_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <thread>

#include "base/text.h"

namespace weft::crypto {
namespace {

constexpr const char* kLockName = "trust.lock";
constexpr const char* kNodeLockName = "node.lock";

// Owner and mode, of a folder or of a file in it.
Result<> check_private(const struct stat& status, const std::string& path) {
  const bool folder = S_ISDIR(status.st_mode);
  if (status.st_uid != ::geteuid()) {
    return Error(ErrorCode::kDenied,
                 cat(path, " belongs to user ", status.st_uid, ", weft runs as user ", ::geteuid(),
                     "; run weft as its owner, or: chown ", ::geteuid(), " '", path, "'"));
  }
  if ((status.st_mode & 077) != 0) {
    char mode[8];
    std::snprintf(mode, sizeof mode, "%04o", unsigned(status.st_mode & 07777));
    return Error(ErrorCode::kDenied, cat(path, " has mode ", mode,
                                         ", so others may read the keys in it; if nobody did: "
                                         "chmod ",
                                         folder ? "700" : "600", " '", path, "'"));
  }
  return {};
}

Error link_refused(const std::string& path) {
  return Error(ErrorCode::kDenied, cat(path,
                                       " is a link; weft follows no links to its keys. Put the "
                                       "real one in its place"));
}

bool is_link(int folder_fd, const char* name) {
  struct stat status;
  return ::fstatat(folder_fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(status.st_mode);
}

// Opens or makes a lock file without following a link, and checks it.
Result<FileDescriptor> open_lock_file(int folder_fd, const char* name, const std::string& path) {
  FileDescriptor fd(
      ::openat(folder_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600));
  if (!fd.valid()) {
    const int reason = errno;
    if (is_link(folder_fd, name)) return link_refused(path);
    return system_error("open", path, reason);
  }
  struct stat status;
  if (::fstat(fd.get(), &status) != 0) return system_error("look at", path, errno);
  WEFT_CHECK(check_private(status, path));
  return fd;
}

}  // namespace

Result<PrivateFolder> PrivateFolder::open(std::string path) {
  // With a slash at the end the system would follow a link in spite of O_NOFOLLOW.
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const std::string parent = std::filesystem::path(path).parent_path().string();
  if (!parent.empty()) WEFT_CHECK(make_folder(parent, 0700));
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return system_error("make the folder", path, errno);
  }
  FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) {
    const int reason = errno;
    if (is_link(AT_FDCWD, path.c_str())) return link_refused(path);
    return system_error("open the folder", path, reason);
  }
  struct stat status;
  if (::fstat(fd.get(), &status) != 0) return system_error("look at", path, errno);
  WEFT_CHECK(check_private(status, path));
  return PrivateFolder(std::move(path), std::move(fd));
}

Result<FolderLock> PrivateFolder::lock(int tries) const {
  WEFT_TRY(FileDescriptor fd, open_lock_file(fd_.get(), kLockName, path_of(kLockName)));
  for (int i = 0; i < tries; ++i) {
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return FolderLock(std::move(fd));
    if (errno != EWOULDBLOCK && errno != EINTR) return system_error("lock", path_, errno);
    std::this_thread::sleep_for(std::chrono::milliseconds(kLockTryMs));
  }
  return Error(ErrorCode::kTimeout,
               cat("another weft command has held ", path_of(kLockName), " for ",
                   tries * kLockTryMs, " ms; wait for it or end it, then try again"));
}

Result<bool> PrivateFolder::has(std::string_view name) const {
  struct stat status;
  if (::fstatat(fd_.get(), std::string(name).c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0)
    return true;
  if (errno == ENOENT) return false;
  return system_error("look at", path_of(name), errno);
}

// Not blocking, so that a pipe of that name cannot hold us up.
Result<FileDescriptor> PrivateFolder::open_file(std::string_view name, size_t& size) const {
  const std::string own_name(name), path = path_of(name);
  FileDescriptor fd(
      ::openat(fd_.get(), own_name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) {
    const int reason = errno;
    if (is_link(fd_.get(), own_name.c_str())) return link_refused(path);
    return system_error("open", path, reason);
  }
  struct stat status;
  if (::fstat(fd.get(), &status) != 0) return system_error("look at", path, errno);
  if (!S_ISREG(status.st_mode)) {
    return Error(ErrorCode::kDenied, cat(path, " is not a plain file; move it away"));
  }
  WEFT_CHECK(check_private(status, path));
  size = size_t(status.st_size);
  return fd;
}

namespace {

Result<> read_all(int fd, std::span<uint8_t> out, const std::string& path) {
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t n = ::read(fd, out.data() + done, out.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error("read", path, errno);
    if (n == 0) return Error(ErrorCode::kCorrupt, cat(path, " ended while it was read"));
    done += size_t(n);
  }
  return {};
}

Result<> write_all(int fd, ByteView content, const std::string& path) {
  size_t done = 0;
  while (done < content.size()) {
    const ssize_t n = ::write(fd, content.data() + done, content.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error("write", path, errno);
    done += size_t(n);
  }
  return {};
}

}  // namespace

Result<Bytes> PrivateFolder::read(std::string_view name, size_t limit_bytes) const {
  size_t size = 0;
  WEFT_TRY(const FileDescriptor fd, open_file(name, size));
  if (size > limit_bytes) {
    return Error(ErrorCode::kCorrupt, cat(path_of(name), " has ", size, " bytes; ", limit_bytes,
                                          " is the most it can have"));
  }
  Bytes content(size);
  WEFT_CHECK(read_all(fd.get(), content, path_of(name)));
  return content;
}

Result<> PrivateFolder::read_exactly(std::string_view name, std::span<uint8_t> out) const {
  size_t size = 0;
  WEFT_TRY(const FileDescriptor fd, open_file(name, size));
  if (size != out.size()) {
    return Error(ErrorCode::kCorrupt, cat(path_of(name), " has ", size, " bytes, it should have ",
                                          out.size(), "; it was cut or changed"));
  }
  return read_all(fd.get(), out, path_of(name));
}

Result<> PrivateFolder::write_temporary(const std::string& name, ByteView content) const {
  const std::string path = path_of(name);
  WEFT_CHECK(step(WriteStep::kCreate));
  // What a killed command left; the lock shows that nobody is writing it now.
  if (::unlinkat(fd_.get(), name.c_str(), 0) != 0 && errno != ENOENT) {
    return system_error("remove", path, errno);
  }
  FileDescriptor fd(::openat(fd_.get(), name.c_str(),
                             O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd.valid()) return system_error("create", path, errno);
  if (::fchmod(fd.get(), 0600) != 0) return system_error("set the mode of", path, errno);
  WEFT_CHECK(step(WriteStep::kWrite));
  WEFT_CHECK(write_all(fd.get(), content, path));
  WEFT_CHECK(step(WriteStep::kSync));
  if (::fsync(fd.get()) != 0) return system_error("sync", path, errno);
  return {};
}

Result<> PrivateFolder::write(const FolderLock&, std::string_view name, ByteView content) const {
  const std::string own_name(name), temporary = own_name + ".new";
  Result<> written = write_temporary(temporary, content);
  if (written.ok()) written = step(WriteStep::kRename);
  if (written.ok() && ::renameat(fd_.get(), temporary.c_str(), fd_.get(), own_name.c_str()) != 0) {
    written = system_error("rename to", path_of(name), errno);
  }
  if (!written.ok()) {
    ::unlinkat(fd_.get(), temporary.c_str(), 0);
    return written;
  }
  WEFT_CHECK(step(WriteStep::kSyncFolder));
  if (::fsync(fd_.get()) != 0) return system_error("sync", path_, errno);
  return {};
}

Result<> PrivateFolder::remove(const FolderLock&, std::string_view name) const {
  if (::unlinkat(fd_.get(), std::string(name).c_str(), 0) != 0 && errno != ENOENT) {
    return system_error("remove", path_of(name), errno);
  }
  if (::fsync(fd_.get()) != 0) return system_error("sync", path_, errno);
  return {};
}

Result<DataFolderLock> DataFolderLock::take(const std::string& folder) {
  WEFT_CHECK(make_folder(folder, 0700));
  const std::string path = folder + "/" + kNodeLockName;
  WEFT_TRY(FileDescriptor fd, open_lock_file(AT_FDCWD, path.c_str(), path));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return system_error("lock", path, errno);
    char text[24] = {};
    const ssize_t n = ::pread(fd.get(), text, sizeof text - 1, 0);
    const std::string_view pid = trim(std::string_view(text, n > 0 ? size_t(n) : 0));
    return Error(ErrorCode::kConflict,
                 cat("a node runs in ", folder, " already (process ", printable(pid),
                     "); end it, or give this one a folder of its own with --dir"));
  }
  const std::string pid = cat(::getpid(), "\n");
  if (::ftruncate(fd.get(), 0) != 0) return system_error("write", path, errno);
  WEFT_CHECK(write_all(fd.get(), as_bytes(pid), path));
  return DataFolderLock(std::move(fd));
}

}  // namespace weft::crypto
