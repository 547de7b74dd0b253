#include "model/gguf.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/text.h"
#include "model/gguf_parse.h"
#include "model/mapped_file.h"

namespace weft::model {
namespace {

// How much of a long value `describe` shows.
constexpr size_t kDescribeBytes = 80;
constexpr uint32_t kDescribeElements = 8;

template <typename T>
T load(const uint8_t* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

bool is_integer(GgufType type) {
  return type != GgufType::kF32 && type != GgufType::kF64 && type != GgufType::kBool &&
         type != GgufType::kText && type != GgufType::kArray;
}

bool is_number(GgufType type) {
  return is_integer(type) || type == GgufType::kF32 || type == GgufType::kF64;
}

// A whole number with its sign apart, so that all of u64 and i64 fit.
struct Integer {
  bool negative;
  uint64_t bits;  // two's complement
};

Integer load_integer(GgufType type, const uint8_t* bytes) {
  const auto of_signed = [](int64_t value) { return Integer{value < 0, uint64_t(value)}; };
  switch (type) {
    case GgufType::kU8:
      return {false, load<uint8_t>(bytes)};
    case GgufType::kU16:
      return {false, load<uint16_t>(bytes)};
    case GgufType::kU32:
      return {false, load<uint32_t>(bytes)};
    case GgufType::kI8:
      return of_signed(load<int8_t>(bytes));
    case GgufType::kI16:
      return of_signed(load<int16_t>(bytes));
    case GgufType::kI32:
      return of_signed(load<int32_t>(bytes));
    case GgufType::kI64:
      return of_signed(load<int64_t>(bytes));
    default:
      return {false, load<uint64_t>(bytes)};
  }
}

double load_double(GgufType type, const uint8_t* bytes) {
  if (type == GgufType::kF32) return load<float>(bytes);
  if (type == GgufType::kF64) return load<double>(bytes);
  const Integer integer = load_integer(type, bytes);
  return integer.negative ? double(int64_t(integer.bits)) : double(integer.bits);
}

Error wrong_type(std::string_view key, const GgufEntry& entry, std::string_view wanted) {
  const bool array = entry.type == GgufType::kArray;
  return Error(
      ErrorCode::kCorrupt,
      cat("metadata ", key, " is ", array ? "an array of " : "of type ",
          gguf_type_name(array ? entry.element_type : entry.type), ", it must be ", wanted));
}

std::string describe_number(GgufType type, const uint8_t* bytes) {
  if (type == GgufType::kBool) return *bytes ? "true" : "false";
  if (!is_integer(type)) return cat(load_double(type, bytes));
  const Integer integer = load_integer(type, bytes);
  return integer.negative ? cat(int64_t(integer.bits)) : cat(integer.bits);
}

std::string describe_value(const GgufEntry& entry, ByteView value) {
  if (entry.type == GgufType::kText) return printable(as_text(value), kDescribeBytes);
  if (entry.type != GgufType::kArray) return describe_number(entry.type, value.data());
  std::string text = cat("[", entry.count, " ", gguf_type_name(entry.element_type), "]");
  const uint32_t size = gguf_type_bytes(entry.element_type);
  if (size == 0) return text;
  for (uint32_t i = 0; i < std::min(entry.count, kDescribeElements); ++i) {
    text += cat(" ", describe_number(entry.element_type, value.data() + uint64_t(i) * size));
  }
  return entry.count > kDescribeElements ? text + " ..." : text;
}

}  // namespace

std::string shape_text(std::span<const uint64_t> dims) {
  std::string text;
  for (size_t d = dims.size(); d-- > 0;) text += cat(text.empty() ? "" : ", ", dims[d]);
  return cat("[", text, "]");
}

struct GgufFile::State {
  std::string path;
  MappedFile mapping;
  GgufLayout layout;

  Result<const GgufEntry*> entry(std::string_view key) const {
    const ByteView file = mapping.bytes();
    const auto at = std::lower_bound(
        layout.entries.begin(), layout.entries.end(), key,
        [&](const GgufEntry& e, std::string_view wanted) { return e.key(file) < wanted; });
    if (at == layout.entries.end() || at->key(file) != key) {
      return Error(ErrorCode::kNotFound, cat("metadata ", key, " is missing"));
    }
    return &*at;
  }

