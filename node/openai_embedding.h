// POST /v1/embeddings: its request and its answer.
// Source: OpenAI API reference, "Embeddings". `pooling` is ours.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "node/service.h"

namespace weft::node {

inline constexpr size_t kEmbeddingInputsMax = 2048;  // of one request, as that API has it
// The answer's vectors, as text.
inline constexpr size_t kEmbeddingBytesMax = 32 * 1024 * 1024;

struct OpenAiEmbedding {
  EmbeddingRequest request;
  bool base64 = false;  // encoding_format
};

// kInvalid says which field is wrong and what it may be. Any thread.
Result<OpenAiEmbedding> parse_embedding_request(std::string_view body);

// What a vector takes of the answer at most.
size_t embedding_bytes(size_t dimensions, bool base64);

// {"object": "list", "data": [...], "model", "usage"}. base64: of the floats' bytes, little-endian.
std::string embeddings_json(std::string_view model, const std::vector<Embedding>& embeddings,
                            bool base64);

}  // namespace weft::node
