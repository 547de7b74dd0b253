// How a stream's tokens are drawn: asked for by a client, carried by the mesh to the last stage,
// used by model/sampler.
#pragma once

#include <cstdint>

namespace weft {

struct SamplingParams {
  float temperature = 0;         // 0: the largest logit (lowest id on a tie)
  uint32_t top_k = 0;            // 0: all
  float top_p = 1;               // nucleus, Holtzman et al. 2019, arXiv:1904.09751
  float min_p = 0;               // Nguyen et al. 2024, arXiv:2407.01082
  float repetition_penalty = 1;  // Keskar et al. 2019, arXiv:1909.05858; 1: none
  uint64_t seed = 0;             // key of the counter-based generator

  bool operator==(const SamplingParams&) const = default;
};

}  // namespace weft
