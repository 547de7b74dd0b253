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

// Files whose size is data's, not a writer's.
const Names kGenerated = {};

const Names kFolders = {"base",      "model",     "kernels", "partition", "crypto",
                        "discovery", "transport", "mesh",    "node"};

// Which folders' headers a folder may include besides its own; node: every one but sim.
const std::map<std::string, Names> kArrows = {
    {"base", {}},
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
    {"sodium", {"crypto"}},      {"zmq", {"transport"}},      {"flatbuffers/", {"transport"}},
    {"microhttpd", {"node"}},    {"curl/", {"node"}},         {"CLI/", {"node"}},
    {"qrencode", {"node"}},      {"prometheus/", {"node"}},   {"pcre2", {"model"}},
    {"utf8proc", {"model"}},     {"spdlog/", {"base"}},       {"nlohmann/", {"model", "node"}}};

struct Source {
  std::string path;    // from the root, with forward slashes
  std::string folder;  // its first part
  std::vector<std::string> lines;
};

std::string extension(const Source& source) { return fs::path(source.path).extension().string(); }

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

TEST(Tidy, TheTreeIsThere) { EXPECT_GT(sources().size(), 100u); }

TEST(Tidy, NoFileIsLongerThanItsLimit) {
  for (const Source& source : sources()) {
    if (kGenerated.contains(source.path)) continue;
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
  const std::regex type("^(class|struct|enum|union|namespace|extern|template|TEST|const|constexpr).*");
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
      if (ours && folder != source.folder && !(source.folder == "mesh" && kMeshSees.contains(name)))
        EXPECT_TRUE(kArrows.at(source.folder).contains(folder)) << source.path << ": " << name;
      for (const auto& [vendor, folders] : kVendors) {
        if (match[1] == "<" && name.starts_with(vendor))
          EXPECT_TRUE(folders.contains(source.folder)) << source.path << ": " << name;
      }
    }
  }
}

}  // namespace
}  // namespace weft
