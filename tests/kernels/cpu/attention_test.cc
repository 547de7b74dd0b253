#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "kernels/kv_quantize.h"
#include "tests/kernels/cpu/cpu_test_support.h"

namespace weft::kernels {
namespace {

// A session of `tokens` positions with random keys and values, in pages dealt out of order.
struct Session {
  Session(Backend& backend, KvType type, AttentionParams heads, uint32_t tokens, uint64_t seed)
      : params(heads), random(seed), count(tokens) {
    const uint32_t page_count = (tokens + kPageTokens - 1) / kPageTokens;
    shape = {type, 2, heads.kv_head_count, heads.head_dim, page_count + 3};
    kv = backend.allocate_kv(shape).value();
    pages.resize(page_count);
    std::iota(pages.begin(), pages.end(), 1);
    std::reverse(pages.begin(), pages.end());
    keys = random_floats(size_t{tokens} * kv_dim(), random);
    values = random_floats(size_t{tokens} * kv_dim(), random);
    if (type == KvType::kF16) {
      for (auto* all : {&keys, &values}) {
        for (float& value : *all) value = model::f16_to_f32(model::f32_to_f16(value));
      }
    }
    if (type == KvType::kQ8_0) {
      round_blocks(keys);
      round_blocks(values);
    }
  }
  void round_blocks(std::vector<float>& all) const {
    for (size_t head = 0; head < all.size(); head += params.head_dim) {
      for (size_t begin = 0; begin < params.head_dim; begin += kKvBlock) {
        const size_t size = std::min<size_t>(kKvBlock, params.head_dim - begin);
        const std::span<float> block(all.data() + head + begin, size);
        int8_t codes[kKvBlock];
        const float scale = model::f16_to_f32(quantize_kv_block(block, codes));
        for (size_t i = 0; i < size; ++i) block[i] = scale * codes[i];
      }
    }
  }
  size_t kv_dim() const { return size_t{params.kv_head_count} * params.head_dim; }
  size_t q_dim() const { return size_t{params.head_count} * params.head_dim; }

  // Appends positions [begin, end).
  void append(Backend& backend, uint32_t begin, uint32_t end) {
    std::vector<KvRow> rows;
    for (uint32_t p = begin; p < end; ++p) rows.push_back({p, pages});
    const auto part = [&](const std::vector<float>& all) {
      return to_buffer(backend, {all.begin() + begin * kv_dim(), all.begin() + end * kv_dim()});
    };
    backend.append_kv(*kv, 1, *part(keys), *part(values), rows);
  }

  AttentionParams params;
  Random random;
  uint32_t count;
  KvShape shape;
  std::unique_ptr<KvStore> kv;
  std::vector<uint32_t> pages;
  std::vector<float> keys, values;
};

std::vector<double> expected_row(const Session& s, const float* q, uint32_t length) {
  const uint32_t shared = s.params.head_count / s.params.kv_head_count;
  const uint32_t dim = s.params.head_dim;
  std::vector<double> out(s.q_dim());
  for (uint32_t h = 0; h < s.params.head_count; ++h) {
    const size_t at = size_t{h / shared} * dim;
    std::vector<double> weights(length);
    for (uint32_t t = 0; t < length; ++t) {
      for (uint32_t d = 0; d < dim; ++d) {
        weights[t] += double{q[h * dim + d]} * s.keys[t * s.kv_dim() + at + d];
      }
    }
    const double top = *std::max_element(weights.begin(), weights.end());
    double total = 0;
    for (double& w : weights) total += w = std::exp((w - top) * s.params.scale);
    for (uint32_t t = 0; t < length; ++t) {
      for (uint32_t d = 0; d < dim; ++d) {
        out[h * dim + d] += weights[t] / total * s.values[t * s.kv_dim() + at + d];
      }
    }
  }
  return out;
}

std::vector<float> attend(Backend& backend, const Session& s, const std::vector<float>& q,
                          const std::vector<uint32_t>& positions) {
  std::vector<KvRow> rows;
  for (const uint32_t p : positions) rows.push_back({p, s.pages});
  const auto out = backend.allocate(q.size()).value();
  backend.attention(*out, *to_buffer(backend, q), *s.kv, 1, rows, s.params);
  EXPECT_TRUE(backend.finish().ok());
  return from_buffer(backend, *out);
}

TEST(Attention, IsTheSoftmaxWeightedMeanForAnyHeadsLengthsAndTypes) {
  const uint64_t seed = test::test_seed(41);
  for (const KernelTable* table : tables()) {
    const auto backend = cpu_backend(2, *table);
    for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kQ8_0}) {
      for (const AttentionParams params : {AttentionParams{8, 2, 64, 0.125f},
                                           {3, 3, 5, 0.4f},
                                           {7, 1, 24, 0.2f},
                                           {2, 1, 129, 0.09f},
                                           {6, 2, 8, 3.0f}}) {
        Session session(*backend, type, params, 100, seed);
        session.append(*backend, 0, 100);
        const std::vector<uint32_t> positions = {0, 1, 31, 32, 33, 63, 64, 99};
        const auto q = random_floats(positions.size() * session.q_dim(), session.random);
        const auto got = attend(*backend, session, q, positions);
        for (size_t row = 0; row < positions.size(); ++row) {
          const auto expected =
              expected_row(session, q.data() + row * session.q_dim(), positions[row] + 1);
          for (size_t i = 0; i < expected.size(); ++i) {
            ASSERT_NEAR(got[row * session.q_dim() + i], expected[i], 1e-5)
                << backend->detail() << " head dim " << params.head_dim << " row " << row;
          }
        }
      }
    }
  }
}

