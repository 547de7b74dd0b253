#include "model/quantize_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <limits>
#include <thread>

#include "base/file.h"
#include "model/gguf_writer.h"
#include "model/model.h"
#include "model/quantize.h"
#include "model/synth.h"
#include "model/tokenizer.h"
#include "tests/support/support.h"

namespace weft::model {
namespace {

using ::testing::HasSubstr;

class QuantizeFile : public ::testing::Test {
 protected:
  void write(const std::string& quant, const std::string& shape = "tiny") {
    ASSERT_TRUE(write_synthetic({.path = input_, .shape = shape, .quant = quant}).ok());
  }

  QuantizeFileOptions options(std::string_view recipe) const {
    QuantizeFileOptions options;
    options.input = input_;
    options.output = output_;
    options.recipe = *find_quantize_recipe(recipe);
    options.pieces = 4;
    options.run = [](uint32_t pieces, const std::function<void(uint32_t)>& body) {
      std::vector<std::thread> threads;
      for (uint32_t piece = 0; piece < pieces; ++piece) threads.emplace_back(body, piece);
      for (std::thread& thread : threads) thread.join();
    };
    return options;
  }

  // Only the input is left in the folder.
  void expect_nothing_left() const {
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      EXPECT_EQ(entry.path().string(), input_);
    }
  }

