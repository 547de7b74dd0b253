#include "model/synth_recipe.h"

#include <cmath>

namespace weft::model {

const std::vector<SynthShape>& all_synth_shapes() {
  static const std::vector<SynthShape> shapes = {
      {"nano", 3, 128, 4, 2, 32, 256, 384, true, 8192, 500000, 0, ""},
      {"tiny", 4, 256, 8, 4, 32, 768, 512, true, 8192, 500000, 0, ""},
      {"small", 8, 512, 8, 4, 64, 1536, 4096, true, 8192, 500000, 0, ""},
      {"smollm-135m", 30, 576, 9, 3, 64, 1536, 49152, true, 8192, 100000, 0},
      {"llama-3.2-1b", 16, 2048, 32, 8, 64, 8192, 128256, true, 131072, 500000, 32},
      {"llama-3.2-3b", 28, 3072, 24, 8, 128, 8192, 128256, true, 131072, 500000, 32},
      {"llama-3.1-8b", 32, 4096, 32, 8, 128, 14336, 128256, false, 131072, 500000, 8},
      {"llama-3.1-70b", 80, 8192, 64, 8, 128, 28672, 128256, false, 131072, 500000, 8},
      {"mistral-nemo", 40, 5120, 32, 8, 128, 14336, 131072, false, 131072, 1e6, 0},
      {"mixtral-8x7b", 32, 4096, 32, 8, 128, 14336, 32000, false, 32768, 1e6, 0, "llama", 0, 8, 2,
       14336},
      {"qwen2.5-7b", 28, 3584, 28, 4, 128, 18944, 152064, false, 32768, 1e6, 0, "qwen2"},
      {"qwen3-4b", 36, 2560, 32, 8, 128, 9728, 151936, true, 40960, 1e6, 0, "qwen3"},
      {"qwen3-30b-a3b", 48, 2048, 32, 4, 128, 6144, 151936, false, 40960, 1e6, 0, "qwen3moe", 0,
       128, 8, 768},
      {"gemma-2-2b", 26, 2304, 8, 4, 256, 9216, 256000, true, 8192, 10000, 0, "gemma2", 4096},
      {"gemma-3-4b", 34, 2560, 8, 4, 256, 10240, 262144, true, 131072, 1e6, 8, "gemma3", 1024},
      {"phi-3.5-mini", 32, 3072, 32, 32, 96, 8192, 32064, false, 131072, 10000, 32, "phi3", 262144},
      {"phi-4", 40, 5120, 40, 10, 128, 17920, 100352, false, 16384, 250000, 0, "phi3"},
      {"gpt-oss-20b", 24, 2880, 64, 8, 64, 2880, 201088, false, 131072, 150000, 32, "gpt-oss", 128,
       32, 4, 2880},
  };
  return shapes;
}

const std::vector<SynthQuant>& all_synth_quants() {
  static const std::vector<SynthQuant> quants = {
      {"f32", 0, TensorType::kF32, TensorType::kF32},
      {"f16", 1, TensorType::kF16, TensorType::kF16},
      {"bf16", 32, TensorType::kBF16, TensorType::kBF16},
      {"q8_0", 7, TensorType::kQ8_0, TensorType::kQ8_0},
      {"q4_0", 2, TensorType::kQ4_0, TensorType::kQ4_0},
      {"q4_k_m", 15, TensorType::kQ4_K, TensorType::kQ6_K},
      {"q5_k_m", 17, TensorType::kQ5_K, TensorType::kQ6_K},
      {"q6_k", 18, TensorType::kQ6_K, TensorType::kQ6_K},
      {"q4_1", 3, TensorType::kQ4_1, TensorType::kQ4_1},
      {"q5_0", 8, TensorType::kQ5_0, TensorType::kQ5_0},
      {"q5_1", 9, TensorType::kQ5_1, TensorType::kQ5_1},
      {"q2_k", 10, TensorType::kQ2_K, TensorType::kQ2_K},
      {"q3_k", 11, TensorType::kQ3_K, TensorType::kQ3_K},
      {"iq1_s", 24, TensorType::kIQ1_S, TensorType::kIQ1_S},
      {"iq1_m", 31, TensorType::kIQ1_M, TensorType::kIQ1_M},
      {"iq2_xxs", 19, TensorType::kIQ2_XXS, TensorType::kIQ2_XXS},
      {"iq2_xs", 20, TensorType::kIQ2_XS, TensorType::kIQ2_XS},
      {"iq2_s", 28, TensorType::kIQ2_S, TensorType::kIQ2_S},
      {"iq3_xxs", 23, TensorType::kIQ3_XXS, TensorType::kIQ3_XXS},
      {"iq3_s", 26, TensorType::kIQ3_S, TensorType::kIQ3_S},
      {"iq4_nl", 25, TensorType::kIQ4_NL, TensorType::kIQ4_NL},
      {"iq4_xs", 30, TensorType::kIQ4_XS, TensorType::kIQ4_XS},
      {"tq1_0", 36, TensorType::kTQ1_0, TensorType::kTQ1_0},
      {"tq2_0", 37, TensorType::kTQ2_0, TensorType::kTQ2_0},
      {"mxfp4", 38, TensorType::kMXFP4, TensorType::kMXFP4},
  };
  return quants;
}

TensorType synth_type(const SynthQuant& quant, TensorUse use, uint32_t layer, uint32_t layers,
                      uint64_t cols) {
  // The first and last eighth of the layers, and every third between.
  const uint32_t eighth = layers / 8;
  const bool more_here = layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2;
  TensorType type = quant.base;
  if (use == TensorUse::kOutput || use == TensorUse::kTiedOutput) type = quant.more;
  if (use == TensorUse::kValueOrDown && more_here) type = quant.more;
  if (cols % tensor_type_info(type).block_elements != 0) type = TensorType::kQ8_0;
  if (cols % tensor_type_info(type).block_elements != 0) type = TensorType::kF16;
  return type;
}

std::vector<float> llama3_rope_divisors(uint32_t head_dim, float base, float factor) {
  constexpr double kLowFactor = 1, kHighFactor = 4, kOriginalContext = 8192;
  constexpr double kTau = 6.283185307179586;
  std::vector<float> divisors(head_dim / 2);
  for (uint32_t i = 0; i < divisors.size(); ++i) {
    const double wavelength = kTau * std::pow(double(base), 2.0 * i / head_dim);
    const double turns = kOriginalContext / wavelength;
    double divisor = 1;
    if (turns < kLowFactor) {
      divisor = factor;
    } else if (turns < kHighFactor) {
      const double smooth = (turns - kLowFactor) / (kHighFactor - kLowFactor);
      divisor = 1 / ((1 - smooth) / factor + smooth);
    }
    divisors[i] = float(divisor);
  }
  return divisors;
}

}  // namespace weft::model
