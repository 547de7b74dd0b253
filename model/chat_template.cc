#include "model/chat_template.h"

#include "base/text.h"
#include "model/template/ast.h"
#include "model/template/functions.h"
#include "model/template/input.h"
#include "model/template/interpreter.h"
#include "model/template/parser.h"

namespace weft::model {

struct ChatTemplate::Program {
  jinja::Block block;
};

ChatTemplate::ChatTemplate(std::unique_ptr<Program> program) : program_(std::move(program)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

Result<ChatTemplate> ChatTemplate::parse(std::string_view source) {
  WEFT_TRY(auto block, jinja::parse(source));
  return ChatTemplate(std::make_unique<Program>(Program{std::move(block)}));
}

Result<std::string> ChatTemplate::render(const nlohmann::ordered_json& variables, int64_t now_unix,
                                         const TemplateLimits& limits) const {
  if (!variables.is_object()) {
    return Error(ErrorCode::kInvalid, "a template's variables must be a JSON object");
  }
  jinja::Runtime runtime(limits, now_unix);
  const auto globals = std::make_shared<jinja::Scope>();
  WEFT_CHECK(jinja::add_functions(runtime, *globals));
  for (auto variable = variables.begin(); variable != variables.end(); ++variable) {
    WEFT_TRY(globals->variables[variable.key()], jinja::from_json(runtime, variable.value()));
  }
  return jinja::Interpreter(runtime, globals).run(program_->block);
}

}  // namespace weft::model
