// A preview: the plan that the mesh would make for a model which it does not serve now. What the
// planner asks of a model is its shape (bytes and parameters per layer), so a model need not be in
// the mesh: a file's table is enough.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "mesh/view.h"
#include "partition/planner.h"

namespace weft::node {

// The shape of a model file on this machine; its metadata is read, nothing is hashed, so model and
// manifest are zero. Errors as model::Model::open.
Result<transport::ModelOffer> shape_of_file(const std::string& path);

// A shape as JSON: {name, file_bytes, hidden_dim, vocab_size, context_length,
// kv_bytes_per_token_layer, scratch_row_bytes, scratch_position_bytes, tied_bytes, embedding, head,
// layers}; each layer, the embedding and the head are [bytes, parameters, GGUF's number of the
// tensor type, most tokens of its KV cache or 0, bytes that one token does not read].
nlohmann::ordered_json shape_json(const transport::ModelOffer& shape);
// Takes hostile JSON: kInvalid says what is missing or out of range.
Result<transport::ModelOffer> parse_shape(const nlohmann::json& shape);

// A member's offer of that name, null if there is none.
const transport::ModelOffer* offer_named(const mesh::View& view, const std::string& name);

// The planner's answer as the mesh shows its own plans; its epoch is 0.
mesh::PlanView preview_of(const partition::Plan& plan, const partition::PlanRequest& question,
                          const transport::ModelOffer& shape);

}  // namespace weft::node
