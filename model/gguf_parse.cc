// Two walks over the header: the first allocates nothing and refuses what is broken, the second
// fills tables of exactly the size needed. So a hostile file costs at most twice its metadata.
#include "model/gguf_parse.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>

#include "base/text.h"

namespace weft::model {
namespace {

constexpr uint64_t kAlignmentDefault = 32;
constexpr uint64_t kEntryBytesMin = 14;   // key length, one character, type, one byte
constexpr uint64_t kTensorBytesMin = 33;  // name length, one character, 1 dimension, type, offset

struct Header {
  uint32_t version = 0;
  uint64_t tensor_count = 0;
  uint64_t entry_count = 0;
};

struct RawTensor {
  std::string_view name;
  uint32_t info_offset = 0;
  uint32_t dim_count = 0;
  std::array<uint64_t, kDimsMax> dims{};
  TensorTypeInfo type{};
  uint64_t offset = 0;  // from the start of the tensor data
  uint64_t elements = 0;
  uint64_t bytes = 0;
};

// What must be kept of every tensor to look for overlaps and equal names; at most 24 bytes each.
struct Extent {
  uint64_t begin;  // from the start of the file
  uint64_t bytes;
  uint32_t name_offset;
  uint32_t name_bytes;

  std::string name(ByteView file) const {
    return printable(as_text(file.subspan(name_offset, name_bytes)));
  }
};

Error corrupt(std::string message) {
  return Error(ErrorCode::kCorrupt, std::move(message));
}

Result<Header> read_header(ByteReader& reader) {
  Header header;
  auto magic = reader.take(4);
  if (!magic.ok() || as_text(*magic) != "GGUF") {
    return corrupt("not a GGUF file: it does not begin with the letters GGUF");
  }
  WEFT_TRY(header.version, reader.number<uint32_t>());
  if (header.version == 0) return corrupt("GGUF version 0 does not exist");
  if ((header.version & 0xFFFF) == 0) {
    return Error(ErrorCode::kUnsupported,
                 "a big-endian GGUF is not supported; use the little-endian file");
  }
  if (header.version != 2 && header.version != 3) {
    return Error(ErrorCode::kUnsupported,
                 cat("GGUF version ", header.version, " is not supported; versions 2 and 3 are"));
  }
  WEFT_TRY(header.tensor_count, reader.number<uint64_t>());
  WEFT_TRY(header.entry_count, reader.number<uint64_t>());
  if (header.tensor_count > kTensorsMax ||
      header.tensor_count * kTensorBytesMin > reader.remaining()) {
    return corrupt(cat("it claims ", header.tensor_count, " tensors; ", reader.remaining(),
                       " bytes follow and at most ", kTensorsMax, " are allowed"));
  }
  if (header.entry_count > kMetadataKeysMax ||
      header.entry_count * kEntryBytesMin > reader.remaining()) {
    return corrupt(cat("it claims ", header.entry_count, " metadata keys; ", reader.remaining(),
                       " bytes follow and at most ", kMetadataKeysMax, " are allowed"));
  }
  return header;
}

Result<GgufType> read_type(ByteReader& reader) {
  WEFT_TRY(const uint32_t number, reader.number<uint32_t>());
  if (number > uint32_t(GgufType::kF64)) return corrupt(cat("value type ", number, " is unknown"));
  return GgufType(number);
}

// Any byte but 0 and 1 as a truth value is a sign of a broken writer.
Result<> check_bools(ByteView bytes) {
  for (const uint8_t byte : bytes) {
    if (byte > 1) return corrupt(cat("a bool is ", int(byte), ", neither 0 nor 1"));
  }
  return {};
}

Result<> read_array(ByteReader& reader, ByteView header, GgufEntry& entry) {
  WEFT_TRY(entry.element_type, read_type(reader));
  WEFT_TRY(const uint64_t count, reader.number<uint64_t>());
  if (entry.element_type == GgufType::kArray) {
    return Error(ErrorCode::kUnsupported, "an array of arrays is not supported");
  }
  const uint64_t size = gguf_type_bytes(entry.element_type);
  const uint64_t least = size == 0 ? sizeof(uint64_t) : size;
  if (count > reader.remaining() / least) {
    return corrupt(cat("an array of ", count, " elements needs more bytes than the ",
                       reader.remaining(), " that are left"));
  }
  uint64_t bytes = count * size;
  entry.value_offset = uint32_t(reader.position());
  if (size == 0) {
    WEFT_TRY(bytes, walk_strings(header.subspan(reader.position()), count, [](auto) {}));
  }
  WEFT_TRY(const ByteView value, reader.take(bytes));
  entry.value_bytes = uint32_t(bytes);
  entry.count = uint32_t(count);
  return entry.element_type == GgufType::kBool ? check_bools(value) : Result<>();
}

Result<> read_value(ByteReader& reader, ByteView header, GgufEntry& entry) {
  WEFT_TRY(entry.type, read_type(reader));
  entry.element_type = entry.type;
  entry.count = 1;
  if (entry.type == GgufType::kArray) return read_array(reader, header, entry);
  uint64_t bytes = gguf_type_bytes(entry.type);
  if (entry.type == GgufType::kText) {
    WEFT_TRY(bytes, reader.number<uint64_t>());
  }
  entry.value_offset = uint32_t(reader.position());
  WEFT_TRY(const ByteView value, reader.take(bytes));
  entry.value_bytes = uint32_t(bytes);
  return entry.type == GgufType::kBool ? check_bools(value) : Result<>();
}

template <typename Visit>
Result<> walk_entries(ByteReader& reader, ByteView header, uint64_t count, Visit visit) {
  for (uint64_t i = 0; i < count; ++i) {
    GgufEntry entry{};
    const auto context = [&] { return cat("metadata key ", i + 1, " of ", count); };
    auto key_bytes = reader.number<uint64_t>();
    if (!key_bytes.ok()) return std::move(key_bytes).error().within(context());
    if (*key_bytes == 0) return corrupt(cat(context(), " has an empty name"));
    if (*key_bytes > kKeyBytesMax) {
      return corrupt(cat(context(), ": its name has ", *key_bytes, " bytes, at most ", kKeyBytesMax,
                         " are allowed"));
    }
    entry.key_offset = uint32_t(reader.position());
    entry.key_bytes = uint16_t(*key_bytes);
    auto key = reader.take(*key_bytes);
    if (!key.ok()) return std::move(key).error().within(context());
    Result<> value = read_value(reader, header, entry);
    if (!value.ok()) {
      return std::move(value).error().within(cat("metadata ", printable(as_text(*key))));
    }
    visit(entry);
  }
  return {};
}

// Elements and bytes of a tensor from its dimensions; every product is checked.
Result<> size_tensor(RawTensor& tensor) {
  tensor.elements = 1;
  for (uint32_t d = 0; d < tensor.dim_count; ++d) {
    if (tensor.dims[d] == 0) return corrupt(cat("dimension ", d, " is zero"));
    if (__builtin_mul_overflow(tensor.elements, tensor.dims[d], &tensor.elements) ||
        tensor.elements > uint64_t(INT64_MAX)) {
      return corrupt("the product of its dimensions overflows");
    }
  }
  const TensorTypeInfo& type = tensor.type;
  if (tensor.dims[0] % type.block_elements != 0) {
    return corrupt(cat("rows of ", tensor.dims[0], " elements are no whole number of ", type.name,
                       " blocks of ", type.block_elements));
  }
  const uint64_t blocks = tensor.elements / type.block_elements;
  if (__builtin_mul_overflow(blocks, uint64_t(type.block_bytes), &tensor.bytes)) {
    return corrupt("its size in bytes overflows");
  }
  return {};
}

Result<> read_tensor(ByteReader& reader, RawTensor& tensor) {
  WEFT_TRY(tensor.dim_count, reader.number<uint32_t>());
  if (tensor.dim_count == 0 || tensor.dim_count > kDimsMax) {
    return corrupt(
        cat("it has ", tensor.dim_count, " dimensions; 1 to ", kDimsMax, " are allowed"));
  }
  for (uint32_t d = 0; d < tensor.dim_count; ++d) {
    WEFT_TRY(tensor.dims[d], reader.number<uint64_t>());
  }
  WEFT_TRY(const uint32_t type, reader.number<uint32_t>());
  WEFT_TRY(tensor.type, tensor_type_from_file(type));
  WEFT_TRY(tensor.offset, reader.number<uint64_t>());
  return size_tensor(tensor);
}

template <typename Visit>
Result<> walk_tensors(ByteReader& reader, uint64_t count, Visit visit) {
  for (uint64_t i = 0; i < count; ++i) {
    RawTensor tensor;
    const auto context = [&] { return cat("tensor ", i + 1, " of ", count); };
    auto name_bytes = reader.number<uint64_t>();
    if (!name_bytes.ok()) return std::move(name_bytes).error().within(context());
    if (*name_bytes == 0 || *name_bytes > kTensorNameBytesMax) {
      return corrupt(cat(context(), ": its name has ", *name_bytes, " bytes; 1 to ",
                         kTensorNameBytesMax, " are allowed"));
    }
    tensor.info_offset = uint32_t(reader.position());
    auto name = reader.take(*name_bytes);
    if (!name.ok()) return std::move(name).error().within(context());
    tensor.name = as_text(*name);
    Result<> rest = read_tensor(reader, tensor);
    if (!rest.ok()) return std::move(rest).error().within(cat("tensor ", printable(tensor.name)));
    visit(tensor);
  }
  return {};
}

Result<> check_duplicate_keys(const std::vector<GgufEntry>& entries, ByteView file) {
  for (size_t i = 1; i < entries.size(); ++i) {
    if (entries[i].key(file) == entries[i - 1].key(file)) {
      return corrupt(cat("metadata ", printable(entries[i].key(file)), " is there twice"));
    }
  }
  return {};
}

Result<uint64_t> read_alignment(const std::vector<GgufEntry>& entries, ByteView file) {
  for (const GgufEntry& entry : entries) {
    if (entry.key(file) != "general.alignment") continue;
    if (entry.type != GgufType::kU32) {
      return corrupt(
          cat("general.alignment is of type ", gguf_type_name(entry.type), ", it must be u32"));
    }
    uint32_t alignment;
    std::memcpy(&alignment, entry.value(file).data(), sizeof alignment);
    if (alignment < 8 || alignment > kAlignmentMax || (alignment & (alignment - 1)) != 0) {
      return corrupt(cat("general.alignment is ", alignment,
                         "; it must be a power of two from 8 to ", kAlignmentMax));
    }
    return uint64_t(alignment);
  }
  return kAlignmentDefault;
}

// Every tensor must lie in the file, aligned, and share no byte with another.
Result<> check_extents(std::vector<Extent>& extents, ByteView file, uint64_t alignment) {
  std::sort(extents.begin(), extents.end(),
            [](const Extent& a, const Extent& b) { return a.begin < b.begin; });
  for (size_t i = 0; i < extents.size(); ++i) {
    const Extent& t = extents[i];
    if (t.begin % alignment != 0) {
      return corrupt(cat("tensor ", t.name(file), " begins at byte ", t.begin,
                         ", which is not aligned to ", alignment));
    }
    if (t.begin > file.size() || t.bytes > file.size() - t.begin) {
      return corrupt(cat("tensor ", t.name(file), " needs bytes ", t.begin, "+", t.bytes,
                         ", file has ", file.size(),
                         ". The file looks truncated; download it again"));
    }
    if (i > 0 && extents[i - 1].bytes > t.begin - extents[i - 1].begin) {
      return corrupt(cat("tensors ", extents[i - 1].name(file), " and ", t.name(file),
                         " overlap at byte ", t.begin));
    }
  }
  const auto name = [&](const Extent& t) {
    return as_text(file.subspan(t.name_offset, t.name_bytes));
  };
  std::sort(extents.begin(), extents.end(),
            [&](const Extent& a, const Extent& b) { return name(a) < name(b); });
  for (size_t i = 1; i < extents.size(); ++i) {
    if (name(extents[i]) == name(extents[i - 1])) {
      return corrupt(cat("tensor ", extents[i].name(file), " is there twice"));
    }
  }
  return {};
}

// Checks where the tensors lie, then makes the public table. `reader` stands at the tensor table.
Result<> read_tensors(ByteReader reader, uint64_t count, ByteView file, uint64_t alignment,
                      uint64_t data_offset, GgufLayout& layout) {
  ByteReader again = reader;
  {
    std::vector<Extent> extents;
    extents.reserve(count);
    bool wraps = false;
    WEFT_CHECK(walk_tensors(reader, count, [&](const RawTensor& t) {
      uint64_t begin = 0, end = 0;
      wraps |= __builtin_add_overflow(data_offset, t.offset, &begin) ||
               __builtin_add_overflow(begin, t.bytes, &end);
      extents.push_back({begin, t.bytes, t.info_offset, uint32_t(t.name.size())});
    }));
    if (wraps) return corrupt("a tensor's offset and size overflow 64 bits");
    WEFT_CHECK(check_extents(extents, file, alignment));
  }
  layout.tensors.reserve(count);
  WEFT_CHECK(walk_tensors(again, count, [&](const RawTensor& t) {
    layout.tensors.push_back({std::string(t.name),
                              t.type.type,
                              {t.dims.begin(), t.dims.begin() + t.dim_count},
                              data_offset + t.offset,
                              t.bytes,
                              t.elements});
  }));
  layout.by_name.resize(count);
  std::iota(layout.by_name.begin(), layout.by_name.end(), 0);
  std::sort(layout.by_name.begin(), layout.by_name.end(), [&](uint32_t a, uint32_t b) {
    return layout.tensors[a].name < layout.tensors[b].name;
  });
  return {};
}

}  // namespace

std::string_view gguf_type_name(GgufType type) {
  constexpr std::string_view kNames[] = {"u8",   "i8",   "u16",   "i16", "u32", "i32", "f32",
                                         "bool", "text", "array", "u64", "i64", "f64"};
  return kNames[size_t(type)];
}

uint32_t gguf_type_bytes(GgufType type) {
  constexpr uint32_t kBytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  return kBytes[size_t(type)];
}

Result<GgufLayout> parse_gguf(ByteView file) {
  const ByteView header = file.first(std::min<uint64_t>(file.size(), kHeaderBytesMax));
  ByteReader reader(header);
  GgufLayout layout;
  WEFT_TRY(const Header counts, read_header(reader));
  layout.version = counts.version;

  ByteReader entry_reader = reader;
  WEFT_CHECK(walk_entries(reader, header, counts.entry_count, [](const GgufEntry&) {}));
  ByteReader tensor_reader = reader;
  WEFT_CHECK(walk_tensors(reader, counts.tensor_count, [](const RawTensor&) {}));
  layout.header_bytes = reader.position();

  layout.entries.reserve(counts.entry_count);
  WEFT_CHECK(walk_entries(entry_reader, header, counts.entry_count,
                          [&](const GgufEntry& entry) { layout.entries.push_back(entry); }));
  std::sort(layout.entries.begin(), layout.entries.end(),
            [&](const GgufEntry& a, const GgufEntry& b) { return a.key(file) < b.key(file); });
  WEFT_CHECK(check_duplicate_keys(layout.entries, file));
  WEFT_TRY(const uint64_t alignment, read_alignment(layout.entries, file));

  const uint64_t data_offset = (layout.header_bytes + alignment - 1) / alignment * alignment;
  WEFT_CHECK(
      read_tensors(tensor_reader, counts.tensor_count, file, alignment, data_offset, layout));
  return layout;
}

}  // namespace weft::model
