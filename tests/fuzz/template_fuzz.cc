// libFuzzer: a template from the input's first part, its variables from the second (behind a NUL).
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "model/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = input.find('\0');
  const auto parsed = weft::model::ChatTemplate::parse(input.substr(0, end));
  if (!parsed.ok()) return 0;
  auto variables = nlohmann::ordered_json::object();
  if (end != std::string_view::npos) {
    variables = nlohmann::ordered_json::parse(input.substr(end + 1), nullptr, false);
    if (!variables.is_object()) return 0;
  }
  weft::model::TemplateLimits limits;
  limits.steps = 50'000;
  limits.output_bytes = 1 << 20;
  limits.value_bytes = 4 << 20;
  (void)parsed->render(variables, 0, limits).ok();
  return 0;
}