TEST(Attention, HugeScoresDoNotOverflow) {
  for (const KernelTable* table : tables()) {
    const auto backend = cpu_backend(1, *table);
    Session session(*backend, KvType::kF32, {1, 1, 8, 1.0f}, 70, test::test_seed(42));
    for (float& key : session.keys) key *= 1000;
    session.append(*backend, 0, 70);
    const auto q = random_floats(8, session.random);
    const auto expected = expected_row(session, q.data(), 70);
    const auto got = attend(*backend, session, q, {69});
    for (size_t i = 0; i < 8; ++i) ASSERT_NEAR(got[i], expected[i], 1e-4);
  }
}

// A prompt at once, where rows read pages together, or token by token; one thread or three: the
// same bits for every row.
void expect_rows_alike(const KernelTable& table, KvType type, const AttentionParams& params) {
  constexpr uint32_t kTokens = 107;
  const auto one = cpu_backend(1, table);
  const auto three = cpu_backend(3, table);
  Session alone(*one, type, params, kTokens, 9), batched(*three, type, params, kTokens, 9);
  const auto q = random_floats(kTokens * alone.q_dim(), alone.random);
  batched.append(*three, 0, kTokens);
  std::vector<uint32_t> positions(kTokens);
  std::iota(positions.begin(), positions.end(), 0);
  const auto whole = attend(*three, batched, q, positions);
  for (uint32_t p = 0; p < kTokens; ++p) {
    alone.append(*one, p, p + 1);
    const std::vector<float> row(q.begin() + p * alone.q_dim(),
                                 q.begin() + (p + 1) * alone.q_dim());
    const auto got = attend(*one, alone, row, {p});
    ASSERT_TRUE(std::equal(got.begin(), got.end(), whole.begin() + p * alone.q_dim()))
        << table.name << ", " << params.head_count << " heads, window " << params.window;
  }
}

TEST(Attention, RowsHaveTheSameBitsInAnyBatchAndOnAnyThreads) {
  AttentionParams capped{9, 3, 16, 0.25f};
  capped.soft_cap = 5;
  AttentionParams windowed{12, 1, 48, 0.14f};
  windowed.window = 37;
  for (const KernelTable* table : tables()) {
    for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kQ8_0}) {
      for (const AttentionParams& params :
           {AttentionParams{8, 2, 40, 0.158f}, {4, 4, 64, 0.125f}, capped, windowed}) {
        expect_rows_alike(*table, type, params);
      }
    }
  }
}

TEST(Attention, OfTheWiderTablesHasTheBitsOfAvx2) {
  if (tables_like_avx2().empty()) GTEST_SKIP() << "no table beside AVX2's can be run here";
  for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kQ8_0}) {
    for (const AttentionParams params : {AttentionParams{8, 2, 64, 0.125f},
                                         {3, 3, 80, 0.1f},
                                         {7, 1, 128, 0.2f},
                                         {4, 2, 24, 1.0f}}) {
      const auto results = [&](const KernelTable& table) {
        const auto backend = cpu_backend(1, table);
        Session session(*backend, type, params, 90, 10);
        session.append(*backend, 0, 90);
        const auto q = random_floats(3 * session.q_dim(), session.random);
        return attend(*backend, session, q, {0, 63, 89});
      };
      const std::vector<float> expected = results(*avx2_kernels());
      for (const KernelTable* table : tables_like_avx2()) {
        EXPECT_EQ(results(*table), expected) << table->name << ", head dim " << params.head_dim;
      }
    }
  }
}

// A page keeps what its last owner wrote; positions beyond a row's own must not matter, NaN or not.
TEST(Attention, WhatLiesBeyondARowsPositionIsNeverSeen) {
  for (const KernelTable* table : tables()) {
    const auto backend = cpu_backend(1, *table);
    Session session(*backend, KvType::kF32, {4, 2, 16, 0.25f}, 40, test::test_seed(43));
    session.append(*backend, 0, 40);
    const auto q = random_floats(session.q_dim(), session.random);
    const auto before = attend(*backend, session, q, {34});
    for (size_t i = 35 * session.kv_dim(); i < session.keys.size(); ++i) {
      session.keys[i] = session.values[i] = std::numeric_limits<float>::quiet_NaN();
    }
    session.append(*backend, 35, 40);
    EXPECT_EQ(attend(*backend, session, q, {34}), before);
  }
}

}  // namespace
}  // namespace weft::kernels
