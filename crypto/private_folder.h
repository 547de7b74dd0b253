// A folder that only its owner may enter, and the files of secrets in it.
//
// The folder has mode 0700, files 0600; another owner, a wider mode, a link or anything that is not
// a plain file is refused with the command that puts it right. A file is replaced in four steps (a
// new file beside it, sync, rename, sync of the folder), so whatever happens in between leaves the
// old content or the new.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/file.h"
#include "base/result.h"
#include "crypto/secret.h"

namespace weft::crypto {

// The points of a write where a power cut or a full disk may strike; each is told before it is
// done.
enum class WriteStep { kCreate, kWrite, kSync, kRename, kSyncFolder };

// How long a command waits for another one that holds the folder's lock.
inline constexpr int kLockTries = 500;
inline constexpr int kLockTryMs = 10;

// Held while a command reads, decides and writes; released at the end, also when the process dies.
class FolderLock {
 public:
  explicit FolderLock(FileDescriptor fd) : fd_(std::move(fd)) {}

 private:
  FileDescriptor fd_;
};

class PrivateFolder {
 public:
  // Opens the folder, made with mode 0700 (and the one above it) if it is not there.
  // kDenied: a link, another owner, or open to others; kIo and others as the system says.
  static Result<PrivateFolder> open(std::string path);

  const std::string& path() const { return path_; }

  // Excludes other commands and threads. kTimeout after `tries` times kLockTryMs.
  Result<FolderLock> lock(int tries = kLockTries) const;

  Result<bool> has(std::string_view name) const;
  // The whole file. kNotFound; kDenied as above; kCorrupt if it is larger than `limit_bytes`.
  Result<Bytes> read(std::string_view name, size_t limit_bytes) const;
  // A file of exactly this size, straight into locked memory. kCorrupt for another size.
  template <size_t Size>
  Result<Secret<Size>> read_secret(std::string_view name) const {
    Secret<Size> secret;
    WEFT_CHECK(read_exactly(name, secret.writable()));
    return secret;
  }

  // Replaces the file, mode 0600. The lock shows that no other command is writing.
  Result<> write(const FolderLock& lock, std::string_view name, ByteView content) const;
  // No error if there is none.
  Result<> remove(const FolderLock& lock, std::string_view name) const;

  // For tests: called before each step of a write; an error that it returns is what the step meets.
  void set_write_fault(std::function<Result<>(WriteStep)> fault) { fault_ = std::move(fault); }

 private:
  PrivateFolder(std::string path, FileDescriptor fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  std::string path_of(std::string_view name) const { return path_ + "/" + std::string(name); }
  Result<FileDescriptor> open_file(std::string_view name, size_t& size) const;
  Result<> read_exactly(std::string_view name, std::span<uint8_t> out) const;
  Result<> write_temporary(const std::string& name, ByteView content) const;
  Result<> step(WriteStep next) const { return fault_ ? fault_(next) : Result<>(); }

  std::string path_;
  FileDescriptor fd_;
  std::function<Result<>(WriteStep)> fault_;
};

// One running node per data folder. The lock goes with the process, however it ends.
class DataFolderLock {
 public:
  // Makes the folder (0700) if it is not there, locks `node.lock` in it and writes this process's
  // id into it. kConflict with the other's id if a node runs in it already.
  static Result<DataFolderLock> take(const std::string& folder);

 private:
  explicit DataFolderLock(FileDescriptor fd) : fd_(std::move(fd)) {}
  FileDescriptor fd_;
};

}  // namespace weft::crypto
