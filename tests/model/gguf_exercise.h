// Does to a file, hostile or not, what a node does with a model it is given. Must not crash,
// whatever the bytes; errors are fine. Shared by the mutation test and the fuzzer.
#pragma once

#include <string>
#include <vector>

#include "model/info.h"
#include "model/model.h"
#include "model/tokenizer.h"

namespace weft::model {

// True if the file opened as a model.
inline bool exercise_gguf(const std::string& path) {
  const auto file = GgufFile::open(path);
  if (!file.ok()) return false;
  volatile size_t touched = file->describe().size() + file->header().back();
  for (const GgufTensor& tensor : file->tensors()) {
    const TensorTypeInfo& type = tensor_type_info(tensor.type);
    std::vector<float> values(type.block_elements);
    const ByteView data = file->data(tensor);
    dequantize(tensor.type, data.last(type.block_bytes), values);
    touched = touched + data[0];
  }
  if (const auto tokenizer = Tokenizer::from_gguf(*file); tokenizer.ok()) {
    const auto tokens =
        tokenizer->encode("hello <|eot_id|> h\xC3\xA9 42 \xFF\n", {.parse_special = true});
    StreamDecoder stream(*tokenizer);
    for (const TokenId token : tokens) touched = touched + stream.push(token).size();
    touched = touched + stream.finish().size() + tokenizer->decode(tokens, true).size();
  }
  const auto model = Model::open(path);
  if (model.ok()) touched = touched + describe_model(*model).types.size();
  return model.ok();
}

}  // namespace weft::model
