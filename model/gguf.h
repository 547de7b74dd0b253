// GGUF, versions 2 and 3, little-endian: metadata, tensor table and mapped tensor data.
// Source: the GGUF specification (ggml docs/gguf.md).
//
// Every length, count and offset is checked before use; memory taken before a refusal is at most
// twice the metadata's bytes. Reading a tensor whose file was truncated after it was mapped does
// not end the process: the missing pages read as zero and `damaged()` turns true.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "model/tensor_type.h"

namespace weft::model {

struct GgufTensor {
  std::string name;
  TensorType type;
  std::vector<uint64_t> dims;  // 1 to 4, the contiguous one first: [cols, rows] for a matrix
  uint64_t offset;             // from the start of the file
  uint64_t bytes;
  uint64_t elements;
};
// "[128, 64]": rows, then columns, as messages have it.
std::string shape_text(std::span<const uint64_t> dims);

// A metadata entry as it stands in the file: to be copied.
struct GgufRawEntry {
  std::string_view key;
  ByteView typed_value;  // the value's type, then the value
};

class GgufFile {
 public:
  // Maps and checks `path`. kCorrupt names the defect, kUnsupported a type or version, kNotFound.
  static Result<GgufFile> open(const std::string& path);
  GgufFile(GgufFile&&) noexcept;
  GgufFile& operator=(GgufFile&&) noexcept;
  ~GgufFile();

  const std::string& path() const;
  uint64_t file_bytes() const;
  uint32_t version() const;
  // Header, metadata and tensor table: the bytes that name a model, up to (not including) the
  // padding before the tensor data.
  ByteView header() const;

  std::span<const GgufTensor> tensors() const;
  const GgufTensor* find(std::string_view name) const;
  // The tensor's bytes in the mapping; valid while this lives.
  ByteView data(const GgufTensor& tensor) const;
  // Advice for reading tensors' bytes; see MappedFile. Any thread.
  void will_read(ByteView part) const;
  void forget(ByteView part) const;
  // True once a mapped page turned out to be missing: what was read since may be zeros.
  bool damaged() const;

  // Metadata. Numbers of any integer (or float) type are converted if they fit.
  // kNotFound if the key is absent, kCorrupt if its type does not fit.
  // Views of text are valid while this lives. Any thread.
  bool has(std::string_view key) const;
  Result<uint64_t> u64(std::string_view key) const;
  Result<double> f64(std::string_view key) const;
  Result<bool> boolean(std::string_view key) const;
  Result<std::string_view> text(std::string_view key) const;
  Result<std::vector<std::string_view>> texts(std::string_view key) const;
  Result<std::vector<float>> floats(std::string_view key) const;
  Result<std::vector<int64_t>> integers(std::string_view key) const;
  // Elements of an array, without reading them; errors as above.
  Result<uint64_t> array_size(std::string_view key) const;
  // All metadata, in the file's order. Views are valid while this lives.
  std::vector<GgufRawEntry> raw_entries() const;
  // All keys with their values as short text, for `weft info`.
  std::vector<std::pair<std::string, std::string>> describe() const;

 private:
  struct State;
  explicit GgufFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace weft::model
