// Builds GGUF files byte by byte, broken ones above all.
#pragma once

#include <fstream>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "model/gguf_parse.h"

namespace weft::model {

class GgufBytes {
 public:
  GgufBytes& header(uint64_t tensors, uint64_t keys, uint32_t version = 3) {
    out_.append(as_bytes("GGUF")).number(version).number(tensors).number(keys);
    return *this;
  }
  GgufBytes& text(std::string_view value) {
    out_.number<uint64_t>(value.size()).append(as_bytes(value));
    return *this;
  }
  template <typename T>
  GgufBytes& number(T value) {
    out_.number(value);
    return *this;
  }
  GgufBytes& key(std::string_view name, GgufType type) { return text(name).number(uint32_t(type)); }
  template <typename T>
  GgufBytes& key(std::string_view name, GgufType type, T value) {
    return key(name, type).number(value);
  }
  GgufBytes& text_key(std::string_view name, std::string_view value) {
    return key(name, GgufType::kText).text(value);
  }
  GgufBytes& array(std::string_view name, GgufType element, uint64_t count) {
    return key(name, GgufType::kArray).number(uint32_t(element)).number(count);
  }
  GgufBytes& tensor(std::string_view name, std::initializer_list<uint64_t> dims, uint32_t type,
                    uint64_t offset) {
    text(name).number(uint32_t(dims.size()));
    for (const uint64_t dim : dims) number(dim);
    return number(type).number(offset);
  }
  GgufBytes& pad_to(size_t alignment) {
    while (out_.bytes().size() % alignment != 0) out_.number<uint8_t>(0);
    return *this;
  }
  GgufBytes& zeros(size_t count) {
    for (size_t i = 0; i < count; ++i) out_.number<uint8_t>(0);
    return *this;
  }
  const Bytes& bytes() const { return out_.bytes(); }

 private:
  ByteWriter out_;
};

inline void write_bytes(const std::string& path, ByteView bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(bytes.data()), std::streamsize(bytes.size()));
  WEFT_ASSERT(out.good());
}

}  // namespace weft::model
