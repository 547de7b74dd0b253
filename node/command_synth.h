// `weft synth`: a random model of a real shape.
#pragma once

#include "base/result.h"
#include "model/synth.h"

namespace weft::node {

// kConflict if the file is there and `force` is not given. Ctrl-C leaves no file.
Result<> make_synthetic(const model::SynthOptions& options, bool force);

}  // namespace weft::node
