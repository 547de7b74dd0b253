#include "model/info.h"

#include <gtest/gtest.h>

#include "model/synth.h"
#include "tests/support/support.h"

namespace weft::model {
namespace {

TEST(Info, CountsTensorsBytesAndParametersByType) {
  const test::TemporaryFolder folder;
  ASSERT_TRUE(write_synthetic({.path = folder / "m", .shape = "tiny", .quant = "q4_k_m"}).ok());
  const auto model = Model::open(folder / "m");
  ASSERT_TRUE(model.ok());
  const ModelInfo info = describe_model(*model);
  EXPECT_EQ(info.config.architecture, "llama");
  EXPECT_TRUE(info.tied_output);
  EXPECT_EQ(info.tensor_count, 38u);
  ASSERT_EQ(info.types.size(), 3u);
  EXPECT_EQ(info.types[0].type, TensorType::kQ4_K);
  uint64_t bytes = 0, elements = 0;
  uint32_t tensors = 0;
  for (const TypeShare& share : info.types) {
    bytes += share.bytes;
    elements += share.elements;
    tensors += share.tensors;
  }
  EXPECT_EQ(bytes, info.tensor_bytes);
  EXPECT_EQ(elements, info.parameters);
  EXPECT_EQ(tensors, info.tensor_count);
  EXPECT_EQ(info.kv_bytes_per_token_f16, 2u * 4 * 4 * 32 * 2);
  EXPECT_EQ(info.kv_bytes_per_token_f32, 2 * info.kv_bytes_per_token_f16);
  EXPECT_GT(info.file_bytes, info.tensor_bytes);
}

}  // namespace
}  // namespace weft::model
