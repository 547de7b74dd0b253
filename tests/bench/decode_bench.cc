// decode_bench MODEL [threads] [prompt] [decode] [runs]: loads a model, prefills a prompt, decodes,
// and compares the rate at which weights were read with the memory's measured bandwidth. Each run
// measures the bandwidth again: on a shared machine only ratios within one run mean something.
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/text.h"
#include "kernels/bandwidth.h"
#include "kernels/slice.h"

namespace weft::kernels {
namespace {

struct BenchOptions {
  std::string path;
  uint32_t threads = 2;
  uint32_t prompt = 128;
  uint32_t decode = 32;
  uint32_t runs = 5;
};

// Bytes of weights that one decoded token reads: every matrix, but of the embedding only if it is
// the head as well.
uint64_t decode_bytes(const model::Model& model) {
  uint64_t bytes = model.output().bytes;
  for (uint32_t i = 0; i < model.config().layer_count; ++i) {
    for (const model::GgufTensor* tensor : model.layer(i).present()) bytes += tensor->bytes;
  }
  return bytes;
}

// Processor time of the whole process: on a loaded machine, what the work costs; idle threads of
// the pool spin for a moment, so it is exact for one thread only.
double processor_seconds() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return double(time.tv_sec) + 1e-9 * double(time.tv_nsec);
}

// Seconds of one forward call; the session's rows follow on at `position`.
Result<double> timed_forward(Slice& slice, SessionId session, uint32_t position, uint32_t rows,
                             uint32_t vocab) {
  SliceBatch batch;
  batch.sequences = {{session, position, rows, 1}};
  for (uint32_t i = 0; i < rows; ++i) {
    batch.tokens.push_back(TokenId((position + i) * 7919u % vocab));
  }
  SystemClock clock;
  const Time begin = clock.now();
  WEFT_CHECK(slice.forward(batch));
  return to_seconds(clock.now() - begin);
}

Result<> measure(Slice& slice, const BenchOptions& options, const model::Model& model) {
  const SessionId session{1};
  const uint32_t vocab = model.config().vocab_size;
  const double bytes = double(decode_bytes(model));
  for (uint32_t run = 0; run < options.runs; ++run) {
    WEFT_TRY(const double before, measure_read_bandwidth(options.threads));
    const double start = processor_seconds();
    WEFT_TRY(const double prefill, timed_forward(slice, session, 0, options.prompt, vocab));
    const double prefilled = processor_seconds();
    double decode = 0;
    std::vector<double> steps;
    for (uint32_t i = 0; i < options.decode; ++i) {
      WEFT_TRY(const double step, timed_forward(slice, session, options.prompt + i, 1, vocab));
      decode += step;
      steps.push_back(step);
    }
    const double decoded = processor_seconds();
    WEFT_TRY(const double after, measure_read_bandwidth(options.threads));
    std::nth_element(steps.begin(), steps.begin() + steps.size() / 2, steps.end());
    const double median = steps[steps.size() / 2];
    const double bandwidth = std::max(before, after);
    const double rate = options.decode / decode;
    std::printf(
        "prefill %.1f tokens/s, decode %.2f tokens/s (median step %.2f), ratio %.2f, "
        "weights read at %.2f of %.2f GB/s = %.0f %% (median %.0f %%)\n",
        options.prompt / prefill, rate, 1 / median, options.prompt / prefill / rate,
        rate * bytes * 1e-9, bandwidth, rate * bytes * 1e-7 / bandwidth,
        bytes * 1e-7 / median / bandwidth);
    std::printf("per processor second: prefill %.1f tokens, decode %.2f tokens\n",
                options.prompt / (prefilled - start), options.decode / (decoded - prefilled));
    slice.release(session);
  }
  return {};
}

Result<> run(const BenchOptions& options) {
  WEFT_TRY(const model::Model model, model::Model::open(options.path));
  WEFT_TRY(const auto backend, make_cpu_backend({.threads = options.threads}));
  SystemClock clock;
  const Time begin = clock.now();
  const double start = processor_seconds();
  WEFT_TRY(const auto slice, Slice::load(*backend, model,
                                         {.last_layer = model.config().layer_count,
                                          .kv_tokens = options.prompt + options.decode}));
  const std::string detail(backend->detail());
  std::printf("%s, %s, loaded in %.2f s (%.2f processor seconds)\n", options.path.c_str(),
              detail.c_str(), to_seconds(clock.now() - begin), processor_seconds() - start);
  return measure(*slice, options, model);
}

}  // namespace
}  // namespace weft::kernels

int main(int argc, char** argv) {
  weft::kernels::BenchOptions options;
  if (argc < 2 || argc > 6) {
    std::fprintf(stderr, "usage: decode_bench MODEL [threads] [prompt] [decode] [runs]\n");
    return 2;
  }
  options.path = argv[1];
  uint32_t* const numbers[] = {&options.threads, &options.prompt, &options.decode, &options.runs};
  for (int i = 2; i < argc; ++i) {
    const auto value = weft::parse_u64(argv[i]);
    if (!value.ok() || *value < 1 || *value > 100000) {
      std::fprintf(stderr, "decode_bench: '%s' is no number from 1 to 100000\n", argv[i]);
      return 2;
    }
    *numbers[i - 2] = uint32_t(*value);
  }
  const auto result = weft::kernels::run(options);
  if (!result.ok()) {
    std::fprintf(stderr, "decode_bench: %s\n", result.error().message.c_str());
    return 1;
  }
  return 0;
}
