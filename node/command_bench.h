// `weft bench`: how fast this machine runs a model, and how near that is to what its memory allows.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "kernels/vulkan/device.h"
#include "model/model.h"
#include "node/backend_choice.h"

namespace weft::node {

inline constexpr size_t kBenchPointsMax = 64;  // prompts times sessions
inline constexpr uint32_t kBenchSessionsMax = 256;

struct BenchOptions {
  std::string model_path;
  std::vector<uint32_t> prompt_tokens = {128};
  std::vector<uint32_t> sessions = {1};
  uint32_t new_tokens = 32;
  uint32_t repeat = 3;
  BackendChoice backend;
  std::string kv = "f16";
  std::vector<std::string> lora = {};  // adapters, as --lora has them
  std::string trace;  // a file to write each operation's time to; empty: none
  bool json = false;
};

// Medians of `repeat` runs: a prompt, and then `sessions` streams that each go on from one, all in
// one batch a step.
struct BenchPoint {
  uint32_t prompt_tokens = 0;
  uint32_t sessions = 0;
  double prefill_tps = 0;
  double decode_tps = 0;  // of all sessions together
};

// Decode reads every weight once per step, so the bound of one session is the measured bandwidth
// divided by weight_bytes_per_token: roofline_fraction is the part of it that the first point
// reaches. The bandwidth is the system's, or of a Vulkan device that of a copy on it.
struct BenchFigures {
  double load_s = 0;
  double read_gbps = 0;
  double copy_gbps = 0;  // read and written together; 0: no device, or one without a clock
  // Of the device's matrices, 10^12 operations a second; 0: not measured, for this reason.
  double half_tflops = 0;
  double byte_tops = 0;
  std::string rates_absent;
  std::optional<kernels::VulkanDeviceInfo> device;
  uint64_t weight_bytes = 0;       // read per step
  uint64_t layer_parameters = 0;   // multiplied per token of a prompt
  uint64_t resident_bytes = 0;     // most memory of this process so far
  std::vector<BenchPoint> points;  // never empty

  double roofline_fraction() const {
    const double steps_per_second = points[0].decode_tps / points[0].sessions;
    const double gbps = copy_gbps > 0 ? copy_gbps : read_gbps;
    return gbps > 0 ? steps_per_second * double(weight_bytes) / (gbps * 1e9) : 0;
  }
};

// Every prompt length with every number of sessions, in that order.
Result<> bench_model(const BenchOptions& options);

// Bytes of the tensors that one token's decode reads whole: all but the embedding table, of which
// it reads a row, unless that is the output matrix as well.
uint64_t weight_bytes_per_token(const model::Model& model);

// What the layers multiply with each token of a prompt: of experts, those that it goes to.
uint64_t layer_parameters_per_token(const model::Model& model);

// The middle one, or the mean of the two; values must not be empty.
double median(std::vector<double> values);

}  // namespace weft::node
