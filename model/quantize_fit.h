// Scales that make the weighted squared error of a run of values small: the searches behind the
// K-quants. For each of several trial scales the codes are the nearest ones, and for those codes
// the best scale (and minimum) has a closed form; the trial with the least error wins.
// Counts are multiples of 4.
// Source: the published method of the K-quants (ggml-org/ggml, "k-quants", pull request 1684 of
// ggml-org/llama.cpp) in its form without an importance matrix.
#pragma once

namespace weft::model {

enum class ErrorWeights {
  kEven,
  kSquares,  // x^2: a large value counts more
};

// Symmetric codes -half .. half - 1. Returns the scale, which may be negative; 0 for values that
// are all (nearly) zero.
float fit_symmetric(const float* x, int count, int half, ErrorWeights weights);

// Which trials fit_affine makes: ranges of top + first, top + first + step, ... over the values'.
struct AffineSearch {
  float first;
  float step;
  int steps;
};

// Codes 0 .. top, value = scale * code - minimum, minimum >= 0. `weights` [count] are of the
// squared errors.
struct AffineFit {
  float scale;
  float minimum;
};
AffineFit fit_affine(const float* x, const float* weights, int count, int top,
                     const AffineSearch& search);

}  // namespace weft::model