  test::TemporaryFolder folder_;
  std::string input_ = folder_ / "in.gguf", output_ = folder_ / "out.gguf";
};

TEST_F(QuantizeFile, EveryTensorIsTheQuantizedOneAndMetadataStays) {
  write("f16");
  for (const QuantizeRecipe& recipe : quantize_recipes()) {
    const auto done = quantize_file(options(recipe.name));
    ASSERT_TRUE(done.ok()) << done.error().message;
    const GgufFile in = GgufFile::open(input_).value(), out = GgufFile::open(output_).value();
    const auto types = recipe_types(recipe, in).value();
    ASSERT_EQ(out.tensors().size(), in.tensors().size());
    for (size_t i = 0; i < types.size(); ++i) {
      const GgufTensor &from = in.tensors()[i], &to = out.tensors()[i];
      EXPECT_EQ(to.name, from.name);
      EXPECT_EQ(to.dims, from.dims);
      ASSERT_EQ(to.type, types[i]) << to.name;
      std::vector<float> values(from.elements);
      dequantize(from.type, in.data(from), values);
      const Bytes expected = quantize(types[i], values);
      const ByteView data = out.data(to);
      EXPECT_TRUE(std::equal(data.begin(), data.end(), expected.begin(), expected.end()));
    }
    EXPECT_EQ(out.u64("general.file_type").value(), recipe.file_type);
    EXPECT_EQ(out.u64("general.quantization_version").value(), 2u);
    EXPECT_EQ(done->output_bytes, out.file_bytes());
    EXPECT_EQ(done->input_bytes, in.file_bytes());
    // All other metadata, byte for byte and in order.
    std::vector<GgufRawEntry> kept;
    for (const GgufRawEntry& entry : out.raw_entries()) {
      if (!entry.key.starts_with("general.file") && !entry.key.starts_with("general.quant")) {
        kept.push_back(entry);
      }
    }
    size_t at = 0;
    for (const GgufRawEntry& entry : in.raw_entries()) {
      if (entry.key == "general.file_type") continue;
      ASSERT_LT(at, kept.size());
      EXPECT_EQ(kept[at].key, entry.key);
      EXPECT_TRUE(std::equal(entry.typed_value.begin(), entry.typed_value.end(),
                             kept[at].typed_value.begin(), kept[at].typed_value.end()));
      ++at;
    }
    EXPECT_EQ(at, kept.size());
    const auto model = Model::open(output_);
    ASSERT_TRUE(model.ok()) << model.error().message;
    EXPECT_TRUE(Tokenizer::from_gguf(model->file()).ok());
  }
}

TEST_F(QuantizeFile, TheErrorIsThatOfTheTypeAndTheBytesDoNotDependOnThreads) {
  write("f32");
  const std::pair<const char*, double> errors[] = {
      {"Q8_0", 0.006}, {"Q6_K", 0.019}, {"Q5_K_M", 0.037}, {"Q4_K_M", 0.073}, {"Q4_0", 0.086}};
  double before = 0;
  for (const auto& [recipe, bound] : errors) {
    QuantizeFileOptions many = options(recipe);
    const auto first = quantize_file(many).value();
    const Bytes bytes = read_file(output_, 1 << 26).value();
    EXPECT_LT(first.relative_error, bound) << recipe;
    EXPECT_GT(first.relative_error, before);
    before = first.relative_error;
    QuantizeFileOptions one = options(recipe);
    one.pieces = 1;
    const auto second = quantize_file(one).value();
    EXPECT_EQ(read_file(output_, 1 << 26).value(), bytes);
    EXPECT_EQ(second.relative_error, first.relative_error);
  }
}

TEST_F(QuantizeFile, Q8AndBfloatAreSourcesToo) {
  for (const char* quant : {"q8_0", "bf16"}) {
    write(quant);
    ASSERT_TRUE(quantize_file(options("Q4_K_M")).ok());
    EXPECT_EQ(Model::open(output_)->layer(2).attn_q->type, TensorType::kQ4_K);
  }
  // What has the type already is copied.
  write("q8_0");
  const auto same = quantize_file(options("Q8_0"));
  EXPECT_EQ(same->relative_error, 0);
}

TEST_F(QuantizeFile, ProgressEndsAtTheTotal) {
  write("f16");
  QuantizeFileOptions told = options("Q4_0");
  uint64_t last = 0, all = 0;
  told.progress = [&](uint64_t done, uint64_t total) {
    EXPECT_GT(done, last);
    last = done;
    all = total;
    return true;
  };
  ASSERT_TRUE(quantize_file(told).ok());
  EXPECT_EQ(last, all);
  EXPECT_GT(all, 0u);
}

TEST_F(QuantizeFile, CancelledAtAnyPointItLeavesNothingAndTheOldFileStands) {
  write("f16");
  for (const int steps : {0, 1, 5, 20}) {
    for (const bool old : {false, true}) {
      std::filesystem::remove(output_);
      if (old) {
        ASSERT_TRUE(write_file_atomic(output_, as_bytes("old")).ok());
      }
      QuantizeFileOptions cancelled = options("Q4_K_M");
      int left = steps;
      cancelled.progress = [&](uint64_t, uint64_t) { return left-- > 0; };
      const auto done = quantize_file(cancelled);
      ASSERT_FALSE(done.ok());
      EXPECT_EQ(done.error().code, ErrorCode::kCancelled);
      EXPECT_FALSE(std::filesystem::exists(output_ + ".part"));
      if (old) {
        EXPECT_EQ(as_text(read_file(output_, 100).value()), "old");
      } else {
        expect_nothing_left();
      }
    }
  }
}

TEST_F(QuantizeFile, ValuesThatAreNoFiniteNumbersAreRefusedByName) {
  for (const float bad :
       {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    std::vector<float> values(512 * 512, 0.5f);
    values[200'000] = bad;
    GgufWriter writer;
    writer.text("general.architecture", "llama");
    writer.tensor("blk.0.ffn_up.weight", TensorType::kF32, {512, 512});
    ASSERT_TRUE(writer.open(input_).ok());
    ASSERT_TRUE(writer.write(quantize(TensorType::kF32, values)).ok());
    ASSERT_TRUE(writer.finish().ok());
    const auto done = quantize_file(options("Q4_K_M"));
    ASSERT_FALSE(done.ok());
    EXPECT_EQ(done.error().code, ErrorCode::kCorrupt);
    EXPECT_THAT(done.error().message, HasSubstr("blk.0.ffn_up.weight"));
    EXPECT_THAT(done.error().message, HasSubstr("elements 196608 and following"));
    expect_nothing_left();
  }
}

TEST_F(QuantizeFile, AFileThatIsNoModelOrCutShortIsRefused) {
  EXPECT_EQ(quantize_file(options("Q4_0")).error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(write_file_atomic(input_, as_bytes("no model at all, but some text")).ok());
  EXPECT_EQ(quantize_file(options("Q4_0")).error().code, ErrorCode::kCorrupt);
  write("f16");
  std::filesystem::resize_file(input_, std::filesystem::file_size(input_) / 2);
  EXPECT_EQ(quantize_file(options("Q4_0")).error().code, ErrorCode::kCorrupt);
  expect_nothing_left();
}

TEST_F(QuantizeFile, AnInputThatBecomesShorterMeanwhileIsSeen) {
  write("f16", "small");
  QuantizeFileOptions cut = options("Q4_0");
  cut.progress = [&](uint64_t, uint64_t) {
    std::filesystem::resize_file(input_, 8192);
    return true;
  };
  const auto done = quantize_file(cut);
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(done.error().message, HasSubstr("became shorter"));
  expect_nothing_left();
}

}  // namespace
}  // namespace weft::model