  // The array `key`, if its elements are what `fits` accepts.
  template <typename Fits>
  Result<const GgufEntry*> array(std::string_view key, std::string_view wanted, Fits fits) const {
    WEFT_TRY(const GgufEntry* e, entry(key));
    if (e->type != GgufType::kArray || !fits(e->element_type)) return wrong_type(key, *e, wanted);
    return e;
  }
};

Result<GgufFile> GgufFile::open(const std::string& path) {
  WEFT_TRY(MappedFile mapping, MappedFile::open(path));
  WEFT_TRY(GgufLayout layout, parse_gguf(mapping.bytes()));
  return GgufFile(std::unique_ptr<State>(new State{path, std::move(mapping), std::move(layout)}));
}

GgufFile::GgufFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
GgufFile::GgufFile(GgufFile&&) noexcept = default;
GgufFile& GgufFile::operator=(GgufFile&&) noexcept = default;
GgufFile::~GgufFile() = default;

const std::string& GgufFile::path() const {
  return state_->path;
}
uint64_t GgufFile::file_bytes() const {
  return state_->mapping.bytes().size();
}
uint32_t GgufFile::version() const {
  return state_->layout.version;
}
void GgufFile::will_read(ByteView part) const {
  state_->mapping.will_read(part);
}

void GgufFile::forget(ByteView part) const {
  state_->mapping.forget(part);
}

bool GgufFile::damaged() const {
  return state_->mapping.damaged();
}

ByteView GgufFile::header() const {
  return state_->mapping.bytes().first(state_->layout.header_bytes);
}

std::span<const GgufTensor> GgufFile::tensors() const {
  return state_->layout.tensors;
}

const GgufTensor* GgufFile::find(std::string_view name) const {
  const GgufLayout& layout = state_->layout;
  const auto at = std::lower_bound(
      layout.by_name.begin(), layout.by_name.end(), name,
      [&](uint32_t i, std::string_view wanted) { return layout.tensors[i].name < wanted; });
  if (at == layout.by_name.end() || layout.tensors[*at].name != name) return nullptr;
  return &layout.tensors[*at];
}

ByteView GgufFile::data(const GgufTensor& tensor) const {
  return state_->mapping.bytes().subspan(tensor.offset, tensor.bytes);
}

bool GgufFile::has(std::string_view key) const {
  return state_->entry(key).ok();
}

Result<uint64_t> GgufFile::u64(std::string_view key) const {
  WEFT_TRY(const GgufEntry* entry, state_->entry(key));
  if (!is_integer(entry->type)) return wrong_type(key, *entry, "a whole number");
  const Integer value = load_integer(entry->type, entry->value(state_->mapping.bytes()).data());
  if (value.negative) {
    return Error(ErrorCode::kCorrupt,
                 cat("metadata ", key, " is ", int64_t(value.bits), ", it must not be negative"));
  }
  return value.bits;
}

Result<double> GgufFile::f64(std::string_view key) const {
  WEFT_TRY(const GgufEntry* entry, state_->entry(key));
  if (!is_number(entry->type)) return wrong_type(key, *entry, "a number");
  return load_double(entry->type, entry->value(state_->mapping.bytes()).data());
}

Result<bool> GgufFile::boolean(std::string_view key) const {
  WEFT_TRY(const GgufEntry* entry, state_->entry(key));
  if (entry->type != GgufType::kBool) return wrong_type(key, *entry, "a bool");
  return entry->value(state_->mapping.bytes())[0] != 0;
}

Result<std::string_view> GgufFile::text(std::string_view key) const {
  WEFT_TRY(const GgufEntry* entry, state_->entry(key));
  if (entry->type != GgufType::kText) return wrong_type(key, *entry, "text");
  return as_text(entry->value(state_->mapping.bytes()));
}

Result<std::vector<std::string_view>> GgufFile::texts(std::string_view key) const {
  WEFT_TRY(const GgufEntry* entry, state_->array(key, "an array of text", [](GgufType type) {
    return type == GgufType::kText;
  }));
  std::vector<std::string_view> values;
  values.reserve(entry->count);
  // The lengths are read again and so checked again: the file may have changed since.
  WEFT_TRY([[maybe_unused]] const uint64_t bytes,
           walk_strings(entry->value(state_->mapping.bytes()), entry->count,
                        [&](std::string_view value) { values.push_back(value); }));
  return values;
}

Result<std::vector<float>> GgufFile::floats(std::string_view key) const {
  WEFT_TRY(const GgufEntry* entry, state_->array(key, "an array of f32 or f64", [](GgufType type) {
    return type == GgufType::kF32 || type == GgufType::kF64;
  }));
  const uint8_t* bytes = entry->value(state_->mapping.bytes()).data();
  const uint32_t size = gguf_type_bytes(entry->element_type);
  std::vector<float> values(entry->count);
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = float(load_double(entry->element_type, bytes + i * size));
  }
  return values;
}

Result<std::vector<int64_t>> GgufFile::integers(std::string_view key) const {
  WEFT_TRY(const GgufEntry* entry, state_->array(key, "an array of whole numbers", is_integer));
  const uint8_t* bytes = entry->value(state_->mapping.bytes()).data();
  const uint32_t size = gguf_type_bytes(entry->element_type);
  std::vector<int64_t> values(entry->count);
  for (size_t i = 0; i < values.size(); ++i) {
    const Integer value = load_integer(entry->element_type, bytes + i * size);
    if (!value.negative && value.bits > uint64_t(INT64_MAX)) {
      return Error(ErrorCode::kCorrupt,
                   cat("metadata ", key, " element ", i, " is ", value.bits, ", too large"));
    }
    values[i] = int64_t(value.bits);
  }
  return values;
}

Result<uint64_t> GgufFile::array_size(std::string_view key) const {
  WEFT_TRY(const GgufEntry* entry, state_->array(key, "an array", [](GgufType) { return true; }));
  return uint64_t(entry->count);
}

std::vector<GgufRawEntry> GgufFile::raw_entries() const {
  const ByteView file = state_->mapping.bytes();
  std::vector<const GgufEntry*> entries;
  for (const GgufEntry& entry : state_->layout.entries) entries.push_back(&entry);
  std::sort(entries.begin(), entries.end(), [](const GgufEntry* a, const GgufEntry* b) {
    return a->key_offset < b->key_offset;
  });
  std::vector<GgufRawEntry> raw;
  for (const GgufEntry* entry : entries) {
    const uint64_t begin = uint64_t{entry->key_offset} + entry->key_bytes;
    const uint64_t end = uint64_t{entry->value_offset} + entry->value_bytes;
    raw.push_back({entry->key(file), file.subspan(begin, end - begin)});
  }
  return raw;
}

std::vector<std::pair<std::string, std::string>> GgufFile::describe() const {
  const ByteView file = state_->mapping.bytes();
  std::vector<std::pair<std::string, std::string>> facts;
  for (const GgufEntry& entry : state_->layout.entries) {
    facts.emplace_back(printable(entry.key(file)), describe_value(entry, entry.value(file)));
  }
  return facts;
}

}  // namespace weft::model
