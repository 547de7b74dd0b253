#include "node/model_path.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "base/text.h"

namespace weft::node {
namespace {

namespace fs = std::filesystem;

constexpr size_t kFilesMax = 10'000;  // looked at in one folder
constexpr size_t kNamesShown = 5;
constexpr size_t kNameBytesMax = 255;
constexpr std::string_view kSuffix = ".gguf";

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = char(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// Insertions, deletions and replacements from one to the other (Levenshtein 1966).
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row[b.size()];
}

std::string list(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kNamesShown); ++i) {
    text += (i > 0 ? ", " : "") + printable(names[i]);
  }
  return text + (names.size() > kNamesShown ? ", ..." : "");
}

Error not_found(const std::string& model, const std::vector<std::string>& folders) {
  std::vector<std::string> names;
  for (const std::string& folder : folders) {
    for (std::string& name : models_in(folder)) names.push_back(std::move(name));
  }
  const fs::path parent = fs::path(model).parent_path();
  for (const std::string& name : models_in(parent.empty() ? "." : parent.string())) {
    names.push_back((parent / (name + std::string(kSuffix))).string());
  }
  std::string text = cat("there is no model ", printable(model, 200),
                         ": neither a file nor a name in ", list(folders), ". ");
  if (const auto near = near_names(model, names); !near.empty()) {
    text += cat("Did you mean ", list(near), "? ");
  } else if (!names.empty()) {
    text += cat("There are: ", list(names), ". ");
  }
  text += "Give the path of a .gguf file, or its folder with --model-dir";
  return Error(ErrorCode::kNotFound, std::move(text));
}

}  // namespace

std::vector<std::string> models_in(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator it(folder, error);
  for (size_t seen = 0; !error && it != fs::directory_iterator() && seen < kFilesMax; ++seen) {
    const fs::path& path = it->path();
    fs::path have = path;
    have.replace_extension(".have");
    std::error_code ignored;
    if (path.extension() == kSuffix && it->is_regular_file(ignored) && !fs::exists(have, ignored)) {
      names.push_back(path.stem().string());
    }
    it.increment(error);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> near_names(std::string_view wanted, std::vector<std::string> names) {
  const std::string target = lower(model_name(std::string(wanted)));
  std::vector<std::pair<size_t, std::string>> ranked;
  for (std::string& name : names) {
    const std::string stem = lower(model_name(name));
    if (stem.size() > kNameBytesMax || target.size() > kNameBytesMax || target.empty()) continue;
    size_t distance = edit_distance(target, stem);
    // A part of the name is as good as a slip of the finger.
    if (stem.find(target) != std::string::npos) distance = std::min<size_t>(distance, 2);
    if (distance <= std::max<size_t>(2, target.size() / 3)) ranked.emplace_back(distance, name);
  }
  std::sort(ranked.begin(), ranked.end());
  std::vector<std::string> near;
  for (auto& [distance, name] : ranked) near.push_back(std::move(name));
  near.erase(std::unique(near.begin(), near.end()), near.end());
  return near;
}

std::string model_name(const std::string& model) {
  std::string name = fs::path(model).filename().string();
  if (name.ends_with(kSuffix)) name.resize(name.size() - kSuffix.size());
  return name;
}

Result<std::string> find_model(const std::string& model, const std::vector<std::string>& folders) {
  std::error_code error;
  if (model.empty()) return Error(ErrorCode::kInvalid, "the model's name is empty");
  const fs::file_status status = fs::status(model, error);
  if (fs::is_directory(status)) {
    const auto names = models_in(model);
    const std::string what = names.empty() ? std::string("no .gguf file")
                                           : cat("the models ", list(names));
    return Error(ErrorCode::kInvalid, cat(printable(model, 200), " is a folder with ", what,
                                          "; give the path of a .gguf file"));
  }
  if (fs::exists(status)) return model;
  if (model.find('/') == std::string::npos) {
    for (const std::string& folder : folders) {
      for (const std::string& name : models_in(folder)) {
        if (name == model_name(model)) {
          return (fs::path(folder) / (name + std::string(kSuffix))).string();
        }
      }
    }
  }
  return not_found(model, folders);
}

}  // namespace weft::node
