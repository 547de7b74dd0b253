#include "model/info.h"

#include <algorithm>
#include <map>

namespace weft::model {

ModelInfo describe_model(const Model& model) {
  ModelInfo info;
  info.config = model.config();
  info.file_bytes = model.file().file_bytes();
  info.tied_output = &model.output() == &model.token_embedding();

  std::map<TensorType, TypeShare> shares;
  for (const GgufTensor& tensor : model.file().tensors()) {
    TypeShare& share = shares[tensor.type];
    share.type = tensor.type;
    ++share.tensors;
    share.bytes += tensor.bytes;
    share.elements += tensor.elements;
    ++info.tensor_count;
    info.tensor_bytes += tensor.bytes;
    if (!tensor.name.starts_with("rope_")) info.parameters += tensor.elements;
  }
  for (const auto& [type, share] : shares) info.types.push_back(share);
  std::stable_sort(info.types.begin(), info.types.end(),
                   [](const TypeShare& a, const TypeShare& b) { return a.bytes > b.bytes; });

  for (uint32_t i = 0; i < info.config.layer_count; ++i) {
    uint64_t bytes = 0;
    for (const GgufTensor* tensor : model.layer(i).present()) bytes += tensor->bytes;
    info.layer_bytes_max = std::max(info.layer_bytes_max, bytes);
  }
  const uint64_t kv_values = uint64_t(2) * info.config.layer_count * info.config.kv_dim();
  info.kv_bytes_per_token_f16 = kv_values * 2;
  info.kv_bytes_per_token_f32 = kv_values * 4;
  for (uint32_t i = 0; i < info.config.layer_count; ++i) {
    info.windowed_layers += info.config.windowed(i);
  }
  info.window_kv_bytes_per_token_f16 =
      kv_values * 2 / info.config.layer_count * info.windowed_layers;
  return info;
}

}  // namespace weft::model
