// The commands about models: run, bench, logits, tokenize, detokenize, template, synth,
// quantize, info.
#include <cstdio>
#include <memory>

#include "base/text.h"
#include "kernels/cpu/thread_pool.h"
#include "model/quantize_recipe.h"
#include "node/adapters.h"
#include "node/cli.h"
#include "node/command_bench.h"
#include "node/command_info.h"
#include "node/command_logits.h"
#include "node/command_quantize.h"
#include "node/command_run.h"
#include "node/command_synth.h"
#include "node/command_template.h"
#include "node/command_tokenize.h"
#include "node/model_path.h"

namespace weft::node {
namespace {

constexpr const char* kModelHelp = "a .gguf file, or the name of one in --model-dir or DIR/models";

// Where a command that takes MODEL looks for it.
struct ModelArgument {
  std::string model;
  std::string dir = default_data_dir();
  std::vector<std::string> model_dirs;

  void add_to(CLI::App* command, const char* name = "MODEL") {
    command->add_option(name, model, kModelHelp)->required();
    command->add_option("--model-dir", model_dirs, "a folder with .gguf files (repeatable)")
        ->allow_extra_args(false);
    command->add_option("--dir", dir, "the node's folder");
  }
  Result<std::string> find() const {
    std::vector<std::string> folders = model_dirs;
    folders.push_back(dir + "/models");
    return find_model(model, folders);
  }
};

void add_run(CLI::App& app, CliContext& context) {
  auto* command = app.add_subcommand("run", "complete a text, or chat in the terminal");
  auto options = std::make_shared<RunOptions>();
  auto argument = std::make_shared<ModelArgument>();
  argument->add_to(command);
  options->sampling.temperature = 0.8f;
  SamplingParams& sampling = options->sampling;
  command->add_option("-p,--prompt", options->prompt,
                      "one turn of a chat by the model's own template (a model without one goes on "
                      "with the text); without -p: a chat in the terminal");
  command
      ->add_option("-n,--max-tokens", options->max_tokens,
                   "most new tokens; 0: to the "
                   "context's end")
      ->capture_default_str();
  command->add_option("--temp", sampling.temperature, "0: always the likeliest token")
      ->capture_default_str();
  command->add_option("--top-k", sampling.top_k, "draw from the K likeliest; 0: all");
  command->add_option("--top-p", sampling.top_p, "draw from the likeliest with this sum");
  command->add_option("--min-p", sampling.min_p, "least share of the likeliest one's chance");
  command->add_option("--repeat-penalty", sampling.repetition_penalty, "1: none");
  command->add_option("--presence-penalty", sampling.presence_penalty,
                      "off the logit of what the answer has");
  command->add_option("--frequency-penalty", sampling.frequency_penalty, "the same for each time");
  command->add_option("--grammar", options->grammar_file,
                      "a file with a grammar (GBNF) that the answer follows");
  command->add_option("--json-schema", options->schema_file,
                      "a file with a JSON schema that the answer follows");
  command->add_option("--seed", options->seed,
                      "the same seed gives the same text; random if not "
                      "given");
  command->add_option("--stop", options->stop, "a text that ends the answer (repeatable)")
      ->allow_extra_args(false);
  add_backend_options(command, options->backend);
  add_lora_option(command, options->lora);
  command->add_option("--ctx", options->context, "tokens of context; 0: the model's, at most 8192");
  command->add_option("--kv", options->kv, "type of the KV cache: f16, f32 or q8_0")
      ->capture_default_str();
  command->add_flag("--mesh", options->mesh, "ask the mesh of the node that runs (`weft up`)");
  command->add_option("--http", options->http, "the node's ADDR:PORT; default: DIR/http.addr")
      ->check(address_defect);
  command->add_option("--api-key-file", options->api_key_file, "the key that the node wants");
  command->add_flag("--json", options->json, "one JSON object at the end");
  command->add_flag("--raw", options->raw, "go on with the text as it is: no chat template");
  command->callback([&context, options, argument] {
    options->model = argument->model;
    options->dir = argument->dir;
    options->model_dirs = argument->model_dirs;
    run_command(context, [&] { return run_model(*options); });
  });
}

void add_bench(CLI::App& app, CliContext& context) {
  auto* command = app.add_subcommand("bench", "measure prefill, decode and memory bandwidth");
  auto options = std::make_shared<BenchOptions>();
  auto argument = std::make_shared<ModelArgument>();
  argument->add_to(command);
  command->add_option("-p", options->prompt_tokens, "tokens of the prompt; several as 128,512")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("-n", options->new_tokens, "tokens of the answer")->capture_default_str();
  command
      ->add_option("--sessions", options->sessions,
                   "streams that decode together; several as 1,2,4,8")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("--kv", options->kv, "type of the KV cache: f16, f32 or q8_0")
      ->capture_default_str();
  command->add_option("--repeat", options->repeat, "runs; their median counts")
      ->check(CLI::Range(1u, 1000u))
      ->capture_default_str();
  add_backend_options(command, options->backend);
  add_lora_option(command, options->lora);
  command->add_option("--trace", options->trace,
                      "write each operation's time, as Chrome trace events");
  command->add_flag("--json", options->json, "one JSON object");
  command->callback([&context, options, argument] {
    run_command(context, [&]() -> Result<> {
      WEFT_TRY(options->model_path, argument->find());
      return bench_model(*options);
    });
  });
}

void add_logits(CLI::App& app, CliContext& context) {
  auto* command = app.add_subcommand("logits", "write the logits after each token of a prompt");
  auto options = std::make_shared<LogitsOptions>();
  auto argument = std::make_shared<ModelArgument>();
  argument->add_to(command);
  command->add_option("--tokens", options->tokens, "1,2,3 or @FILE")->required();
  command->add_option("--out", options->out, "float32 [tokens, vocabulary]")->required();
  command->add_option("--chunk", options->chunk, "tokens evaluated at a time; 0: all");
  command->add_option("--split", options->split, "layers before which a new stage begins: 4,9");
  command->add_option("--kv", options->kv, "type of the KV cache: f32, f16 or q8_0")
      ->capture_default_str();
  add_backend_options(command, options->backend);
  add_lora_option(command, options->lora);
  command->callback([&context, options, argument] {
    run_command(context, [&]() -> Result<> {
      WEFT_TRY(options->model_path, argument->find());
      return write_logits(*options);
    });
  });
}

void add_tokenize(CLI::App& app, CliContext& context) {
  auto* command = app.add_subcommand("tokenize", "text to token ids, as [1, 2, 3]");
  auto options = std::make_shared<TokenizeOptions>();
  auto argument = std::make_shared<ModelArgument>();
  argument->add_to(command);
  auto* text = command->add_option("-p,--prompt", options->text, "the text");
  command->add_option("--file", options->file, "a file with the text; default: standard input")
      ->excludes(text);
  command->add_flag("--no-bos", options->no_bos, "no start token, even where the model wants one");
  command->add_flag("--parse-special", options->parse_special,
                    "control tokens written out in the text become their token");
  command->add_flag("--json")->description("the list is JSON in any case");
  command->callback([&context, options, argument] {
    run_command(context, [&]() -> Result<> {
      WEFT_TRY(options->model_path, argument->find());
      return tokenize_text(*options);
    });
  });
}

void add_detokenize(CLI::App& app, CliContext& context) {
  auto* command = app.add_subcommand("detokenize", "token ids to text");
  auto options = std::make_shared<DetokenizeOptions>();
  auto argument = std::make_shared<ModelArgument>();
  argument->add_to(command);
  auto* ids = command->add_option("--ids", options->ids, "1,2,3");
  command->add_option("--file", options->file, "a file with the ids; default: standard input")
      ->excludes(ids);
  command->add_flag("--special", options->with_special, "show control tokens");
  command->add_flag("--json", options->json, "{\"text\": ...}");
  command->callback([&context, options, argument] {
    run_command(context, [&]() -> Result<> {
      WEFT_TRY(options->model_path, argument->find());
      return detokenize_ids(*options);
    });
  });
}

void add_template(CLI::App& app, CliContext& context) {
  auto* command = app.add_subcommand("template", "render a chat template");
  auto options = std::make_shared<TemplateOptions>();
  command->add_option("TEMPLATE", options->source, "a .jinja file, or a GGUF with its own")
      ->required();
  command
      ->add_option("--input", options->input, "a JSON object of the variables; -: standard input")
      ->required();
  command->add_option("--now", options->now, "2026-11-21T09:30:00; default: the local time");
  command->callback([&context, options] {
    run_command(context, [&]() -> Result<> {
      WEFT_TRY(const std::string text, render_template(*options));
      std::fwrite(text.data(), 1, text.size(), stdout);
      return {};
    });
  });
}

void add_synth(CLI::App& app, CliContext& context) {
  auto* command = app.add_subcommand("synth", "write a random model of a real shape");
  auto options = std::make_shared<model::SynthOptions>();
  auto force = std::make_shared<bool>(false);
  command->add_option("OUT", options->path, "the file to write")->required();
  command->add_option("--arch", options->architecture,
                      cat("of a shape that any may have (nano, tiny, small), by default llama: ",
                          model::synth_architectures()));
  command->add_option("--shape", options->shape, model::synth_shapes())->capture_default_str();
  command->add_option("--quant", options->quant, model::synth_quants())->capture_default_str();
  command->add_option("--layers", options->layers, "instead of the shape's");
  command->add_option("--seed", options->seed)->capture_default_str();
  command->add_flag("--force", *force, "replace the file if it is there");
  command->callback([&context, options, force] {
    run_command(context, [&] { return make_synthetic(*options, *force); });
  });
}

void add_quantize(CLI::App& app, CliContext& context) {
  auto* command = app.add_subcommand("quantize", "write a model with fewer bits per weight");
  auto options = std::make_shared<QuantizeOptions>();
  auto argument = std::make_shared<ModelArgument>();
  argument->add_to(command, "IN");
  command->add_option("OUT", options->output, "the file to write")->required();
  std::vector<std::string> types;
  for (const model::QuantizeRecipe& recipe : model::quantize_recipes()) {
    types.emplace_back(recipe.name);
  }
  command->add_option("--type", options->type, "the published mix to write")
      ->required()
      ->check(CLI::IsMember(types, CLI::ignore_case));
  command->add_option("-t,--threads", options->threads, "0: one per core")
      ->check(CLI::Range(0u, kernels::kPoolThreadsMax));
  command->add_flag("--force", options->force, "replace OUT if it is there");
  command->add_flag("--json", options->json, "one JSON object");
  command->callback([&context, options, argument] {
    run_command(context, [&]() -> Result<> {
      WEFT_TRY(options->input, argument->find());
      return quantize_model(*options);
    });
  });
}

void add_info(CLI::App& app, CliContext& context) {
  auto* command = app.add_subcommand("info", "what a model is and what it takes");
  auto json = std::make_shared<bool>(false);
  auto argument = std::make_shared<ModelArgument>();
  argument->add_to(command);
  command->add_flag("--json", *json, "one JSON object");
  command->callback([&context, json, argument] {
    run_command(context, [&]() -> Result<> {
      WEFT_TRY(const std::string path, argument->find());
      return show_model(path, *json);
    });
  });
}

}  // namespace

void add_model_commands(CLI::App& app, CliContext& context) {
  add_run(app, context);
  add_bench(app, context);
  add_logits(app, context);
  add_tokenize(app, context);
  add_detokenize(app, context);
  add_template(app, context);
  add_synth(app, context);
  add_quantize(app, context);
  add_info(app, context);
}

}  // namespace weft::node
