// What the cpu backend's tests share: tensors of every type, activations that int8 holds exactly,
// the backends to be tested, and products in double.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/text.h"
#include "kernels/backend.h"
#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/thread_pool.h"
#include "tests/kernels/cpu/emulated_tables.h"
#include "tests/support/support.h"

namespace weft::kernels {

// The types that panels have a layout for.
inline constexpr model::TensorType kAllTypes[] = {
    model::TensorType::kF32,    model::TensorType::kF16,    model::TensorType::kBF16,
    model::TensorType::kQ8_0,   model::TensorType::kQ4_0,   model::TensorType::kQ4_K,
    model::TensorType::kQ5_K,   model::TensorType::kQ6_K,   model::TensorType::kIQ4_NL,
    model::TensorType::kIQ4_XS, model::TensorType::kMXFP4,  model::TensorType::kQ4_1,
    model::TensorType::kQ5_0,   model::TensorType::kQ5_1};

// The others: see kernels/cpu/repack.h.
inline std::vector<model::TensorType> repacked_types() {
  std::vector<model::TensorType> types;
  for (const model::TensorTypeInfo& info : model::all_tensor_types()) {
    if (std::find(std::begin(kAllTypes), std::end(kAllTypes), info.type) == std::end(kAllTypes)) {
      types.push_back(info.type);
    }
  }
  return types;
}

// Every table that this processor can run, natively or emulated.
inline std::vector<const KernelTable*> tables() {
  std::vector<const KernelTable*> list = usable_tables();
  for (const KernelTable* table : emulated_tables()) list.push_back(table);
  return list;
}

// The tables that promise the bits of AVX2's, so that a mesh of different x86 machines computes as
// one does; empty where AVX2 itself cannot be run.
inline std::vector<const KernelTable*> tables_like_avx2() {
  std::vector<const KernelTable*> list;
  bool avx2 = false;
  for (const KernelTable* table : tables()) {
    if (table == avx2_kernels())
      avx2 = true;
    else if (std::string_view(table->name).starts_with("avx"))
      list.push_back(table);
  }
  return avx2 ? list : std::vector<const KernelTable*>{};
}

inline std::unique_ptr<Backend> cpu_backend(uint32_t threads) {
  return make_cpu_backend({.threads = threads}).value();
}
inline std::unique_ptr<Backend> cpu_backend(uint32_t threads, const KernelTable& table) {
  return std::make_unique<CpuBackend>(table, ThreadPool::create(threads).value());
}

struct Tensor {
  model::TensorType type;
  uint32_t rows, cols;
  Bytes data;
  std::vector<float> values;  // decoded

