#include "node/openai_embedding.h"

#include <charconv>

#include "base/bytes.h"
#include "base/text.h"
#include "node/http_json.h"
#include "node/request_fields.h"

namespace weft::node {
namespace {

using Json = nlohmann::json;

constexpr uint32_t kDimensionsMost = 1u << 20;  // the model's own number is checked later
constexpr size_t kFloatBytesMax = 16;           // "-1.17549435e-38,"

Result<EmbeddingInput> text_input(const Json& value, const std::string& where) {
  if (!value.is_string()) return invalid_field(where, "must be a string, as the first one is");
  auto text = value.get<std::string>();
  if (text.empty()) return invalid_field(where, "is empty; give at least one character");
  return EmbeddingInput(std::move(text));
}

Result<EmbeddingInput> token_input(const Json& value, const std::string& where) {
  if (!value.is_array() || value.empty()) {
    return invalid_field(where, "must be a list of at least one token id");
  }
  std::vector<TokenId> tokens;
  tokens.reserve(value.size());
  for (const Json& token : value) {
    if (!token.is_number_unsigned() || token.get<uint64_t>() > INT32_MAX) {
      return invalid_field(where, "must hold token ids: whole numbers from 0");
    }
    tokens.push_back(TokenId(token.get<uint64_t>()));
  }
  return EmbeddingInput(std::move(tokens));
}

// A text, a list of texts, one input's token ids, or a list of such lists.
Result<std::vector<EmbeddingInput>> inputs_of(const Json& object) {
  std::vector<EmbeddingInput> inputs;
  const Json* input = field(object, "input");
  const bool list = input && input->is_array() && !input->empty();
  if (!list && !(input && input->is_string())) {
    return invalid_field("input", "must be a string, a list of strings, a list of token ids, or a "
                                  "list of such lists; and not be empty");
  }
  if (!list || input->front().is_number()) {
    WEFT_TRY(auto only, list ? token_input(*input, "input") : text_input(*input, "input"));
    inputs.push_back(std::move(only));
    return inputs;
  }
  if (input->size() > kEmbeddingInputsMax) {
    return invalid_field("input", cat("has ", input->size(), " inputs, a request may have ",
                                      kEmbeddingInputsMax));
  }
  const bool texts = input->front().is_string();
  for (size_t i = 0; i < input->size(); ++i) {
    const std::string where = cat("input[", i, "]");
    WEFT_TRY(auto one, texts ? text_input((*input)[i], where) : token_input((*input)[i], where));
    inputs.push_back(std::move(one));
  }
  return inputs;
}

std::string float_list(const std::vector<float>& values) {
  std::string text = "[";
  char digits[32];
  for (const float value : values) {
    // The shortest digits that read back as the same float.
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    text.append(digits, end);
    text += ',';
  }
  if (values.empty()) return "[]";
  text.back() = ']';
  return text;
}

// Source: RFC 4648, section 4.
std::string base64(ByteView bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    for (size_t k = 0; k < 3; ++k) group = group << 8 | (k < count ? bytes[i + k] : 0u);
    for (size_t k = 0; k < 4; ++k) {
      text += k <= count ? kDigits[group >> (18 - 6 * k) & 63] : '=';
    }
  }
  return text;
}

}  // namespace

Result<OpenAiEmbedding> parse_embedding_request(std::string_view body) {
  WEFT_TRY(const Json object, parse_json_object(body));
  OpenAiEmbedding made;
  WEFT_TRY(made.request.model, text_field(object, "model"));
  WEFT_TRY(made.request.inputs, inputs_of(object));
  WEFT_TRY(made.request.dimensions, whole_field(object, "dimensions", 1, kDimensionsMost, 0));
  WEFT_TRY(const std::string format, text_field(object, "encoding_format"));
  if (format != "" && format != "float" && format != "base64") {
    return invalid_field("encoding_format", "must be \"float\" or \"base64\"");
  }
  made.base64 = format == "base64";
  WEFT_TRY(const std::string pooling, text_field(object, "pooling"));
  if (pooling != "" && pooling != "mean" && pooling != "last") {
    return invalid_field("pooling", "must be \"mean\" or \"last\"");
  }
  if (pooling == "mean") made.request.pooling = transport::Pooling::kMean;
  if (pooling == "last") made.request.pooling = transport::Pooling::kLast;
  return made;
}

size_t embedding_bytes(size_t dimensions, bool base64) {
  return base64 ? (dimensions * sizeof(float) + 2) / 3 * 4 : dimensions * kFloatBytesMax;
}

std::string embeddings_json(std::string_view model, const std::vector<Embedding>& embeddings,
                            bool as_base64) {
  // Written by hand: as JSON values the vectors would take several times their text.
  std::string text = "{\"object\":\"list\",\"data\":[";
  uint64_t tokens = 0;
  for (size_t i = 0; i < embeddings.size(); ++i) {
    const std::vector<float>& values = embeddings[i].values;
    text += cat(i > 0 ? "," : "", "{\"object\":\"embedding\",\"index\":", i, ",\"embedding\":");
    if (as_base64) {
      text += cat("\"", base64({reinterpret_cast<const uint8_t*>(values.data()),
                                values.size() * sizeof(float)}), "\"");
    } else {
      text += float_list(values);
    }
    text += '}';
    tokens += embeddings[i].tokens;
  }
  const Json usage = {{"prompt_tokens", tokens}, {"total_tokens", tokens}};
  text += cat("],\"model\":", json_text(Json(model)), ",\"usage\":", json_text(usage), "}");
  return text;
}

}  // namespace weft::node
