// A file mapped for reading that survives being truncated under us.
//
// Touching a mapped page that the file no longer has raises SIGBUS. A process-wide handler, put in
// place by the first mapping, lays a page of zeros over the missing one and marks the mapping
// damaged; any other SIGBUS goes to the action that was there before.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/file.h"
#include "base/result.h"

namespace weft::model {

// Mappings that may be alive at once; one more is refused with kExhausted.
inline constexpr uint32_t kMappingsMax = 256;

class MappedFile {
 public:
  // kNotFound, kDenied or kIo with the system's reason; kInvalid if it is not a regular file;
  // kCorrupt if it is empty; kExhausted past kMappingsMax.
  static Result<MappedFile> open(const std::string& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile() { close(); }

  // Valid while this lives. Any thread.
  ByteView bytes() const { return bytes_; }
  // `part` (within bytes()) will be read soon: the system reads ahead. Any thread.
  void will_read(ByteView part) const;
  // `part` is not needed for now: its pages no longer count as this process's memory. Reading it
  // again is slower, not wrong. Any thread.
  void forget(ByteView part) const;
  // True once a page turned out to be missing or the file is shorter than it was. Any thread.
  bool damaged() const;

 private:
  MappedFile() = default;
  void advise(ByteView part, int advice) const;
  void close();

  FileDescriptor fd_;
  ByteView bytes_;
  uint32_t slot_ = kMappingsMax;  // in the handler's registry
};

}  // namespace weft::model