  TensorView view() const { return {type, rows, cols, data, {}}; }
};

inline void put_half(Bytes& data, size_t at, double value) {
  const uint16_t half = model::f32_to_f16(float(value));
  data[at] = uint8_t(half);
  data[at + 1] = uint8_t(half >> 8);
}

// Any bytes are codes; only the float scales must be sensible numbers. `fill` >= 0 sets all codes
// (and integer scales) to that byte. The same bytes on any machine: no logarithm or cosine in it.
inline Tensor make_tensor(model::TensorType type, uint32_t rows, uint32_t cols, Random& random,
                          int fill = -1) {
  const model::TensorTypeInfo& info = model::tensor_type_info(type);
  const uint64_t elements = uint64_t{rows} * cols;
  Tensor tensor{type, rows, cols, {}, std::vector<float>(elements)};
  tensor.data.resize(model::tensor_bytes(type, elements));
  for (uint8_t& byte : tensor.data) byte = fill < 0 ? uint8_t(random.next()) : uint8_t(fill);
  for (size_t at = 0; at < tensor.data.size(); at += info.block_bytes) {
    const double scale = 2 * random.uniform() - 1;
    switch (type) {
      case model::TensorType::kF32: {
        const float value = float(scale);
        std::memcpy(&tensor.data[at], &value, 4);
        break;
      }
      case model::TensorType::kF16:
        put_half(tensor.data, at, scale);
        break;
      case model::TensorType::kBF16: {
        const uint16_t value = model::f32_to_bf16(float(scale));
        std::memcpy(&tensor.data[at], &value, 2);
        break;
      }
      case model::TensorType::kQ6_K:
        put_half(tensor.data, at + 208, 1e-4 * scale);
        break;
      case model::TensorType::kQ2_K:
        put_half(tensor.data, at + 80, 1e-2 * scale);
        put_half(tensor.data, at + 82, 1e-2 * (2 * random.uniform() - 1));
        break;
      case model::TensorType::kQ3_K:
        put_half(tensor.data, at + 108, 1e-3 * scale);
        break;
      case model::TensorType::kTQ1_0:
        put_half(tensor.data, at + 52, scale);
        break;
      case model::TensorType::kTQ2_0:
        put_half(tensor.data, at + 64, scale);
        break;
      case model::TensorType::kMXFP4:
        tensor.data[at] = uint8_t(120 + random.below(8));
        break;
      case model::TensorType::kIQ1_M: {
        const uint16_t half = model::f32_to_f16(float(0.1 * scale));
        for (int i = 0; i < 4; ++i) {
          uint8_t& byte = tensor.data[at + 49 + 2 * i];
          byte = uint8_t((byte & 15) | (half >> (4 * i) & 15) << 4);
        }
        break;
      }
      case model::TensorType::kQ4_1:
      case model::TensorType::kQ5_1:
      case model::TensorType::kQ4_K:
      case model::TensorType::kQ5_K:
        put_half(tensor.data, at, 1e-3 * scale);
        put_half(tensor.data, at + 2, 1e-2 * (2 * random.uniform() - 1));
        break;
      default:
        put_half(tensor.data, at, 0.02 * scale);
    }
  }
  model::dequantize(type, tensor.data, tensor.values);
  return tensor;
}

inline std::vector<float> random_floats(size_t count, Random& random) {
  std::vector<float> values(count);
  for (float& value : values) value = float(random.normal());
  return values;
}

// Rows that int8 blocks of 32 and of 256 hold without any rounding: integers up to 127, with 127
// itself in every 32, times a power of two. What is left is the product's own error.
inline std::vector<float> exact_floats(uint32_t rows, uint32_t cols, Random& random) {
  std::vector<float> values(size_t{rows} * cols);
  for (size_t row = 0; row < rows; ++row) {
    float scale = 1;
    for (size_t k = 0; k < cols; ++k) {
      if (k % 256 == 0) scale = std::ldexp(1.0f, -int(random.below(8)));
      const int code = k % 32 == 7 ? 127 : int(random.below(255)) - 127;
      values[row * cols + k] = scale * float(code);
    }
  }
  return values;
}

// out[r, n] = x[r] . w[n] in double; `sizes`, if wanted, the same sum of magnitudes: what errors
// are relative to.
inline std::vector<double> multiply(const std::vector<float>& x, const Tensor& weight,
                                    std::vector<double>* sizes = nullptr) {
  const size_t cols = weight.cols;
  const size_t rows = x.size() / cols;
  std::vector<double> out(rows * weight.rows);
  if (sizes) sizes->assign(out.size(), 0);
  for (size_t r = 0; r < rows; ++r) {
    for (size_t n = 0; n < weight.rows; ++n) {
      for (size_t k = 0; k < cols; ++k) {
        const double term = double{x[r * cols + k]} * weight.values[n * cols + k];
        out[r * weight.rows + n] += term;
        if (sizes) (*sizes)[r * weight.rows + n] += std::abs(term);
      }
    }
  }
  return out;
}

inline std::unique_ptr<Buffer> to_buffer(Backend& backend, const std::vector<float>& values) {
  auto buffer = backend.allocate(values.size()).value();
  backend.write(*buffer, values);
  return buffer;
}

inline std::vector<float> from_buffer(Backend& backend, const Buffer& buffer) {
  std::vector<float> values(buffer.size());
  backend.read(values, buffer);
  return values;
}

// x [rows, cols] times the weight, on the backend.
inline std::vector<float> run_matmul(Backend& backend, const Weight& weight,
                                     const std::vector<float>& x) {
  const uint32_t rows = uint32_t(x.size() / weight.cols());
  const auto in = to_buffer(backend, x);
  const auto out = backend.allocate(size_t{rows} * weight.rows()).value();
  const MatmulTarget target{&weight, out.get()};
  backend.matmul({&target, 1}, *in, rows);
  EXPECT_TRUE(backend.finish().ok());
  return from_buffer(backend, *out);
}

// A product on every table against the double one, at `tolerance` of the sum of magnitudes.
inline void expect_exact_products(const Tensor& tensor, const std::vector<float>& x,
                                  double tolerance) {
  std::vector<double> sizes;
  const std::vector<double> expected = multiply(x, tensor, &sizes);
  for (const KernelTable* table : tables()) {
    const auto backend = cpu_backend(2, *table);
    const auto weight = backend->load(tensor.view(), WeightUse::kMatmul).value();
    const std::vector<float> out = run_matmul(*backend, *weight, x);
    for (size_t i = 0; i < out.size(); ++i) {
      ASSERT_NEAR(out[i], expected[i], tolerance * sizes[i] + 1e-9)
          << backend->detail() << ", " << model::tensor_type_info(tensor.type).name << " "
          << tensor.rows << " x " << tensor.cols << ", element " << i;
    }
  }
}

}  // namespace weft::kernels
