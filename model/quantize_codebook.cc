// The types whose codes name single values of a table: ternary, IQ4 and MXFP4.
#include "model/codebooks.h"
#include "model/quantize_blocks.h"

namespace weft::model {
namespace {

// The code of the IQ4 value nearest to x; the values rise.
int nearest_iq4(float x) {
  int code = 0;
  while (code < 15 && x - float(kIq4Values[code]) > float(kIq4Values[code + 1]) - x) ++code;
  return code;
}

// The scale for 32 values with the least error weighted by x^2, among trials around the one that
// maps the extreme to the table's end.
float fit_iq4(const float* x) {
  const float most = extreme(x, 32);
  float best_scale = 0, best_gain = 0;
  for (int trial = -7; trial <= 7; ++trial) {
    const float inverse = inverse_of(most / float(kIq4Values[0] + trial));
    float xl = 0, l2 = 0;
    for (int i = 0; i < 32; ++i) {
      const float level = float(kIq4Values[nearest_iq4(x[i] * inverse)]);
      xl += x[i] * x[i] * x[i] * level;
      l2 += x[i] * x[i] * level * level;
    }
    if (l2 > 0 && xl * xl > best_gain * l2) {
      best_scale = xl / l2;
      best_gain = best_scale * xl;
    }
  }
  return best_scale;
}

void put_iq4(const float* in, float scale, uint8_t* out) {
  const float inverse = inverse_of(scale);
  for (int i = 0; i < 16; ++i) {
    out[i] = uint8_t(nearest_iq4(in[i] * inverse) | nearest_iq4(in[i + 16] * inverse) << 4);
  }
}

// Codes 0 to 2 for -d, 0 and d, and d itself: values above 3/4 of the mean magnitude count as d,
// which is their mean. Source: Li, Zhang & Liu 2016, "Ternary Weight Networks", arXiv:1605.04711.
float fit_ternary(const float* in, uint8_t* codes) {
  float sum = 0;
  for (int i = 0; i < 256; ++i) sum += std::fabs(in[i]);
  const float threshold = 0.75f * sum / 256;
  float above = 0;
  int count = 0;
  for (int i = 0; i < 256; ++i) {
    const bool large = std::fabs(in[i]) > threshold;
    codes[i] = uint8_t(!large ? 1 : in[i] < 0 ? 0 : 2);
    above += large ? std::fabs(in[i]) : 0;
    count += large;
  }
  return count > 0 ? above / float(count) : 0;
}

}  // namespace

void quantize_tq1_0(const float* in, uint8_t* out) {
  uint8_t codes[256];
  put_half(out + 52, fit_ternary(in, codes));
  const uint8_t* from = codes;
  const auto put = [&](int first, int bytes, int count) {
    for (int i = 0; i < bytes; ++i) {
      int number = 0;
      for (int n = 0; n < 5; ++n) number = number * 3 + (n < count ? from[n * bytes + i] : 0);
      out[first + i] = uint8_t((number * 256 + 242) / 243);  // a fraction of 3^5, rounded up
    }
    from += bytes * count;
  };
  put(0, 32, 5);
  put(32, 16, 5);
  put(48, 4, 4);
}

void quantize_tq2_0(const float* in, uint8_t* out) {
  uint8_t codes[256];
  put_half(out + 64, fit_ternary(in, codes));
  std::memset(out, 0, 64);
  for (int i = 0; i < 256; ++i) {
    out[i / 128 * 32 + i % 32] |= uint8_t(codes[i] << (i % 128 / 32 * 2));
  }
}

void quantize_iq4_nl(const float* in, uint8_t* out) {
  put_iq4(in, put_half(out, fit_iq4(in)), out + 2);
}

void quantize_iq4_xs(const float* in, uint8_t* out) {
  float fits[8];
  for (int sub = 0; sub < 8; ++sub) fits[sub] = fit_iq4(in + 32 * sub);
  const float scale = put_half(out, extreme(fits, 8) / -32);
  std::memset(out + 2, 0, 6);
  for (int sub = 0; sub < 8; ++sub) {
    const int stored = round_to(fits[sub], inverse_of(scale), -32, 31) + 32;
    out[2 + sub / 4] |= uint8_t(stored >> 4 << (sub % 4 * 2));
    out[4 + sub / 2] |= uint8_t((stored & 0xF) << (sub % 2 * 4));
    put_iq4(in + 32 * sub, scale * float(stored - 32), out + 8 + 16 * sub);
  }
}

// The shared exponent is that of the largest magnitude, less 2, the largest exponent of E2M1.
// Source: OCP Microscaling Formats (MX) Specification v1.0, section 6.3.
void quantize_mxfp4(const float* in, uint8_t* out) {
  const float most = std::fabs(extreme(in, 32));
  const int exponent = most > 0 ? std::clamp(std::ilogb(most) - 2, -127, 127) : -127;
  out[0] = uint8_t(exponent + 127);
  const auto code = [&](float x) {
    const float doubled = std::ldexp(std::fabs(x), 1 - exponent);
    int size = 0;
    while (size < 7 &&
           doubled - float(kFp4Doubled[size]) > float(kFp4Doubled[size + 1]) - doubled) {
      ++size;
    }
    return size | (x < 0 ? 8 : 0);
  };
  for (int i = 0; i < 16; ++i) out[1 + i] = uint8_t(code(in[i]) | code(in[i + 16]) << 4);
}

}  // namespace weft::model
