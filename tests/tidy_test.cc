// The rules of the source tree that a reader can count: sizes, include arrows, mirror tests.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "tests/support/support.h"

namespace weft {
namespace {

namespace fs = std::filesystem;
using Names = std::set<std::string>;

constexpr size_t kFileLinesMax = 500;
constexpr size_t kLineColumnsMax = 100;
constexpr size_t kFunctionLinesMax = 70;

const Names kFolders = {"base",      "model",     "kernels", "partition", "crypto",
                        "discovery", "transport", "mesh",    "node"};

// Which folders' headers a folder may include besides its own; node: every one but sim.
const std::map<std::string, Names> kArrows = {{"base", {}},
                                              {"model", {"base"}},
                                              {"kernels", {"base", "model"}},
                                              {"partition", {"base"}},
                                              {"crypto", {"base"}},
                                              {"discovery", {"base"}},
                                              {"transport", {"base", "crypto"}},
                                              {"mesh", {"base", "partition"}},
                                              {"node", kFolders}};
// The only headers of transport that mesh may see: plain data, no sockets.
const Names kMeshSees = {"transport/message.h", "transport/network.h"};

// Each vendor's headers, by how their names start, and the folders that may include them.
const std::map<std::string, Names> kVendors = {
    {"sodium", {"crypto"}},          {"zmq", {"transport"}},    {"flatbuffers/", {"transport"}},
    {"microhttpd", {"node"}},        {"curl/", {"node"}},       {"CLI/", {"node"}},
    {"qrencode", {"node"}},          {"prometheus/", {"node"}}, {"pcre2", {"model"}},
    {"utf8proc", {"model"}},         {"simde/", {"kernels"}},   {"spdlog/", {"base"}},
    {"nlohmann/", {"model", "node"}}};

// Files without a mirror of their own, and what covers them.
const std::map<std::string, std::string> kMirrorless = {
    {"kernels/cpu/cpu_attention.cc", "kernels/cpu/attention_test"},
    {"kernels/cpu/cpu_matmul.cc", "kernels/cpu/matmul_*_test and kernels/operations_test"},
    {"kernels/cpu/kernels_avx2.cc", "kernels/cpu/matmul_*_test"},
    {"kernels/cpu/kernels_avx512.cc", "kernels/cpu/matmul_*_test"},
    {"kernels/cpu/kernels_avx512vnni.cc", "kernels/cpu/matmul_*_test"},
    {"kernels/cpu/kernels_avxvnni.cc", "kernels/cpu/matmul_*_test"},
    {"kernels/cpu/kernels_float8.cc", "kernels/cpu/cpu_backend_test"},
    {"kernels/cpu/kernels_scalar.cc", "kernels/cpu/cpu_backend_test"},
    {"kernels/cpu/matmul_float8.cc", "kernels/cpu/matmul_float_test"},
    {"kernels/cpu/matmul_neon.cc", "kernels/cpu/matmul_*_test"},
    {"kernels/cpu/matmul_neon_dotprod.cc", "kernels/cpu/matmul_*_test"},
    {"kernels/cpu/matmul_neon_i8mm.cc", "kernels/cpu/matmul_*_test"},
    {"kernels/cpu/matmul_scalar.cc", "kernels/cpu/cpu_backend_test"},
    {"kernels/cpu/product.cc", "kernels/cpu/matmul_*_test"},
    {"kernels/backend.cc", "kernels/cpu/cpu_weight_test"},
    {"kernels/vulkan/api.cc", "kernels/vulkan/device_test"},
    {"kernels/vulkan/products.cc", "kernels/vulkan/backend_test and kernels/operations_test"},
    {"kernels/vulkan/shaders.cc", "kernels/vulkan/backend_test"},
    {"model/arch_gemma.cc", "kernels/golden_test"},
    {"model/arch_gpt_oss.cc", "kernels/families_test"},
    {"model/arch_llama.cc", "model/model_test and tokenizer_test"},
    {"model/arch_phi.cc", "kernels/golden_test"},
    {"model/arch_qwen.cc", "kernels/golden_test"},
    {"model/architecture.cc", "model/model_test and tokenizer_test"},
    {"model/byte_pair.cc", "model/model_test and tokenizer_test"},
    {"model/codebooks.cc", "model/dequantize_test"},
    {"model/config.cc", "model/model_test and tokenizer_test"},
    {"model/dequantize_codebook.cc", "model/dequantize_test"},
    {"model/dequantize_k.cc", "model/dequantize_test"},
    {"model/grammar_parse.cc", "model/grammar_test"},
    {"model/pretokenizer_table.cc", "model/pretokenizer_test"},
    {"model/quantize_codebook.cc", "model/quantize_test"},
    {"model/quantize_grid.cc", "model/quantize_test"},
    {"model/quantize_k.cc", "model/quantize_test"},
    {"model/scored_pieces.cc", "model/model_test and tokenizer_test"},
    {"model/stream_decoder.cc", "model/model_test and tokenizer_test"},
    {"model/synth_recipe.cc", "model/model_test and tokenizer_test"},
    {"model/template/evaluate.cc", "model/chat_template_test"},
    {"model/template/list_filters.cc", "model/chat_template_test"},
    {"model/template/postfix_parser.cc", "model/chat_template_test"},
    {"model/template/string_methods.cc", "model/chat_template_test"},
    {"model/template/text_filters.cc", "model/chat_template_test"},
    {"model/vocabulary.cc", "model/model_test and tokenizer_test"},
    {"node/cli.cc", "run by tests/e2e"},
    {"node/cli_model.cc", "run by tests/e2e"},
    {"node/cli_trust.cc", "run by tests/e2e"},
    {"node/invite_command.cc", "run by tests/e2e"},
    {"node/main.cc", "run by tests/e2e"},
    {"node/node_effects.cc", "run by tests/e2e"},
    {"node/node_service.cc", "run by tests/e2e"},
    {"node/node_start.cc", "node/node_test and tests/e2e"},
    {"transport/decode.cc", "transport/codec_test"},
    {"transport/encode.cc", "transport/codec_test"},
    {"transport/message.cc", "transport/codec_test"}};

struct Source {
  std::string path;    // from the root, with forward slashes
  std::string folder;  // its first part
  std::vector<std::string> lines;
};

std::string extension(const Source& source) {
  return fs::path(source.path).extension().string();
}

std::vector<Source> read_sources() {
  const fs::path root = test::source_dir();
  Names tops = kFolders;
  tops.insert({"sim", "tests", "scripts"});
  std::vector<Source> sources;
  for (const std::string& top : tops) {
    if (!fs::exists(root / top)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root / top)) {
      const std::string kind = entry.path().extension().string();
      if (!entry.is_regular_file() || !Names{".h", ".cc", ".py", ".sh"}.contains(kind)) continue;
      Source source{fs::relative(entry.path(), root).generic_string(), top, {}};
      std::ifstream in(entry.path());
      for (std::string line; std::getline(in, line);) source.lines.push_back(line);
      sources.push_back(std::move(source));
    }
  }
  return sources;
}

const std::vector<Source>& sources() {
  static const std::vector<Source> all = read_sources();
  return all;
}

// Bytes that begin a character: a rough count of columns.
size_t columns(const std::string& line) {
  return size_t(std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

TEST(Tidy, TheTreeIsThere) {
  EXPECT_GT(sources().size(), 100u);
}

TEST(Tidy, NoFileIsLongerThanItsLimit) {
  for (const Source& source : sources()) {
    EXPECT_LE(source.lines.size(), kFileLinesMax) << source.path;
  }
}

TEST(Tidy, NoLineIsWiderThanItsLimit) {
  for (const Source& source : sources()) {
    for (size_t i = 0; i < source.lines.size(); ++i) {
      EXPECT_LE(columns(source.lines[i]), kLineColumnsMax) << source.path << ":" << i + 1;
    }
  }
}

// A function outside of classes ends with a brace at column 0, and starts at the last line before
// it that stands at column 0 and ends with an opening brace. Code in namespaces is not indented, so
// this finds them all; classes and enums are left out by their first word.
TEST(Tidy, NoFunctionIsLongerThanItsLimit) {
  const std::regex type(
      "^(class|struct|enum|union|namespace|extern|template|TEST|const|constexpr).*");
  for (const Source& source : sources()) {
    if (extension(source) != ".cc") continue;
    size_t start = 0;
    bool open = false;
    for (size_t i = 0; i < source.lines.size(); ++i) {
      const std::string& line = source.lines[i];
      if (line.empty()) continue;
      if (open && line[0] == '}') {
        EXPECT_LE(i - start, kFunctionLinesMax) << source.path << ":" << start + 1;
        open = false;
      } else if (std::isalpha(static_cast<unsigned char>(line[0])) && !open) {
        start = i;
        open = line.ends_with("{") && !std::regex_match(line, type);
      } else if (!open && line[0] == ' ' && line.ends_with(") {") && i - start < 5) {
        open = line.starts_with("    ") && source.lines[start].ends_with(",");
      }
    }
  }
}

TEST(Tidy, EveryHeaderIsIncludedOnce) {
  for (const Source& source : sources()) {
    if (extension(source) != ".h") continue;
    EXPECT_NE(std::find(source.lines.begin(), source.lines.end(), "#pragma once"),
              source.lines.end())
        << source.path;
  }
}

TEST(Tidy, IncludesFollowTheArrowsAndVendorsStayInTheirFolder) {
  const std::regex include("^#include ([\"<])([^\">]+)[\">].*");
  for (const Source& source : sources()) {
    if (!kArrows.contains(source.folder)) continue;
    for (const std::string& line : source.lines) {
      std::smatch match;
      if (!std::regex_match(line, match, include)) continue;
      const std::string name = match[2];
      const std::string folder = name.substr(0, name.find('/'));
      const bool ours = match[1] == "\"" && (kFolders.contains(folder) || folder == "sim");
      const bool seen = source.folder == "mesh" && kMeshSees.contains(name);
      if (ours && folder != source.folder && !seen) {
        EXPECT_TRUE(kArrows.at(source.folder).contains(folder)) << source.path << ": " << name;
      }
      for (const auto& [vendor, folders] : kVendors) {
        if (match[1] == "<" && name.starts_with(vendor)) {
          EXPECT_TRUE(folders.contains(source.folder)) << source.path << ": " << name;
        }
      }
    }
  }
}

TEST(Tidy, EveryFolderSaysWhatItOwns) {
  const fs::path root = test::source_dir();
  for (const auto& entry : fs::directory_iterator(root)) {
    const std::string name = entry.path().filename().string();
    if (!entry.is_directory() || name[0] == '.' || name.starts_with("build")) continue;
    EXPECT_TRUE(fs::exists(entry.path() / "README.md")) << name;
  }
}

TEST(Tidy, NoExceptionIsNeededNoMore) {
  const fs::path root = test::source_dir();
  for (const auto& [path, cover] : kMirrorless) {
    const std::string stem = path.substr(0, path.size() - 3);
    EXPECT_TRUE(fs::exists(root / path)) << path;
    EXPECT_FALSE(fs::exists(root / "tests" / (stem + "_test.cc"))) << path;
  }
}

TEST(Tidy, EverySourceFileHasAMirrorTest) {
  const fs::path tests = fs::path(test::source_dir()) / "tests";
  const std::regex variant("_(scalar|float8)$");
  for (const Source& source : sources()) {
    if (!kFolders.contains(source.folder) || extension(source) != ".cc") continue;
    if (kMirrorless.contains(source.path)) continue;
    const std::string stem = source.path.substr(0, source.path.size() - 3);
    EXPECT_TRUE(fs::exists(tests / (std::regex_replace(stem, variant, "") + "_test.cc")))
        << source.path;
  }
}

}  // namespace
}  // namespace weft
