#include "kernels/cpu/cpu_weight.h"

#include <algorithm>
#include <cstring>

#include "base/text.h"
#include "kernels/cpu/panel.h"
#include "kernels/cpu/repack.h"

namespace weft::kernels {
namespace {

constexpr uint64_t kCopyChunkBytes = uint64_t{1} << 20;

uint32_t chunk_count(uint64_t items, uint64_t per_chunk) {
  return uint32_t((items + per_chunk - 1) / per_chunk);
}

}  // namespace

Result<std::unique_ptr<CpuWeight>> CpuWeight::load(const TensorView& tensor, WeightUse use,
                                                   ThreadPool& pool, bool twins) {
  WEFT_TRY(const uint64_t row_bytes, row_bytes_of(tensor));
  std::unique_ptr<CpuWeight> weight(new CpuWeight(tensor, row_bytes, twins));
  if (use != WeightUse::kLookup) {
    WEFT_CHECK(weight->load_panels(tensor, pool));
  } else if (tensor.rows == 1) {
    WEFT_CHECK(weight->load_vector(tensor.data));
  } else {
    WEFT_CHECK(weight->load_rows(tensor, pool));
  }
  return weight;
}

void CpuWeight::keep_as(model::TensorType type) {
  const model::TensorTypeInfo& info = model::tensor_type_info(type);
  type_ = type;
  row_bytes_ = uint64_t{cols() / info.block_elements} * info.block_bytes;
}

Result<> CpuWeight::load_panels(const TensorView& tensor, ThreadPool& pool) {
  const uint64_t file_row_bytes = row_bytes_;
  keep_as(kept_as(tensor.type).type);
  const uint64_t one_panel = kernels::panel_bytes(type_, cols());
  const uint32_t halves = panel_rows() / kPanelRows;
  const uint32_t panels = chunk_count(rows(), panel_rows());
  WEFT_TRY(memory_, MappedMemory::create(halves * one_panel * panels));
  panel_bytes_ = halves * one_panel;
  const uint64_t per_chunk = std::max<uint64_t>(1, kCopyChunkBytes / panel_bytes_);
  // The rows of 8 from `first` on, if there are any.
  const auto pack = [&](uint64_t first, uint8_t* to) {
    if (first >= rows()) return;
    const uint32_t count = uint32_t(std::min<uint64_t>(kPanelRows, rows() - first));
    repack_panel(tensor.type, tensor.data.data() + first * file_row_bytes, file_row_bytes, count,
                 cols(), to);
  };
  pool.parallel_for(chunk_count(panels, per_chunk), [&](uint32_t chunk) {
    const uint64_t begin = chunk * per_chunk;
    const uint64_t end = std::min<uint64_t>(panels, begin + per_chunk);
    std::vector<uint8_t> apart(twins_ ? panel_bytes_ : 0);
    for (uint64_t p = begin; p < end; ++p) {
      uint8_t* to = memory_.data() + p * panel_bytes_;
      if (!twins_) {
        pack(p * kPanelRows, to);
        continue;
      }
      std::fill(apart.begin(), apart.end(), uint8_t{0});
      pack(p * kTwinRows, apart.data());
      pack(p * kTwinRows + kPanelRows, apart.data() + one_panel);
      make_twin(type_, apart.data(), apart.data() + one_panel, cols(), to);
    }
    const uint64_t read_from = begin * panel_rows() * file_row_bytes;
    const uint64_t read_to = std::min<uint64_t>(end * panel_rows(), rows()) * file_row_bytes;
    if (tensor.done_with) tensor.done_with(tensor.data.subspan(read_from, read_to - read_from));
  });
  return {};
}

Result<> CpuWeight::load_rows(const TensorView& tensor, ThreadPool& pool) {
  const uint64_t file_row_bytes = row_bytes_;
  // A row that is looked up must have the values that a product sees where it is both, or a split
  // of a model with tied embeddings would not compute what one node does.
  if (!kept_as(tensor.type).exact) keep_as(kept_as(tensor.type).type);
  WEFT_TRY(memory_, MappedMemory::create(rows() * row_bytes_));
  const uint64_t per_chunk = std::max<uint64_t>(1, kCopyChunkBytes / row_bytes_);
  pool.parallel_for(chunk_count(rows(), per_chunk), [&](uint32_t chunk) {
    const uint64_t begin = chunk * per_chunk;
    const uint64_t count = std::min<uint64_t>(per_chunk, rows() - begin);
    const ByteView in_file = tensor.data.subspan(begin * file_row_bytes, count * file_row_bytes);
    uint8_t* to = memory_.data() + begin * row_bytes_;
    if (type_ == tensor.type) {
      std::memcpy(to, in_file.data(), in_file.size());
    } else {
      repack(tensor.type, in_file, {to, count * row_bytes_});
    }
    if (tensor.done_with) tensor.done_with(in_file);
  });
  return {};
}

Result<> CpuWeight::load_vector(ByteView data) {
  WEFT_TRY(memory_, MappedMemory::create(uint64_t{cols()} * sizeof(float)));
  model::dequantize(type_, data, {reinterpret_cast<float*>(memory_.data()), cols()});
  type_ = model::TensorType::kF32;
  row_bytes_ = memory_.size();
  return {};
}

std::span<const float> CpuWeight::values() const {
  WEFT_ASSERT(type_ == model::TensorType::kF32 && !has_panels());
  return {reinterpret_cast<const float*>(memory_.data()), memory_.size() / sizeof(float)};
}

void CpuWeight::read_row(uint32_t row, std::span<float> out, std::span<uint8_t> scratch) const {
  WEFT_ASSERT(row < rows() && out.size() == cols());
  if (!has_panels()) {
    model::dequantize(type_, {memory_.data() + row * row_bytes_, row_bytes_}, out);
    return;
  }
  WEFT_ASSERT(scratch.size() >= row_bytes_);
  unpack_row(type_, panel(row / panel_rows()), twins_, row % panel_rows(), cols(), scratch.data());
  model::dequantize(type_, {scratch.data(), row_bytes_}, out);
}

}  // namespace weft::kernels
