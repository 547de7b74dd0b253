#include "node/plan_preview.h"

#include <gtest/gtest.h>

#include "kernels/slice_memory.h"
#include "model/synth.h"
#include "tests/support/fake_mesh.h"
#include "tests/support/support.h"

namespace weft::node {
namespace {

using Json = nlohmann::json;

transport::ModelOffer example() {
  transport::ModelOffer shape;
  shape.name = "large";
  shape.file_bytes = 5000;
  shape.hidden_dim = 64;
  shape.vocab_size = 300;
  shape.context_length = 2048;
  shape.kv_bytes_per_token_layer = 256;
  shape.embedding = {700, 350, 1};
  shape.head = {800, 400, 14};
  shape.scratch_row_bytes = 400;
  shape.scratch_position_bytes = 128;
  shape.tied_bytes = 600;
  shape.layers = {{1000, 500, 12}, {1100, 550, 12, 64, 900}};
  return shape;
}
Json example_json() { return Json::parse(shape_json(example()).dump()); }

TEST(PlanPreview, AShapeComesBackFromItsJson) {
  const auto read = parse_shape(example_json());
  ASSERT_TRUE(read.ok()) << read.error().message;
  const transport::ModelOffer wanted = example();
  EXPECT_EQ(read->name, "large");
  EXPECT_EQ(read->file_bytes, wanted.file_bytes);
  EXPECT_EQ(read->hidden_dim, wanted.hidden_dim);
  EXPECT_EQ(read->vocab_size, wanted.vocab_size);
  EXPECT_EQ(read->context_length, wanted.context_length);
  EXPECT_EQ(read->kv_bytes_per_token_layer, wanted.kv_bytes_per_token_layer);
  EXPECT_EQ(read->embedding.parameters, 350u);
  EXPECT_EQ(read->head.tensor_type, 14u);
  ASSERT_EQ(read->layers.size(), 2u);
  EXPECT_EQ(read->layers[1].bytes, 1100u);
  EXPECT_EQ(read->layers[1].kv_tokens_max, 64u);
  EXPECT_EQ(read->layers[1].idle_bytes, 900u);
  EXPECT_EQ(read->scratch_row_bytes, 400u);
  EXPECT_EQ(read->scratch_position_bytes, 128u);
  EXPECT_EQ(read->tied_bytes, 600u);
}

// What the planner counts for a stage is what its slice takes, within 3 %.
TEST(PlanPreview, AStagesMemoryIsThatOfItsSlice) {
  const test::TemporaryFolder folder;
  for (const std::string architecture : {"llama", "qwen3moe", "gemma3", "gpt-oss"}) {
    const std::string path = folder / architecture;
    const model::SynthOptions options{
        .path = path, .architecture = architecture, .shape = "tiny", .layers = 8};
    ASSERT_TRUE(model::write_synthetic(options).ok());
    const model::Model model = model::Model::open(path).value();
    const transport::ModelOffer offer = shape_of_file(path).value();
    constexpr uint32_t kRows = 256;
    for (const uint32_t kv_tokens : {512u, 8192u}) {
      partition::ModelTable table;
      for (const transport::LayerShape& layer : offer.layers) {
        table.layers.push_back({layer.bytes, layer.parameters, layer.tensor_type,
                                layer.kv_tokens_max, layer.idle_bytes});
      }
      table.embedding.bytes = offer.embedding.bytes;
      table.head.bytes = offer.head.bytes;
      table.tied_bytes = offer.tied_bytes;
      table.kv_bytes_per_token_layer = offer.kv_bytes_per_token_layer;
      table.kv_tokens = kv_tokens;
      table.scratch_bytes =
          offer.scratch_row_bytes * kRows + offer.scratch_position_bytes * kv_tokens;
      for (const auto& [first, last] : {std::pair(0u, 6u), std::pair(1u, 7u), std::pair(2u, 8u),
                                        std::pair(0u, 8u)}) {
        const auto slice = kernels::estimate_slice_memory(
            model, {.first_layer = first, .last_layer = last, .kv_tokens = kv_tokens,
                    .rows_max = kRows}, "cpu").value();
        const double taken =
            double(slice.weight_bytes + slice.kv_bytes + slice.scratch_bytes);
        EXPECT_NEAR(double(partition::stage_memory(table, first, last)), taken, 0.03 * taken)
            << architecture << " " << first << "-" << last << " " << kv_tokens;
      }
    }
    if (architecture == "qwen3moe") {
      EXPECT_EQ(offer.layers[0].parameters,
                2u * 256 * 256 + 2 * 128 * 256 + 4 * 256 + 2 * 3 * 256 * 768);
      EXPECT_GT(offer.layers[0].idle_bytes, 0u);
    }
  }
}

TEST(PlanPreview, AShapeThatLacksAFieldIsRefused) {
  const Json whole = example_json();
  for (const auto& [key, value] : whole.items()) {
    Json part = whole;
    part.erase(key);
    EXPECT_EQ(parse_shape(part).error().code, ErrorCode::kInvalid) << key;
    part[key] = "x";
    EXPECT_EQ(parse_shape(part).ok(), key == "name") << key;
    part[key] = -1;
    EXPECT_FALSE(parse_shape(part).ok()) << key;
  }
}

TEST(PlanPreview, AShapeOutOfRangeIsRefused) {
  const auto refused = [](const char* key, Json value) {
    Json shape = example_json();
    shape[key] = std::move(value);
    return !parse_shape(shape).ok();
  };
  EXPECT_FALSE(parse_shape(Json::array()).ok());
  EXPECT_TRUE(refused("hidden_dim", 0));
  EXPECT_TRUE(refused("hidden_dim", uint64_t{1} << 32));
  EXPECT_TRUE(refused("file_bytes", ~uint64_t{0}));
  EXPECT_TRUE(refused("layers", Json::array()));
  EXPECT_TRUE(refused("layers", Json(transport::kLayersMax + 1, Json{1, 1, 1})));
  EXPECT_TRUE(refused("layers", {{1, 1}}));
  EXPECT_TRUE(refused("layers", {{1, 1, uint64_t{1} << 32}}));
  EXPECT_TRUE(refused("layers", {{~uint64_t{0}, 1, 1}}));
  EXPECT_TRUE(refused("head", {1, 1, 1.5}));
}

TEST(PlanPreview, AFilesShapeIsReadFromItsTable) {
  test::TemporaryFolder folder;
  model::SynthOptions synth;
  synth.path = folder / "nano.gguf";
  synth.shape = "nano";
  ASSERT_TRUE(model::write_synthetic(synth).ok());
  const auto shape = shape_of_file(synth.path);
  ASSERT_TRUE(shape.ok()) << shape.error().message;
  EXPECT_EQ(shape->name, "nano");
  EXPECT_EQ(shape->layers.size(), 3u);
  EXPECT_GT(shape->layers[0].bytes, 0u);
  EXPECT_TRUE(parse_shape(Json::parse(shape_json(*shape).dump())).ok());
  EXPECT_FALSE(shape_of_file(folder / "none.gguf").ok());
}

TEST(PlanPreview, FindsAnOfferOfALivingMemberByItsName) {
  mesh::View view = test::fake_mesh();
  view.nodes[1].profile.offers = {example()};
  ASSERT_TRUE(offer_named(view, "large"));
  EXPECT_EQ(offer_named(view, "large")->file_bytes, 5000u);
  EXPECT_FALSE(offer_named(view, "other"));
  view.nodes[1].state = mesh::MemberState::kDead;
  EXPECT_FALSE(offer_named(view, "large"));
}

TEST(PlanPreview, ShowsThePlannersAnswerWithNames) {
  partition::PlanRequest question;
  question.model.kv_tokens = 512;
  question.nodes.resize(2);
  question.nodes[0].node = test::fake_id(1);
  question.nodes[0].name = "laptop";
  question.nodes[1].node = test::fake_id(2);
  question.nodes[1].name = "phone";
  partition::Plan plan;
  plan.stages = {{test::fake_id(1), 0, 2, 0.01, 0.002, 900}};
  plan.left_out = {{test::fake_id(2), "would make it slower", 3}};
  plan.decode_tps = 80;
  const mesh::PlanView view = preview_of(plan, question, example());
  EXPECT_EQ(view.epoch, Epoch{});
  EXPECT_FALSE(view.active);
  EXPECT_EQ(view.model_name, "large");
  EXPECT_EQ(view.layer_count, 2u);
  EXPECT_EQ(view.kv_tokens, 512u);
  ASSERT_EQ(view.stages.size(), 1u);
  EXPECT_EQ(view.stages[0].name, "laptop");
  EXPECT_EQ(view.stages[0].last_layer, 2u);
  EXPECT_EQ(view.stages[0].memory_bytes, 900u);
  ASSERT_EQ(view.left_out.size(), 1u);
  EXPECT_EQ(view.left_out[0].name, "phone");
  EXPECT_EQ(view.left_out[0].reason, "would make it slower");
}

}  // namespace
}  // namespace weft::node
