#include <gtest/gtest.h>

#include <cstring>

#include "kernels/backend.h"

namespace weft::kernels {
namespace {

std::unique_ptr<Weight> weight_of(Backend& backend, uint32_t rows, uint32_t cols,
                                  const std::vector<float>& values) {
  const ByteView bytes{reinterpret_cast<const uint8_t*>(values.data()),
                       values.size() * sizeof(float)};
  return backend.load({model::TensorType::kF32, rows, cols, bytes}, WeightUse::kBoth).value();
}

std::unique_ptr<Buffer> buffer_of(Backend& backend, const std::vector<float>& values) {
  auto buffer = backend.allocate(values.size()).value();
  backend.write(*buffer, values);
  return buffer;
}

std::vector<float> content(Backend& backend, const Buffer& buffer) {
  EXPECT_TRUE(backend.finish().ok());
  std::vector<float> values(buffer.size());
  backend.read(values, buffer);
  return values;
}

TEST(ReferenceBackend, HalfPrecisionWeightsAreDecodedWhenLoaded) {
  auto backend = make_reference_backend();
  const uint16_t halves[] = {0x3c00, 0xc000, 0x3800, 0x0000};  // 1, -2, 0.5, 0
  const ByteView bytes{reinterpret_cast<const uint8_t*>(halves), sizeof halves};
  const auto weight =
      backend->load({model::TensorType::kF16, 2, 2, bytes}, WeightUse::kLookup).value();
  EXPECT_EQ(weight->bytes(), 16u);
  const auto out = backend->allocate(4).value();
  const TokenId tokens[] = {1, 0};
  backend->embed(*out, *weight, tokens, 1);
  EXPECT_EQ(content(*backend, *out), (std::vector<float>{0.5f, 0, 1, -2}));
}

TEST(ReferenceBackend, OneInputIsMultipliedWithSeveralWeights) {
  auto backend = make_reference_backend();
  const auto x = buffer_of(*backend, {1, 2, 3, 4});
  const auto a = weight_of(*backend, 1, 2, {1, 1});
  const auto b = weight_of(*backend, 2, 2, {1, 0, 0, -1});
  const auto a_out = backend->allocate(2).value(), b_out = backend->allocate(4).value();
  const MatmulTarget targets[] = {{a.get(), a_out.get()}, {b.get(), b_out.get()}};
  backend->matmul(targets, *x, 2);
  EXPECT_EQ(content(*backend, *a_out), (std::vector<float>{3, 7}));
  EXPECT_EQ(content(*backend, *b_out), (std::vector<float>{1, -2, 3, -4}));
}

TEST(ReferenceBackend, OnlyTheGivenRowsOfABufferAreTouched) {
  auto backend = make_reference_backend();
  const auto x = buffer_of(*backend, {2, 2, 5, 5});
  const auto weight = weight_of(*backend, 1, 2, {1, 1});
  backend->rms_norm(*x, *x, *weight, 1, 0);
  backend->add(*x, *x, 1);
  EXPECT_EQ(content(*backend, *x), (std::vector<float>{2, 1, 5, 5}));
}

TEST(ReferenceBackend, AttentionSeesEarlierRowsOfItsSessionAndNothingElse) {
  auto backend = make_reference_backend();
  const KvShape shape{KvType::kF32, 1, 1, 1, 2};
  auto kv = backend->allocate_kv(shape).value();
  const uint32_t alice[] = {0}, bob[] = {1};
  const KvRow rows[] = {{0, alice}, {0, bob}, {1, alice}};
  // All scores are zero, so each row gets the mean of the values it sees.
  const auto zero = buffer_of(*backend, {0, 0, 0});
  const auto values = buffer_of(*backend, {2, 100, 4});
  backend->append_kv(*kv, 0, *zero, *values, rows);
  const auto out = backend->allocate(3).value();
  backend->attention(*out, *zero, *kv, 0, rows, {1, 1, 1, 1.0f});
  EXPECT_EQ(content(*backend, *out), (std::vector<float>{2, 100, 3}));
}

TEST(ReferenceBackend, MemoryThatIsNotThereIsAnError) {
  auto backend = make_reference_backend();
  const auto refused = backend->allocate(size_t{1} << 62);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kExhausted);
}

}  // namespace
}  // namespace weft::kernels
