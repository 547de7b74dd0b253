#include "node/profile.h"

#include <algorithm>
#include <sstream>

#include "base/clock.h"
#include "base/file.h"
#include "base/random.h"
#include "base/text.h"
#include "model/quantize.h"

namespace weft::node {
namespace {

using model::TensorType;

// Decode streams weights: the probe is large enough that caches hold little of it. Prefill
// multiplies: a few rows of weights say as much, and a slow board does not take a minute over it.
constexpr uint64_t kDecodeProbeBytes = 24 * 1024 * 1024;
constexpr uint64_t kUncachedProbeBytes = uint64_t{128} << 20;
constexpr uint32_t kPrefillProbeRows = 256;
constexpr uint32_t kProbeCols = 2048;
constexpr uint32_t kPrefillRows = 64;
constexpr int kPasses = 3;
constexpr double kEnoughSeconds = 0.25;  // what takes this long need not be measured again
constexpr uint32_t kTinyDim = 64;
constexpr int kTinyLayers = 64;

double best_seconds(int passes, const std::function<void()>& work) {
  const SystemClock clock;
  double best = 1e9;
  for (int pass = 0; pass <= passes; ++pass) {  // the first one warms up
    const Time start = clock.now();
    work();
    const double elapsed = to_seconds(clock.now() - start);
    if (pass > 0 || elapsed > kEnoughSeconds) best = std::min(best, elapsed);
    if (elapsed > kEnoughSeconds) break;
  }
  return std::max(best, 1e-9);
}

std::vector<float> gaussian(uint64_t count, double scale) {
  Random random(1);
  std::vector<float> values(count);
  for (float& value : values) value = float(random.normal() * scale);
  return values;
}

Result<std::unique_ptr<kernels::Weight>> probe_matrix(kernels::Backend& backend, TensorType type,
                                                      uint32_t rows, uint32_t cols) {
  // One row of proper blocks, over and over: speed does not depend on the values.
  const Bytes row = model::quantize(type, gaussian(cols, 0.02));
  Bytes data;
  data.reserve(row.size() * rows);
  for (uint32_t r = 0; r < rows; ++r) data.insert(data.end(), row.begin(), row.end());
  return backend.load({type, rows, cols, data}, kernels::WeightUse::kMatmul);
}

// Seconds of x [x_rows, kProbeCols] times a matrix of `rows` rows.
Result<double> measure_matmul(kernels::Backend& backend, TensorType type, uint32_t rows,
                              uint32_t x_rows) {
  WEFT_TRY(const auto weight, probe_matrix(backend, type, rows, kProbeCols));
  WEFT_TRY(const auto x, backend.allocate(size_t(x_rows) * kProbeCols));
  WEFT_TRY(const auto out, backend.allocate(size_t(x_rows) * rows));
  backend.write(*x, gaussian(size_t(x_rows) * kProbeCols, 1));
  const kernels::MatmulTarget target{weight.get(), out.get()};
  Result<> finished;
  const double elapsed = best_seconds(kPasses, [&] {
    backend.matmul({&target, 1}, *x, x_rows);
    if (auto end = backend.finish(); !end.ok()) finished = std::move(end);
  });
  WEFT_CHECK(std::move(finished));
  return elapsed;
}

Result<transport::TypeSpeed> measure_type(kernels::Backend& backend, TensorType type) {
  const uint64_t row_bytes = model::tensor_bytes(type, kProbeCols);
  const uint32_t rows = uint32_t(kDecodeProbeBytes / row_bytes) / 8 * 8;
  WEFT_TRY(const double decode_s, measure_matmul(backend, type, rows, 1));
  WEFT_TRY(const double prefill_s,
           measure_matmul(backend, type, kPrefillProbeRows, kPrefillRows));
  return transport::TypeSpeed{uint32_t(type), double(row_bytes) * rows / decode_s,
                              2.0 * kPrefillProbeRows * kProbeCols * kPrefillRows / prefill_s};
}

// A layer's operations on matrices too small to matter: what remains is the cost of asking.
Result<double> measure_layer_overhead(kernels::Backend& backend) {
  WEFT_TRY(const auto weight, probe_matrix(backend, TensorType::kF16, kTinyDim, kTinyDim));
  const std::vector<float> ones(kTinyDim, 1.0f);
  const ByteView norm_data(reinterpret_cast<const uint8_t*>(ones.data()), 4 * ones.size());
  WEFT_TRY(const auto norm, backend.load({TensorType::kF32, 1, kTinyDim, norm_data},
                                         kernels::WeightUse::kLookup));
  WEFT_TRY(const auto x, backend.allocate(kTinyDim));
  WEFT_TRY(const auto y, backend.allocate(kTinyDim));
  backend.write(*x, ones);
  const kernels::MatmulTarget target{weight.get(), y.get()};
  Result<> finished;
  const double elapsed = best_seconds(kPasses, [&] {
    for (int layer = 0; layer < kTinyLayers; ++layer) {
      backend.rms_norm(*y, *x, *norm, 1, 1e-5f);
      for (int product = 0; product < 5; ++product) backend.matmul({&target, 1}, *x, 1);
      backend.rms_norm(*y, *x, *norm, 1, 1e-5f);
      backend.glu(model::Activation::kSilu, *y, *y, *x, kTinyDim);
      backend.add(*y, *x, kTinyDim);
    }
    if (auto end = backend.finish(); !end.ok()) finished = std::move(end);
  });
  WEFT_CHECK(std::move(finished));
  return elapsed / kTinyLayers;
}

// The number after `key` in a file of "key: number kB" lines; 0 if there is none.
uint64_t meminfo_kib(std::string_view key) {
  const auto content = read_file("/proc/meminfo", 64 * 1024);
  if (!content.ok()) return 0;
  std::istringstream lines{std::string(as_text(*content))};
  std::string name;
  uint64_t value;
  for (std::string unit; lines >> name >> value; std::getline(lines, unit)) {
    if (name == key) return value;
  }
  return 0;
}

uint64_t cgroup_number(const char* path) {
  const auto content = read_file(path, 64);
  if (!content.ok()) return 0;
  const auto number = parse_u64(trim(as_text(*content)));  // "max" is no number
  return number.ok() ? *number : 0;
}

}  // namespace

Result<double> measure_decode_speed(kernels::Backend& backend) {
  const uint64_t row_bytes = model::tensor_bytes(TensorType::kQ4_K, kProbeCols);
  const uint32_t rows = uint32_t(kUncachedProbeBytes / row_bytes) / 8 * 8;
  WEFT_TRY(const double seconds, measure_matmul(backend, TensorType::kQ4_K, rows, 1));
  return double(row_bytes) * rows / seconds;
}

uint64_t usable_memory() {
  uint64_t free_bytes = meminfo_kib("MemAvailable:") * 1024;
  const uint64_t limit = cgroup_number("/sys/fs/cgroup/memory.max");
  const uint64_t used = cgroup_number("/sys/fs/cgroup/memory.current");
  if (limit > 0) free_bytes = std::min(free_bytes, limit > used ? limit - used : 0);
  return free_bytes / 5 * 4;
}

Result<transport::Profile> measure_profile(kernels::Backend& backend,
                                           const ProfileOptions& options) {
  transport::Profile profile;
  profile.backend = cat(backend.name(), " ", backend.detail());
  profile.memory_bytes = options.memory_bytes > 0 ? options.memory_bytes : usable_memory();
  std::set<TensorType> types = options.types;
  types.insert({TensorType::kQ4_K, TensorType::kQ6_K, TensorType::kQ8_0, TensorType::kIQ4_XS,
                TensorType::kMXFP4});
  for (const TensorType type : types) {
    WEFT_TRY(const transport::TypeSpeed speed, measure_type(backend, type));
    profile.speeds.push_back(speed);
  }
  WEFT_TRY(profile.layer_overhead_s, measure_layer_overhead(backend));
  return profile;
}

}  // namespace weft::node
