// Poolings: what this node, as the last stage, has of the inputs that are to become one vector
// each. An input comes in chunks; its rows are summed in f64 and in their order, so that the vector
// does not depend on the chunks. One thread.
#pragma once

#include <map>
#include <span>
#include <vector>

#include "base/id.h"
#include "base/result.h"
#include "mesh/compute.h"

namespace weft::node {

class Poolings {
 public:
  // Of how many of the sequence's last rows the final hidden states are wanted.
  static uint32_t rows_wanted(const mesh::BatchSequence& sequence);

  // Takes these rows in; the vector if they are the input's last ones, else nothing.
  //   rows  [rows_wanted, dim]
  // kStale: rows before these were lost (its session was opened on another device, say).
  Result<std::vector<float>> take(const mesh::BatchSequence& sequence, std::span<const float> rows,
                                  size_t dim);
  void release(SessionId session) { sums_.erase(session); }

 private:
  struct Sum {
    uint32_t next_position = 0;
    std::vector<double> values;
  };
  std::map<SessionId, Sum> sums_;
};

}  // namespace weft::node
