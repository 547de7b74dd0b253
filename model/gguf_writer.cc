#include "model/gguf_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "base/text.h"
#include "model/gguf_parse.h"

namespace weft::model {
namespace {

constexpr uint64_t kAlignment = 32;

uint64_t padding(uint64_t bytes) {
  return (kAlignment - bytes % kAlignment) % kAlignment;
}

void put_text(ByteWriter& out, std::string_view text) {
  out.number<uint64_t>(text.size()).append(as_bytes(text));
}

// A clear word before the first byte is better than "no space left" after the last gigabyte.
Result<> check_free_space(const std::string& path, uint64_t needed) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  std::error_code error;
  const auto space = std::filesystem::space(folder.empty() ? "." : folder, error);
  if (error) return system_error("look at the free space of", folder.string(), error.value());
  if (space.available < needed) {
    return Error(ErrorCode::kExhausted,
                 cat("write ", path, ": it needs ", format_bytes(needed), ", but only ",
                     format_bytes(space.available), " are free; free some or choose another disk"));
  }
  return {};
}

}  // namespace

GgufWriter::~GgufWriter() {
  if (fd_.valid()) ::unlink((path_ + ".part").c_str());
}

void GgufWriter::begin_entry(std::string_view key, uint32_t type) {
  put_text(entries_, key);
  entries_.number(type);
  ++entry_count_;
}

void GgufWriter::u32(std::string_view key, uint32_t value) {
  begin_entry(key, uint32_t(GgufType::kU32));
  entries_.number(value);
}

void GgufWriter::f32(std::string_view key, float value) {
  begin_entry(key, uint32_t(GgufType::kF32));
  entries_.number(value);
}

void GgufWriter::boolean(std::string_view key, bool value) {
  begin_entry(key, uint32_t(GgufType::kBool));
  entries_.number<uint8_t>(value ? 1 : 0);
}

void GgufWriter::text(std::string_view key, std::string_view value) {
  begin_entry(key, uint32_t(GgufType::kText));
  put_text(entries_, value);
}

void GgufWriter::texts(std::string_view key, std::span<const std::string> values) {
  begin_entry(key, uint32_t(GgufType::kArray));
  entries_.number(uint32_t(GgufType::kText)).number<uint64_t>(values.size());
  for (const std::string& value : values) put_text(entries_, value);
}

void GgufWriter::floats(std::string_view key, std::span<const float> values) {
  begin_entry(key, uint32_t(GgufType::kArray));
  entries_.number(uint32_t(GgufType::kF32)).number<uint64_t>(values.size());
  for (const float value : values) entries_.number(value);
}

void GgufWriter::integers(std::string_view key, std::span<const int32_t> values) {
  begin_entry(key, uint32_t(GgufType::kArray));
  entries_.number(uint32_t(GgufType::kI32)).number<uint64_t>(values.size());
  for (const int32_t value : values) entries_.number(value);
}

void GgufWriter::raw(std::string_view key, ByteView typed_value) {
  put_text(entries_, key);
  entries_.append(typed_value);
  ++entry_count_;
}

void GgufWriter::tensor(std::string_view name, TensorType type, std::vector<uint64_t> dims) {
  WEFT_ASSERT(!dims.empty() && dims.size() <= kDimsMax);
  WEFT_ASSERT(dims[0] % tensor_type_info(type).block_elements == 0);
  uint64_t elements = 1;
  for (const uint64_t dim : dims) WEFT_ASSERT(!__builtin_mul_overflow(elements, dim, &elements));
  tensors_.push_back({std::string(name), type, std::move(dims), tensor_bytes(type, elements)});
}

Bytes GgufWriter::header() const {
  ByteWriter out;
  out.append(as_bytes("GGUF")).number<uint32_t>(3);
  out.number<uint64_t>(tensors_.size()).number(entry_count_).append(entries_.bytes());
  uint64_t offset = 0;
  for (const Tensor& tensor : tensors_) {
    put_text(out, tensor.name);
    out.number(uint32_t(tensor.dims.size()));
    for (const uint64_t dim : tensor.dims) out.number(dim);
    out.number(uint32_t(tensor.type)).number(offset);
    offset += tensor.bytes + padding(tensor.bytes);
  }
  return out.take();
}

uint64_t GgufWriter::data_bytes() const {
  uint64_t bytes = 0;
  for (const Tensor& tensor : tensors_) bytes += tensor.bytes;
  return bytes;
}

uint64_t GgufWriter::file_bytes() const {
  uint64_t bytes = header().size();
  bytes += padding(bytes);
  for (const Tensor& tensor : tensors_) bytes += tensor.bytes + padding(tensor.bytes);
  return bytes;
}

Result<> GgufWriter::open(const std::string& path) {
  WEFT_ASSERT(!fd_.valid());
  WEFT_CHECK(check_free_space(path, file_bytes()));
  path_ = path;
  const std::string part = path + ".part";
  fd_ = FileDescriptor(::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd_.valid()) return system_error("create", part, errno);
  Bytes bytes = header();
  bytes.resize(bytes.size() + padding(bytes.size()));
  return put(bytes);
}

Result<> GgufWriter::put(ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error("write", path_ + ".part", errno);
    bytes = bytes.subspan(size_t(n));
  }
  return {};
}

Result<> GgufWriter::write(ByteView bytes) {
  constexpr uint8_t kZeros[kAlignment] = {};
  while (!bytes.empty()) {
    WEFT_ASSERT(current_ < tensors_.size());
    const uint64_t size = tensors_[current_].bytes;
    const ByteView part = bytes.first(std::min<uint64_t>(bytes.size(), size - in_current_));
    WEFT_CHECK(put(part));
    bytes = bytes.subspan(part.size());
    in_current_ += part.size();
    if (in_current_ == size) {
      WEFT_CHECK(put({kZeros, padding(size)}));
      ++current_;
      in_current_ = 0;
    }
  }
  return {};
}

Result<> GgufWriter::finish() {
  WEFT_ASSERT(fd_.valid() && current_ == tensors_.size());
  const std::string part = path_ + ".part";
  if (::fsync(fd_.get()) != 0) return system_error("write", part, errno);
  if (std::rename(part.c_str(), path_.c_str()) != 0) {
    return system_error("rename to", path_, errno);
  }
  fd_.close();
  return {};
}

}  // namespace weft::model
