#include "kernels/weights.h"

#include <limits>

#include "base/text.h"
#include "kernels/cpu/repack.h"

namespace weft::kernels {
namespace {

// How much of a file is asked for ahead of its use: enough to keep a disk busy.
constexpr uint64_t kReadAheadBytes = 64 * 1024 * 1024;

struct BlockRole {
  const model::GgufTensor* model::LayerTensors::*tensor;
  std::unique_ptr<Weight> BlockWeights::*weight;
  WeightUse use;
};

constexpr BlockRole kBlockRoles[] = {
    {&model::LayerTensors::attn_norm, &BlockWeights::attn_norm, WeightUse::kLookup},
    {&model::LayerTensors::attn_q, &BlockWeights::attn_q, WeightUse::kMatmul},
    {&model::LayerTensors::attn_k, &BlockWeights::attn_k, WeightUse::kMatmul},
    {&model::LayerTensors::attn_v, &BlockWeights::attn_v, WeightUse::kMatmul},
    {&model::LayerTensors::attn_q_bias, &BlockWeights::attn_q_bias, WeightUse::kLookup},
    {&model::LayerTensors::attn_k_bias, &BlockWeights::attn_k_bias, WeightUse::kLookup},
    {&model::LayerTensors::attn_v_bias, &BlockWeights::attn_v_bias, WeightUse::kLookup},
    {&model::LayerTensors::attn_q_norm, &BlockWeights::attn_q_norm, WeightUse::kLookup},
    {&model::LayerTensors::attn_k_norm, &BlockWeights::attn_k_norm, WeightUse::kLookup},
    {&model::LayerTensors::attn_sinks, &BlockWeights::attn_sinks, WeightUse::kLookup},
    {&model::LayerTensors::attn_output, &BlockWeights::attn_output, WeightUse::kMatmul},
    {&model::LayerTensors::attn_output_bias, &BlockWeights::attn_output_bias, WeightUse::kLookup},
    {&model::LayerTensors::attn_post_norm, &BlockWeights::attn_post_norm, WeightUse::kLookup},
    {&model::LayerTensors::ffn_norm, &BlockWeights::ffn_norm, WeightUse::kLookup},
    {&model::LayerTensors::ffn_gate, &BlockWeights::ffn_gate, WeightUse::kMatmul},
    {&model::LayerTensors::ffn_up, &BlockWeights::ffn_up, WeightUse::kMatmul},
    {&model::LayerTensors::ffn_down, &BlockWeights::ffn_down, WeightUse::kMatmul},
    {&model::LayerTensors::ffn_post_norm, &BlockWeights::ffn_post_norm, WeightUse::kLookup},
    {&model::LayerTensors::router, &BlockWeights::router, WeightUse::kMatmul},
    {&model::LayerTensors::router_bias, &BlockWeights::router_bias, WeightUse::kLookup},
    {&model::LayerTensors::experts_gate, &BlockWeights::experts_gate, WeightUse::kMatmul},
    {&model::LayerTensors::experts_up, &BlockWeights::experts_up, WeightUse::kMatmul},
    {&model::LayerTensors::experts_down, &BlockWeights::experts_down, WeightUse::kMatmul},
    {&model::LayerTensors::experts_gate_bias, &BlockWeights::experts_gate_bias, WeightUse::kLookup},
    {&model::LayerTensors::experts_up_bias, &BlockWeights::experts_up_bias, WeightUse::kLookup},
    {&model::LayerTensors::experts_down_bias, &BlockWeights::experts_down_bias, WeightUse::kLookup},
};

}  // namespace

const Weight* weight_of(const BlockWeights& block,
                        const model::GgufTensor* model::LayerTensors::*tensor) {
  for (const BlockRole& role : kBlockRoles) {
    if (role.tensor == tensor) return (block.*role.weight).get();
  }
  return nullptr;
}

Result<TensorView> view_tensor(const model::GgufFile& file, const model::GgufTensor& tensor) {
  constexpr uint64_t kDimMax = std::numeric_limits<uint32_t>::max();
  const size_t ranks = tensor.dims.size();
  const uint64_t cols = ranks > 0 ? tensor.dims[0] : 0;
  const uint64_t rows = ranks > 1 ? tensor.dims[1] : 1;
  if (ranks < 1 || ranks > 2 || cols == 0 || rows == 0 || cols > kDimMax || rows > kDimMax) {
    return Error(ErrorCode::kUnsupported,
                 cat("tensor ", tensor.name, " is no matrix of up to ", kDimMax,
                     " rows and columns; this build cannot compute with it"));
  }
  const ByteView data = file.data(tensor);
  const model::TensorTypeInfo& info = model::tensor_type_info(tensor.type);
  const uint64_t elements = rows * cols;  // both below 2^32: cannot overflow
  if (cols % info.block_elements != 0 ||
      data.size() / info.block_bytes != elements / info.block_elements ||
      data.size() % info.block_bytes != 0) {
    return Error(ErrorCode::kCorrupt,
                 cat("tensor ", tensor.name, " has ", data.size(), " bytes, which is not ", rows,
                     " rows of ", cols, " values of type ", info.name, "; download ",
                     printable(file.path()), " again"));
  }
  return TensorView{tensor.type, uint32_t(rows), uint32_t(cols), data,
                    [&file](ByteView part) { file.forget(part); }};
}

std::vector<SliceTensor> list_slice_tensors(const model::Model& model, uint32_t first_layer,
                                            uint32_t last_layer, SliceWeights& weights) {
  const bool first = first_layer == 0;
  const bool last = last_layer == model.config().layer_count;
  const bool shared = first && last && &model.output() == &model.token_embedding();

  std::vector<SliceTensor> tensors;
  if (first) {
    tensors.push_back({&model.token_embedding(), shared ? WeightUse::kBoth : WeightUse::kLookup,
                       &weights.embedding});
  }
  weights.blocks.resize(last_layer - first_layer);
  for (uint32_t i = first_layer; i < last_layer; ++i) {
    for (const BlockRole& role : kBlockRoles) {
      const model::GgufTensor* tensor = model.layer(i).*role.tensor;
      if (tensor == nullptr) continue;
      tensors.push_back({tensor, role.use, &(weights.blocks[i - first_layer].*role.weight)});
    }
  }
  if (last) {
    tensors.push_back({&model.output_norm(), WeightUse::kLookup, &weights.output_norm});
    if (!shared) tensors.push_back({&model.output(), WeightUse::kMatmul, &weights.output});
  }
  return tensors;
}

IdleWeights idle_weights(const model::Model& model, uint32_t layer) {
  IdleWeights idle;
  const model::ModelConfig& config = model.config();
  if (config.expert_count == 0) return idle;
  const model::LayerTensors& tensors = model.layer(layer);
  const uint32_t experts = config.expert_count - config.experts_used;
  for (const model::GgufTensor* tensor :
       {tensors.experts_gate, tensors.experts_up, tensors.experts_down}) {
    idle.bytes += kept_bytes(*tensor, WeightUse::kMatmul) / config.expert_count * experts;
    idle.parameters += tensor->elements / config.expert_count * experts;
  }
  return idle;
}

uint64_t SliceWeights::bytes() const {
  uint64_t total = 0;
  const auto add = [&](const std::unique_ptr<Weight>& weight) {
    if (weight) total += weight->bytes();
  };
  for (const auto* weight : {&embedding, &output_norm, &output}) add(*weight);
  for (const LowRank& pair : output_adapters) total += pair.bytes();
  for (const BlockWeights& block : blocks) {
    for (const BlockRole& role : kBlockRoles) add(block.*role.weight);
    for (const LowRank& pair : block.adapters) total += pair.bytes();
  }
  return total;
}

Result<SliceWeights> load_slice_weights(Backend& backend, const model::Model& model,
                                        uint32_t first_layer, uint32_t last_layer,
                                        const LoadProgress& progress) {
  SliceWeights weights;
  const auto tensors = list_slice_tensors(model, first_layer, last_layer, weights);
  uint64_t total_bytes = 0;
  for (const SliceTensor& entry : tensors) total_bytes += entry.tensor->bytes;

  uint64_t done_bytes = 0;
  size_t asked = 0;  // tensors that the system was told to read ahead
  uint64_t asked_bytes = 0;
  for (const SliceTensor& entry : tensors) {
    for (; asked < tensors.size() && asked_bytes < done_bytes + kReadAheadBytes; ++asked) {
      model.file().will_read(model.file().data(*tensors[asked].tensor));
      asked_bytes += tensors[asked].tensor->bytes;
    }
    WEFT_TRY(const TensorView view, view_tensor(model.file(), *entry.tensor));
    auto loaded = backend.load(view, entry.use);
    if (!loaded.ok()) return std::move(loaded).within(cat("tensor ", entry.tensor->name)).error();
    *entry.place = *std::move(loaded);
    if (model.file().damaged()) {
      return Error(ErrorCode::kCorrupt,
                   cat("tensor ", entry.tensor->name, ": ", printable(model.file().path()),
                       " became shorter while it was read; is it still being copied? Load it again "
                       "when it is whole"));
    }
    done_bytes += entry.tensor->bytes;
    if (progress && !progress(done_bytes, total_bytes)) {
      return Error(ErrorCode::kCancelled,
                   cat("loading was cancelled after ", done_bytes, " of ", total_bytes, " bytes"));
    }
  }
  return weights;
}

}  // namespace weft::kernels
