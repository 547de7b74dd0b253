// Writes GGUF version 3: metadata, then tensors in the order they were declared, streamed.
//
//   GgufWriter writer;
//   writer.text("general.architecture", "llama");
//   writer.tensor("token_embd.weight", TensorType::kF32, {64, 256});
//   WEFT_CHECK(writer.open(path));
//   WEFT_CHECK(writer.write(bytes_of_the_tensor));   // any number of pieces
//   WEFT_CHECK(writer.finish());
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/file.h"
#include "base/result.h"
#include "model/tensor_type.h"

namespace weft::model {

class GgufWriter {
 public:
  GgufWriter() = default;
  GgufWriter(GgufWriter&&) = default;
  ~GgufWriter();

  // Metadata and tensors: before `open`. A tensor's first dimension is a whole number of blocks.
  void u32(std::string_view key, uint32_t value);
  void f32(std::string_view key, float value);
  void boolean(std::string_view key, bool value);
  void text(std::string_view key, std::string_view value);
  void texts(std::string_view key, std::span<const std::string> values);
  void floats(std::string_view key, std::span<const float> values);
  void integers(std::string_view key, std::span<const int32_t> values);
  // A value as it stands in another file: its type, then the value (GgufRawEntry).
  void raw(std::string_view key, ByteView typed_value);
  void tensor(std::string_view name, TensorType type, std::vector<uint64_t> dims);

  // Header, metadata and tensor table as they stand in the file, without the padding after them.
  Bytes header() const;
  // The whole file, once all tensors are declared.
  uint64_t file_bytes() const;
  // Of tensor data, without padding.
  uint64_t data_bytes() const;

  // Creates `path`.part and writes the header. kIo, kDenied, kConflict with the system's reason;
  // kExhausted says how much space is missing where the file would not fit.
  Result<> open(const std::string& path);
  // The next bytes of the tensors; padding between tensors is put in. More than was declared is a
  // programmer's mistake.
  Result<> write(ByteView bytes);
  // Checks that all was written, waits until it is on the disk and gives the file its name. Without
  // it `path`.part is removed.
  Result<> finish();

 private:
  struct Tensor {
    std::string name;
    TensorType type;
    std::vector<uint64_t> dims;
    uint64_t bytes;
  };

  void begin_entry(std::string_view key, uint32_t type);
  Result<> put(ByteView bytes);

  ByteWriter entries_;
  uint64_t entry_count_ = 0;
  std::vector<Tensor> tensors_;

  std::string path_;
  FileDescriptor fd_;
  size_t current_ = 0;       // tensor being written
  uint64_t in_current_ = 0;  // bytes of it that are written
};

}  // namespace weft::model
