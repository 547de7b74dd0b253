// Products of the cpu and vulkan backends per type, shape and rows of x: bytes/s of weights and
// multiplications/s. Arguments: type (number in a GGUF), rows and columns of the weight, rows of x,
// and for the cpu threads. Vulkan's are of the best device, a processor in disguise if need be.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/random.h"
#include "kernels/backend.h"
#include "kernels/bandwidth.h"
#include "kernels/vulkan/backend.h"

namespace weft::kernels {
namespace {

// Weights that together exceed any cache, as a model's do: every product reads another one.
constexpr uint64_t kWeightsBytes = uint64_t{128} << 20;

// `weights_bytes` of weights take turns.
void measure_products(benchmark::State& state, Backend& backend, uint64_t weights_bytes) {
  const auto type = model::TensorType(state.range(0));
  const auto rows = uint32_t(state.range(1));
  const auto cols = uint32_t(state.range(2));
  const auto x_rows = uint32_t(state.range(3));
  const uint64_t bytes = model::tensor_bytes(type, uint64_t{rows} * cols);

  // Zero blocks take as long as any others.
  const Bytes data(bytes);
  std::vector<std::unique_ptr<Weight>> weights;
  for (uint64_t sum = 0; sum < weights_bytes; sum += bytes) {
    weights.push_back(backend.load({type, rows, cols, data}, WeightUse::kMatmul).value());
  }
  Random random(1);
  std::vector<float> values(size_t{x_rows} * cols);
  for (float& value : values) value = float(random.normal());
  const auto x = backend.allocate(values.size()).value();
  backend.write(*x, values);
  const auto out = backend.allocate(size_t{x_rows} * rows).value();

  size_t next = 0;
  const auto multiply = [&] {
    const MatmulTarget target{weights[next++ % weights.size()].get(), out.get()};
    backend.matmul({&target, 1}, *x, x_rows);
    if (!backend.finish().ok()) state.SkipWithError("the backend failed");
  };
  multiply();  // a shader's compilation is not its running
  for (auto _ : state) multiply();
  const double products = double(state.iterations());
  state.SetLabel(std::string(model::tensor_type_info(type).name));
  state.SetBytesProcessed(int64_t(products * double(bytes)));
  state.counters["mul/s"] =
      benchmark::Counter(products * double(rows) * cols * x_rows, benchmark::Counter::kIsRate);
}

void matmul(benchmark::State& state) {
  const auto backend = make_cpu_backend({.threads = uint32_t(state.range(4))}).value();
  measure_products(state, *backend, kWeightsBytes);
}

void vulkan_matmul(benchmark::State& state) {
  VulkanOptions options;
  options.allow_cpu = true;
  const auto backend = VulkanBackend::create(options);
  if (!backend.ok()) return state.SkipWithError(backend.error().message.c_str());
  measure_products(state, **backend, 1);
}

void every_type(benchmark::internal::Benchmark* bench) {
  for (const int type : {12, 13, 14, 8, 2, 1, 30, 0}) {
    for (const int x_rows : {1, 2, 4, 8, 128}) {
      for (const int threads : {1, 2}) {
        bench->Args({type, 2048, 2048, x_rows, threads});
        bench->Args({type, 2048, 8192, x_rows, threads});
      }
    }
  }
}
BENCHMARK(matmul)->Apply(every_type)->UseRealTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(vulkan_matmul)
    ->ArgsProduct({{12, 13, 14, 8, 2, 1, 30, 0}, {1024}, {1024}, {1, 4, 8, 16, 32, 64, 512}})
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);

// Rows of one session, one behind the other, attend to `range(0)` positions and more: one layer of
// a Llama-3.2-1B. The cache of all its layers is larger than a processor's. Arguments: positions,
// rows, threads.
void attention(benchmark::State& state) {
  constexpr uint32_t kLayers = 16, kHeads = 32, kKvHeads = 8, kHeadDim = 64;
  const auto length = uint32_t(state.range(0));
  const auto row_count = uint32_t(state.range(1));
  const auto backend = make_cpu_backend({.threads = uint32_t(state.range(2))}).value();
  const uint32_t page_count = (length + row_count) / kPageTokens + 1;
  const KvShape shape{KvType::kF16, kLayers, kKvHeads, kHeadDim, page_count};
  const auto kv = backend->allocate_kv(shape).value();
  std::vector<uint32_t> pages(page_count);
  for (uint32_t i = 0; i < page_count; ++i) pages[i] = i;
  std::vector<float> values(size_t{std::max(row_count, kPageTokens)} * kHeads * kHeadDim);
  Random random(1);
  for (float& value : values) value = float(random.normal());
  const auto q = backend->allocate(values.size()).value();
  const auto out = backend->allocate(values.size()).value();
  backend->write(*q, values);
  std::vector<KvRow> rows(kPageTokens);
  for (uint32_t page = 0; page < page_count; ++page) {
    for (uint32_t i = 0; i < kPageTokens; ++i) rows[i] = {page * kPageTokens + i, pages};
    for (uint32_t layer = 0; layer < kLayers; ++layer) {
      backend->append_kv(*kv, layer, *q, *q, rows);
    }
  }
  rows.resize(row_count);
  for (uint32_t i = 0; i < row_count; ++i) rows[i] = {length - 1 + i, pages};
  uint32_t layer = 0;
  for (auto _ : state) {
    backend->attention(*out, *q, *kv, layer++ % kLayers, rows,
                       {kHeads, kKvHeads, kHeadDim, 0.125f});
  }
  const double positions = double(state.iterations()) * row_count * length;
  state.counters["mul/s"] =
      benchmark::Counter(positions * kHeads * kHeadDim * 2, benchmark::Counter::kIsRate);
}
BENCHMARK(attention)
    ->ArgsProduct({{4096}, {1, 2, 4, 8, 64}, {1, 2}})
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);

void read_bandwidth(benchmark::State& state) {
  double best = 0;
  for (auto _ : state) best = std::max(best, *measure_read_bandwidth(uint32_t(state.range(0))));
  state.counters["GB/s"] = best;
}
BENCHMARK(read_bandwidth)->Arg(1)->Arg(2)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace weft::kernels
