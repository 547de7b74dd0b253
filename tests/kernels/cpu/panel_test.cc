#include "kernels/cpu/panel.h"

#include "tests/kernels/cpu/cpu_test_support.h"

namespace weft::kernels {
namespace {

TEST(Panel, TakesTheBytesOfItsRowsInTheFile) {
  for (const model::TensorType type : kAllTypes) {
    EXPECT_EQ(panel_bytes(type, 512), model::tensor_bytes(type, 8 * 512));
  }
  EXPECT_EQ(panel_count(1), 1u);
  EXPECT_EQ(panel_count(8), 1u);
  EXPECT_EQ(panel_count(UINT32_MAX), 1u << 29);
}

TEST(Panel, GivesBackEveryRowBitForBit) {
  Random random(test::test_seed(51));
  for (const model::TensorType type : kAllTypes) {
    for (const uint32_t rows : {1u, 5u, 8u}) {
      const Tensor tensor = make_tensor(type, rows, 768, random);
      const size_t row_bytes = tensor.data.size() / rows;
      Bytes panel(panel_bytes(type, tensor.cols));
      pack_panel(type, tensor.data.data(), row_bytes, rows, tensor.cols, panel.data());
      for (uint32_t lane = 0; lane < rows; ++lane) {
        Bytes row(row_bytes);
        unpack_row(type, panel.data(), false, lane, tensor.cols, row.data());
        EXPECT_TRUE(std::equal(row.begin(), row.end(), tensor.data.begin() + lane * row_bytes))
            << model::tensor_type_info(type).name << " lane " << lane;
      }
    }
  }
}

TEST(Panel, ATwinGivesBackEveryRowOfItsPanels) {
  Random random(test::test_seed(52));
  for (const model::TensorType type : kAllTypes) {
    const Tensor tensor = make_tensor(type, 16, 768, random);
    const size_t row_bytes = tensor.data.size() / 16;
    const uint64_t bytes = panel_bytes(type, tensor.cols);
    Bytes panels[2], twin(2 * bytes);
    for (uint32_t half = 0; half < 2; ++half) {
      panels[half].resize(bytes);
      pack_panel(type, tensor.data.data() + half * 8 * row_bytes, row_bytes, 8, tensor.cols,
                 panels[half].data());
    }
    make_twin(type, panels[0].data(), panels[1].data(), tensor.cols, twin.data());
    for (uint32_t lane = 0; lane < 16; ++lane) {
      Bytes row(row_bytes);
      unpack_row(type, twin.data(), true, lane, tensor.cols, row.data());
      EXPECT_TRUE(std::equal(row.begin(), row.end(), tensor.data.begin() + lane * row_bytes))
          << model::tensor_type_info(type).name << " lane " << lane;
    }
  }
}

}  // namespace
}  // namespace weft::kernels
