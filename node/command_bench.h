// `weft bench`: how fast this machine runs a model, and how near that is to what its memory allows.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "model/model.h"

namespace weft::node {

struct BenchOptions {
  std::string model_path;
  uint32_t prompt_tokens = 128;
  uint32_t new_tokens = 32;
  uint32_t threads = 0;
  uint32_t repeat = 3;
  std::string backend = "auto";
  bool json = false;
};

// Medians of `repeat` runs. Decode reads every weight once per token, so its bound is the measured
// read bandwidth divided by weight_bytes_per_token: roofline_fraction is the part of it reached.
struct BenchFigures {
  double load_s = 0;
  double prefill_tps = 0;
  double decode_tps = 0;
  double read_gbps = 0;
  uint64_t weight_bytes = 0;  // read per token

  double roofline_fraction() const {
    return read_gbps > 0 ? decode_tps * double(weight_bytes) / (read_gbps * 1e9) : 0;
  }
};

Result<> bench_model(const BenchOptions& options);

// Bytes of the tensors that one token's decode reads whole: all but the embedding table, of which
// it reads a row, unless that is the output matrix as well.
uint64_t weight_bytes_per_token(const model::Model& model);

// The middle one, or the mean of the two; values must not be empty.
double median(std::vector<double> values);

}  // namespace weft::node
