#include "node/model_offer.h"

#include <gtest/gtest.h>

#include "model/synth.h"
#include "tests/kernels/tiny_model.h"

namespace weft::node {
namespace {

StoredModel stored(const std::string& path) {
  StoredModel model;
  model.name = "a model";
  model.model = std::make_shared<const model::Model>(model::Model::open(path).value());
  return model;
}

TEST(ModelOffer, SaysTheModelsShape) {
  const kernels::TinyModel tiny;
  const transport::ModelOffer offer = offer_of(stored(tiny.path()));
  EXPECT_EQ(offer.name, "a model");
  EXPECT_EQ(offer.hidden_dim, 32u);
  EXPECT_EQ(offer.layers.size(), 3u);
  EXPECT_GT(offer.scratch_row_bytes, 0u);
  EXPECT_GT(offer.head.bytes, offer.head.idle_bytes);
}

TEST(ModelOffer, SaysWhatLayersTakeInMemoryAndAreComputedAs) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "quantized.gguf";
  ASSERT_TRUE(model::write_synthetic({.path = path, .shape = "tiny", .quant = "iq2_s"}).ok());
  const transport::ModelOffer offer = offer_of(stored(path));
  // Of 256 x 256 twice, 128 x 256 twice and 768 x 256 thrice, and two vectors of 256 floats.
  constexpr uint64_t kElements = 256 * (2 * 256 + 2 * 128 + 3 * 768);
  EXPECT_EQ(offer.layers[0].parameters, kElements);
  EXPECT_EQ(offer.layers[0].bytes, kElements / 32 * 34 + 2 * 256 * 4);
  EXPECT_EQ(offer.layers[0].tensor_type, uint32_t(model::TensorType::kQ8_0));
  EXPECT_EQ(offer.embedding.bytes, uint64_t{512 * 256 / 32 * 34});
}

}  // namespace
}  // namespace weft::node
