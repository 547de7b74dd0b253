// The types whose codes name small vectors of a grid: IQ1, IQ2 and IQ3. Each vector of magnitudes
// is coded as the grid's nearest, by looking at all of them.
#include <limits>
#include <span>
#include <vector>

#include "model/codebooks.h"
#include "model/quantize_blocks.h"

namespace weft::model {
namespace {

// A grid's vectors, by element, so that a search runs over all entries side by side.
template <int kDim>
class Grid {
 public:
  // Of each entry, element i has the level `levels[entry >> bits * i & mask]`.
  Grid(std::span<const uint16_t> entries, const float* levels, int bits, float shift = 0)
      : count_(entries.size()), squares_(count_) {
    for (int i = 0; i < kDim; ++i) {
      elements_[i].resize(count_);
      for (size_t e = 0; e < count_; ++e) {
        const float level = levels[entries[e] >> (bits * i) & ((1 << bits) - 1)] + shift;
        elements_[i][e] = level;
        squares_[e] += level * level;
      }
    }
  }

  // The entry nearest to x [kDim], and the square of its distance less that of x itself.
  int nearest(const float* x, float& distance) const {
    int best = 0;
    distance = std::numeric_limits<float>::max();
    for (size_t e = 0; e < count_; e += 4) {  // counts are powers of two
      Float4 four = load4(&squares_[e]);
      for (int i = 0; i < kDim; ++i) four -= 2 * x[i] * load4(&elements_[i][e]);
      for (int lane = 0; lane < 4; ++lane) {
        if (four[lane] < distance) {
          distance = four[lane];
          best = int(e) + lane;
        }
      }
    }
    return best;
  }
  int nearest(const float* x) const {
    float distance;
    return nearest(x, distance);
  }

