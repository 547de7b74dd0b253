#include "kernels/cpu/repack.h"

#include "kernels/cpu/cpu_weight.h"
#include "kernels/cpu/panel.h"
#include "tests/kernels/agreement.h"
#include "tests/kernels/cpu/cpu_test_support.h"

namespace weft::kernels {
namespace {

using model::TensorType;

std::string name_of(TensorType type) {
  return std::string(model::tensor_type_info(type).name);
}

Bytes repacked(const Tensor& tensor) {
  Bytes out(model::tensor_bytes(kept_as(tensor.type).type, tensor.values.size()));
  repack(tensor.type, tensor.data, out);
  return out;
}

std::vector<float> kept_values(const Tensor& tensor) {
  std::vector<float> values(tensor.values.size());
  model::dequantize(kept_as(tensor.type).type, repacked(tensor), values);
  return values;
}

TEST(Repack, TypesWithPanelsStayAsTheyAre) {
  Random random(test::test_seed(61));
  for (const TensorType type : kAllTypes) {
    EXPECT_EQ(kept_as(type).type, type);
    EXPECT_TRUE(kept_as(type).exact);
    const Tensor tensor = make_tensor(type, 2, 512, random);
    EXPECT_EQ(repacked(tensor), tensor.data);
  }
}

TEST(Repack, EveryTypeIsKeptAsOneThatHasPanels) {
  EXPECT_EQ(repacked_types().size() + std::size(kAllTypes), model::all_tensor_types().size());
  for (const TensorType type : repacked_types()) {
    const TensorType kept = kept_as(type).type;
    EXPECT_NE(kept, type) << name_of(type);
    EXPECT_NE(std::find(std::begin(kAllTypes), std::end(kAllTypes), kept), std::end(kAllTypes));
  }
}

TEST(Repack, ExactTypesKeepTheirValuesToTheLastBit) {
  Random random(test::test_seed(62));
  for (const TensorType type : repacked_types()) {
    if (!kept_as(type).exact) continue;
    for (const int fill : {-1, -1, 0x00, 0x55, 0x7f, 0x80, 0xff}) {
      const Tensor tensor = make_tensor(type, 8, 768, random, fill);
      const std::vector<float> kept = kept_values(tensor);
      EXPECT_EQ(std::memcmp(kept.data(), tensor.values.data(), kept.size() * sizeof(float)), 0)
          << name_of(type) << " filled with " << fill;
    }
  }
}

TEST(Repack, OtherTypesAreRoundedToTheNearestOf8BitsIn32Values) {
  Random random(test::test_seed(63));
  for (const TensorType type : repacked_types()) {
    if (kept_as(type).exact) continue;
    EXPECT_EQ(kept_as(type).type, TensorType::kQ8_0);
    const Tensor tensor = make_tensor(type, 8, 768, random);
    const std::vector<float> kept = kept_values(tensor);
    for (size_t at = 0; at < kept.size(); at += 32) {
      float largest = 0;
      for (size_t i = at; i < at + 32; ++i) {
        largest = std::max(largest, std::abs(tensor.values[i]));
      }
      for (size_t i = at; i < at + 32; ++i) {
        // Half a step, and what the f16 of the step itself was rounded by.
        ASSERT_NEAR(kept[i], tensor.values[i], largest * (0.5 / 127 + 1e-3)) << name_of(type);
      }
    }
  }
}

TEST(Repack, InfinitiesAndWhatIsNoNumberStaySeen) {
  Random random(test::test_seed(64));
  for (const TensorType type : repacked_types()) {
    const model::TensorTypeInfo& info = model::tensor_type_info(type);
    // A scale of all ones is no number in f16 and in E8M0, wherever the type has it.
    const std::vector<float> kept =
        kept_values({type, 1, info.block_elements, Bytes(info.block_bytes, 0xff),
                     std::vector<float>(info.block_elements)});
    for (const float value : kept) EXPECT_FALSE(std::isfinite(value)) << info.name;
  }
}

TEST(RepackPanel, IsThePanelOfTheRepackedRows) {
  Random random(test::test_seed(65));
  for (const model::TensorTypeInfo& info : model::all_tensor_types()) {
    for (const uint32_t rows : {1u, 5u, 8u}) {
      const Tensor tensor = make_tensor(info.type, rows, 768, random);
      const TensorType kept = kept_as(info.type).type;
      const Bytes rows_kept = repacked(tensor);
      Bytes panel(panel_bytes(kept, 768)), expected(panel.size());
      repack_panel(info.type, tensor.data.data(), tensor.data.size() / rows, rows, 768,
                   panel.data());
      pack_panel(kept, rows_kept.data(), rows_kept.size() / rows, rows, 768, expected.data());
      EXPECT_EQ(panel, expected) << info.name;
    }
  }
}

TEST(RepackedWeight, TakesTheMemoryThatIsSaid) {
  Random random(test::test_seed(66));
  const auto pool = ThreadPool::create(2).value();
  for (const model::TensorTypeInfo& info : model::all_tensor_types()) {
    const Tensor tensor = make_tensor(info.type, 64, 512, random);
    model::GgufTensor listed;
    listed.type = info.type;
    listed.dims = {512, 64};
    listed.elements = 512 * 64;
    listed.bytes = tensor.data.size();
    for (const WeightUse use : {WeightUse::kMatmul, WeightUse::kLookup, WeightUse::kBoth}) {
      const auto weight = CpuWeight::load(tensor.view(), use, *pool, false).value();
      EXPECT_EQ(weight->bytes(), kept_bytes(listed, use)) << info.name;
    }
  }
}

TEST(RepackedWeight, ALookUpReadsWhatAProductSees) {
  Random random(test::test_seed(67));
  const auto pool = ThreadPool::create(2).value();
  for (const TensorType type : repacked_types()) {
    const Tensor tensor = make_tensor(type, 1003, 256, random);
    const std::vector<float> kept = kept_values(tensor);
    for (const WeightUse use : {WeightUse::kLookup, WeightUse::kBoth}) {
      const auto weight = CpuWeight::load(tensor.view(), use, *pool, false).value();
      std::vector<float> row(256);
      Bytes scratch(weight->row_bytes());
      for (const uint32_t index : {0u, 7u, 8u, 500u, 1002u}) {
        weight->read_row(index, row, scratch);
        EXPECT_TRUE(std::equal(row.begin(), row.end(), kept.begin() + index * 256))
            << name_of(type) << " row " << index;
      }
    }
  }
}

TEST(RepackedWeight, ProductsOfRandomShapesAreThoseOfTheReference) {
  Random random(test::test_seed(68));
  const auto reference = make_reference_backend();
  for (const TensorType type : repacked_types()) {
    for (int round = 0; round < 3; ++round) {
      const uint32_t block = model::tensor_type_info(type).block_elements;
      const uint32_t rows = 1 + uint32_t(random.below(90));
      const uint32_t cols = block * (256 / block + uint32_t(random.below(1024 / block)));
      const Tensor tensor = make_tensor(type, rows, cols, random);
      const std::vector<float> x = random_floats((1 + random.below(6)) * cols, random);
      const auto exact = reference->load(tensor.view(), WeightUse::kMatmul).value();
      const std::vector<float> expected = run_matmul(*reference, *exact, x);
      for (const KernelTable* table : tables()) {
        const auto backend = cpu_backend(2, *table);
        const auto weight = backend->load(tensor.view(), WeightUse::kMatmul).value();
        const std::vector<float> out = run_matmul(*backend, *weight, x);
        if (out.size() < 30) continue;  // too few for a correlation; the next test has them
        EXPECT_GE(compare(out, expected).correlation, 0.999)
            << table->name << " " << name_of(type) << " " << rows << " x " << cols;
      }
    }
  }
}

TEST(RepackedWeight, ProductsOfWhatIsKeptAreExactUpToFloatRounding) {
  Random random(test::test_seed(69));
  for (const TensorType type : repacked_types()) {
    for (const auto& [rows, cols, x_rows] : {std::tuple{1, 256, 1}, {13, 768, 5}}) {
      Tensor tensor = make_tensor(type, rows, cols, random);
      tensor.values = kept_values(tensor);
      expect_exact_products(tensor, exact_floats(x_rows, cols, random), 2e-6);
    }
  }
}

}  // namespace
}  // namespace weft::kernels
