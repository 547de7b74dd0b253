// Riding: how many rows of prompts a stage lets ride along with a batch of decode rows, found by
// measuring.
//
// They may add kPrefillShare to what the batch takes without them. What a row adds cannot be told
// from another number of rows (a tile of the kernels has rows to spare or it has not) nor from
// another depth of a prompt, so the number is moved towards the limit step by step: up after
// kRidingPatience batches that kept it, at once to twice as many where they added next to nothing,
// down after each batch that did not.
#pragma once

#include <cstdint>

namespace weft::mesh {

class Riding {
 public:
  // A plan begins: kRidingRowsFirst.
  void start();

  // At least kRidingRowsMin, at most `most` (1 or more).
  uint32_t rows(uint32_t most) const;
  // A batch of decode rows alone took so long.
  void on_decode(double elapsed_s);
  // A batch took so long in which so many prefill rows rode along.
  void on_ride(uint32_t prefill_rows, double elapsed_s);

 private:
  double decode_step_s_ = 0;  // a moving average; 0: not measured yet
  uint32_t rows_ = 1;
  uint32_t kept_ = 0;       // batches in a row that kept the limit with as many rows
  uint32_t kept_rows_ = 0;  // how many kept it before more were tried; 0: forgotten
};

}  // namespace weft::mesh