 private:
  size_t count_;
  std::vector<float> elements_[kDim];
  std::vector<float> squares_;
};

// A scale for `count` values whose codes are levels of magnitude: of several, the one with the
// least error if each value could choose its level.
float fit_levels(const float* in, int count, std::span<const float> levels) {
  const float most = std::fabs(extreme(in, count));
  float best_scale = 0, best_error = std::numeric_limits<float>::max();
  for (int trial = 0; trial < 10; ++trial) {
    const float scale = most / levels.back() * (0.55f + 0.05f * float(trial));
    float error = 0;
    for (int i = 0; i < count; ++i) {
      float least = std::numeric_limits<float>::max();
      for (const float level : levels) {
        const float difference = std::fabs(in[i]) - scale * level;
        least = std::min(least, difference * difference);
      }
      error += least;
    }
    if (error < best_error) {
      best_error = error;
      best_scale = scale;
    }
  }
  return best_scale;
}

// The 8 signs of `in`, and magnitudes / scale. With `even`, the smallest magnitude takes the other
// sign where the number of negative ones is odd.
uint8_t split_signs(const float* in, float inverse, bool even, float* sizes) {
  uint8_t signs = 0;
  int smallest = 0;
  for (int i = 0; i < 8; ++i) {
    sizes[i] = std::fabs(in[i]) * inverse;
    if (in[i] < 0) signs |= uint8_t(1 << i);
    if (sizes[i] < sizes[smallest]) smallest = i;
  }
  if (even && std::popcount(signs) % 2 != 0) {
    signs ^= uint8_t(1 << smallest);
    sizes[smallest] = -sizes[smallest];
  }
  return signs;
}

// Scales of runs of `run` values as odd multiples 2 s + 1 of a step, s up to `top`. Writes the
// step's f16 times `unit` to `d`, s to `scales`; returns the step.
float put_odd_scales(const float* in, int run, std::span<const float> levels, int top, float unit,
                     uint8_t* d, int* scales) {
  float fits[16];
  const int runs = 256 / run;
  for (int r = 0; r < runs; ++r) fits[r] = fit_levels(in + r * run, run, levels);
  const float most = *std::max_element(fits, fits + runs);
  const float step = put_half(d, most / float(2 * top + 1) * unit) / unit;
  for (int r = 0; r < runs; ++r) {
    scales[r] = round_to(fits[r] - step, inverse_of(2 * step), 0, top);
  }
  return step;
}

void put_u16(uint8_t* out, uint32_t value) {
  out[0] = uint8_t(value);
  out[1] = uint8_t(value >> 8);
}

float odd_inverse(float step, int scale) {
  return inverse_of(step * float(2 * scale + 1));
}

// All 256 values of a type that has signs: scales of runs, then code(group, signs, sizes) with the
// magnitudes of each 8 values, over their scale.
template <typename Code>
void code_groups(const float* in, int run, std::span<const float> levels, float unit, bool even,
                 uint8_t* out, int* scales, Code code) {
  const float step = put_odd_scales(in, run, levels, 15, unit, out, scales);
  for (int group = 0; group < 32; ++group) {
    float sizes[8];
    const uint8_t signs =
        split_signs(in + 8 * group, odd_inverse(step, scales[8 * group / run]), even, sizes);
    code(group, signs, sizes);
  }
}

// Runs of 32, each with a word at out[at + stride * run] of 4 times 7 signs and its scale;
// code(group, sizes) puts the rest.
template <typename Code>
void code_words(const float* in, std::span<const float> levels, float unit, uint8_t* out, int at,
                int stride, Code code) {
  int scales[8];
  uint32_t words[8] = {};
  code_groups(in, 32, levels, unit, true, out, scales,
              [&](int group, uint8_t signs, const float* sizes) {
                words[group / 4] |= uint32_t(signs & 127) << (7 * (group % 4));
                code(group, sizes);
              });
  for (int run = 0; run < 8; ++run) {
    const uint32_t word = words[run] | uint32_t(scales[run]) << 28;
    put_u16(out + at + stride * run, word);
    put_u16(out + at + stride * run + 2, word >> 16);
  }
}

// Runs whose scales are put two by two at out[at].
template <typename Code>
void code_nibbles(const float* in, int run, std::span<const float> levels, float unit, bool even,
                  uint8_t* out, int at, Code code) {
  int scales[16];
  code_groups(in, run, levels, unit, even, out, scales, code);
  for (int i = 0; i < 128 / run; ++i) {
    out[at + i] = uint8_t(scales[2 * i] | scales[2 * i + 1] << 4);
  }
}

constexpr float kIq1Levels[] = {1.0f};
constexpr float kIq1Values[4] = {-1, 0, 1, 0};
constexpr float kIq1Delta = 0.125f;

// The nearest entry to 8 values of an IQ1 type, with delta positive or negative.
struct Iq1Choice {
  int entry;
  float distance;
};
Iq1Choice nearest_iq1(const float* in, float inverse, bool negative) {
  static const Grid<8> kGrids[2] = {{kIq1Grid, kIq1Values, 2, kIq1Delta},
                                    {kIq1Grid, kIq1Values, 2, -kIq1Delta}};
  float x[8];
  for (int i = 0; i < 8; ++i) x[i] = in[i] * inverse;
  Iq1Choice choice{};
  choice.entry = kGrids[negative].nearest(x, choice.distance);
  return choice;
}

}  // namespace

void quantize_iq2_xxs(const float* in, uint8_t* out) {
  static const Grid<8> kGrid(kIq2XxsGrid, kIq2Levels, 2);
  code_words(in, kIq2Levels, 8, out, 6, 8, [&](int group, const float* sizes) {
    out[2 + 8 * (group / 4) + group % 4] = uint8_t(kGrid.nearest(sizes));
  });
}

void quantize_iq2_xs(const float* in, uint8_t* out) {
  static const Grid<8> kGrid(kIq2XsGrid, kIq2Levels, 2);
  code_nibbles(in, 16, kIq2Levels, 8, true, out, 66,
               [&](int group, uint8_t signs, const float* sizes) {
                 put_u16(out + 2 + 2 * group, uint32_t(kGrid.nearest(sizes) | (signs & 127) << 9));
               });
}

void quantize_iq2_s(const float* in, uint8_t* out) {
  static const Grid<8> kGrid(kIq2SGrid, kIq2Levels, 2);
  std::memset(out + 66, 0, 8);
  code_nibbles(in, 16, kIq2Levels, 8, false, out, 74,
               [&](int group, uint8_t signs, const float* sizes) {
                 out[34 + group] = signs;
                 const int entry = kGrid.nearest(sizes);
                 out[2 + group] = uint8_t(entry);
                 out[66 + group / 4] |= uint8_t(entry >> 8 << (2 * (group % 4)));
               });
}

void quantize_iq3_xxs(const float* in, uint8_t* out) {
  static const Grid<4> kGrid(kIq3XxsGrid, kIq3XxsLevels, 3);
  code_words(in, kIq3XxsLevels, 4, out, 66, 4, [&](int group, const float* sizes) {
    out[2 + 2 * group] = uint8_t(kGrid.nearest(sizes));
    out[3 + 2 * group] = uint8_t(kGrid.nearest(sizes + 4));
  });
}

void quantize_iq3_s(const float* in, uint8_t* out) {
  static const Grid<4> kGrid(kIq3SGrid, kIq3SLevels, 3);
  std::memset(out + 66, 0, 8);
  code_nibbles(in, 32, kIq3SLevels, 1, false, out, 106,
               [&](int group, uint8_t signs, const float* sizes) {
                 out[74 + group] = signs;
                 for (int half = 0; half < 2; ++half) {
                   const int entry = kGrid.nearest(sizes + 4 * half);
                   const int l = 2 * group + half;
                   out[2 + l] = uint8_t(entry);
                   out[66 + group / 4] |= uint8_t(entry >> 8 << (l % 8));
                 }
               });
}

void quantize_iq1_s(const float* in, uint8_t* out) {
  int scales[8];
  const float step = put_odd_scales(in, 32, kIq1Levels, 7, 1, out, scales);
  for (int sub = 0; sub < 8; ++sub) {
    Iq1Choice choices[2][4];
    float distances[2] = {};
    for (int negative = 0; negative < 2; ++negative) {
      for (int l = 0; l < 4; ++l) {
        choices[negative][l] =
            nearest_iq1(in + 32 * sub + 8 * l, odd_inverse(step, scales[sub]), negative);
        distances[negative] += choices[negative][l].distance;
      }
    }
    const int negative = distances[1] < distances[0];
    uint32_t word = uint32_t(scales[sub]) << 12 | uint32_t(negative) << 15;
    for (int l = 0; l < 4; ++l) {
      const int entry = choices[negative][l].entry;
      out[2 + 4 * sub + l] = uint8_t(entry);
      word |= uint32_t(entry >> 8) << (3 * l);
    }
    put_u16(out + 34 + 2 * sub, word);
  }
}

void quantize_iq1_m(const float* in, uint8_t* out) {
  uint8_t d[2];
  int scales[16];
  const float step = put_odd_scales(in, 16, kIq1Levels, 7, 1, d, scales);
  std::memset(out + 32, 0, 24);
  for (int group = 0; group < 32; ++group) {
    const float inverse = odd_inverse(step, scales[group / 2]);
    const Iq1Choice plus = nearest_iq1(in + 8 * group, inverse, false);
    const Iq1Choice minus = nearest_iq1(in + 8 * group, inverse, true);
    const bool negative = minus.distance < plus.distance;
    const int entry = negative ? minus.entry : plus.entry;
    out[group] = uint8_t(entry);
    out[32 + group / 2] |= uint8_t((entry >> 8 | (negative ? 8 : 0)) << (4 * (group % 2)));
  }
  const int half = d[0] | d[1] << 8;
  for (int i = 0; i < 4; ++i) {
    uint32_t word = uint32_t(half >> (4 * i) & 0xF) << 12;
    for (int j = 0; j < 4; ++j) word |= uint32_t(scales[4 * i + j]) << (3 * j);
    put_u16(out + 48 + 2 * i, word);
  }
}

}  // namespace weft::model
