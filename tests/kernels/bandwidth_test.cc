#include "kernels/bandwidth.h"

#include <gtest/gtest.h>

namespace weft::kernels {
namespace {

TEST(Bandwidth, IsAPlausibleNumberForMemory) {
  const double measured = measure_read_bandwidth(2).value();
  EXPECT_GT(measured, 0.05);
  EXPECT_LT(measured, 10000);
}

TEST(Bandwidth, RefusesMoreThreadsThanAPoolTakes) {
  EXPECT_EQ(measure_read_bandwidth(100000).error().code, ErrorCode::kInvalid);
}

}  // namespace
}  // namespace weft::kernels
