#include "kernels/adapter.h"

#include <utility>

#include "base/text.h"
#include "kernels/cpu/repack.h"
#include "kernels/memory.h"
#include "kernels/weights.h"

namespace weft::kernels {
namespace {

// B's values times the factor: in F32, since a factor that is no power of two would round others.
Result<std::vector<float>> scaled_b(const SlicePair& entry) {
  const model::GgufTensor& b = *entry.pair->b;
  WEFT_TRY(auto values, make_array<float>(b.elements, "an adapter's matrix"));
  model::dequantize(b.type, entry.from->file.data(b), values);
  for (float& value : values) value *= entry.pair->factor;
  return values;
}

Result<LowRank> load_pair(Backend& backend, const SlicePair& entry, SliceWeights& weights) {
  const model::AdapterPair& pair = *entry.pair;
  LowRank loaded;
  WEFT_TRY(const TensorView a, view_tensor(entry.from->file, *pair.a));
  WEFT_TRY(loaded.a, backend.load(a, WeightUse::kMatmul));
  WEFT_TRY(const std::vector<float> b, scaled_b(entry));
  const ByteView bytes(reinterpret_cast<const uint8_t*>(b.data()), b.size() * sizeof(float));
  const uint64_t row_bytes = uint64_t{pair.rank()} * sizeof(float);
  uint64_t row = 0;
  const auto add_part = [&](const Weight& to, uint32_t rows) -> Result<> {
    WEFT_ASSERT(to.rows() == rows && to.cols() == loaded.a->cols());
    const ByteView part = bytes.subspan(row * row_bytes, rows * row_bytes);
    loaded.parts.push_back({&to, nullptr});
    WEFT_TRY(loaded.parts.back().b,
             backend.load({model::TensorType::kF32, rows, pair.rank(), part}, WeightUse::kMatmul));
    row += rows;
    return {};
  };
  if (pair.parts.empty()) WEFT_CHECK(add_part(weights.head(), pair.rows()));
  for (const auto& part : pair.parts) {
    WEFT_CHECK(add_part(*weight_of(weights.blocks[entry.block], part.member), part.rows));
  }
  return loaded;
}

}  // namespace

uint64_t LowRank::bytes() const {
  uint64_t total = a->bytes();
  for (const Part& part : parts) total += part.b->bytes();
  return total;
}

void multiply(Backend& backend, std::span<const LowRank> adapters,
              std::span<const MatmulTarget> targets, const Buffer& x, uint32_t rows,
              AdapterScratch& scratch) {
  backend.matmul(targets, x, rows);
  for (const LowRank& pair : adapters) {
    bool has_low = false;
    for (const LowRank::Part& part : pair.parts) {
      for (const MatmulTarget& target : targets) {
        if (target.weight != part.to) continue;
        const MatmulTarget low{pair.a.get(), scratch.low.get()};
        if (!std::exchange(has_low, true)) backend.matmul({&low, 1}, x, rows);
        const MatmulTarget delta{part.b.get(), scratch.delta.get()};
        backend.matmul({&delta, 1}, *scratch.low, rows);
        backend.add(*target.out, *scratch.delta, size_t{rows} * part.b->rows());
      }
    }
  }
}

std::vector<SlicePair> list_slice_pairs(const model::Adapters& adapters, uint32_t first_layer,
                                        uint32_t last_layer) {
  std::vector<SlicePair> pairs;
  for (const auto& adapter : adapters) {
    const auto add = [&](const model::AdapterPair& pair, uint32_t block) {
      if (pair.factor != 0) pairs.push_back({adapter->from.get(), &pair, block});
    };
    for (uint32_t i = first_layer; i < last_layer; ++i) {
      for (const model::AdapterPair& pair : adapter->layers[i]) add(pair, i - first_layer);
    }
    if (adapter->output && last_layer == adapter->layers.size()) {
      add(*adapter->output, last_layer - first_layer);
    }
  }
  return pairs;
}

uint64_t adapter_bytes(std::span<const SlicePair> pairs, std::string_view backend) {
  uint64_t total = 0;
  for (const SlicePair& entry : pairs) {
    const model::GgufTensor& a = *entry.pair->a;
    total += backend == "reference" ? a.elements * sizeof(float)
                                    : kept_bytes(a, WeightUse::kMatmul);
    total += entry.pair->b->elements * sizeof(float);
  }
  return total;
}

Result<> load_slice_adapters(Backend& backend, std::span<const SlicePair> pairs,
                             SliceWeights& weights) {
  for (const SlicePair& entry : pairs) {
    auto loaded = load_pair(backend, entry, weights);
    if (!loaded.ok()) return std::move(loaded).within(cat("tensor ", entry.pair->a->name)).error();
    if (entry.from->file.damaged()) {
      return Error(ErrorCode::kCorrupt, cat(printable(entry.from->file.path()),
                                            " became shorter while it was read; load it again "
                                            "when it is whole"));
    }
    auto& place = entry.block == weights.blocks.size() ? weights.output_adapters
                                                       : weights.blocks[entry.block].adapters;
    place.push_back(*std::move(loaded));
  }
  return {};
}

}  // namespace weft::kernels
