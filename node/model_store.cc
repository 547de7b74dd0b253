#include "node/model_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "crypto/hash.h"
#include "node/have_file.h"
#include "node/model_offer.h"

namespace weft::node {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view kDigestsMagic = "WFTD1";
constexpr uint64_t kSmallFileBytesMax = 4 * 1024 * 1024;
constexpr size_t kFilesMax = 256;             // models looked at in the folders
constexpr uint64_t kHashStepBytes = 16 * 1024 * 1024;
constexpr size_t kNameBytesMax = 200;

std::string name_of(const std::string& path) {
  return printable(fs::path(path).stem().string(), kNameBytesMax);
}

}  // namespace

struct ModelStore::FileFacts {
  std::string path;
  std::string text;  // path, size and time: what its digests are good for
};

Digest digest_of(const std::vector<Digest>& tensors) {
  crypto::Hasher hasher;
  for (const Digest& digest : tensors) hasher.update(digest.bytes);
  return hasher.finish();
}

Result<std::unique_ptr<ModelStore>> ModelStore::open(const std::string& dir) {
  WEFT_CHECK(make_folder(dir, 0700));
  std::unique_ptr<ModelStore> store(new ModelStore(dir));
  store->load_fetched();
  return store;
}

std::string ModelStore::part_path(const ModelId& id, std::string_view suffix) const {
  return cat(dir_, "/", to_string(id), suffix);
}

void ModelStore::put(std::shared_ptr<const StoredModel> stored) {
  std::lock_guard lock(mutex_);
  models_[stored->manifest.model] = std::move(stored);
}

std::shared_ptr<const StoredModel> ModelStore::find(const ModelId& id) const {
  std::lock_guard lock(mutex_);
  const auto found = models_.find(id);
  return found == models_.end() ? nullptr : found->second;
}

std::shared_ptr<const StoredModel> ModelStore::find_name(const std::string& name) const {
  std::lock_guard lock(mutex_);
  for (const auto& [id, stored] : models_) {
    if (stored->name == name) return stored;
  }
  return nullptr;
}

std::vector<transport::ModelOffer> ModelStore::offers() const {
  std::vector<transport::ModelOffer> offers;
  std::lock_guard lock(mutex_);
  for (const auto& [id, stored] : models_) {
    if (stored->whole && offers.size() < transport::kOffersMax) offers.push_back(offer_of(*stored));
  }
  return offers;
}

Result<bool> ModelStore::scan(
    const std::vector<std::string>& folders,
    const std::function<bool(const std::string&, uint64_t, uint64_t)>& progress) {
  std::map<std::string, std::string> now;
  for (const std::string& folder : folders) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
      if (entry.path().extension() != ".gguf" || now.size() >= kFilesMax) continue;
      struct stat facts {};
      if (::stat(entry.path().c_str(), &facts) != 0 || !S_ISREG(facts.st_mode)) continue;
      now[entry.path().string()] = cat(entry.path().string(), "\n", facts.st_size, "\n",
                                       facts.st_mtim.tv_sec, ".", facts.st_mtim.tv_nsec);
    }
    if (error) return system_error("read the folder", folder, error.value());
  }
  if (now == seen_) return false;
  std::set<ModelId> present;
  for (const auto& [path, facts] : now) {
    auto taken = take_in(path, [&](uint64_t done, uint64_t total) {
      return !progress || progress(path, done, total);
    });
    if (!taken.ok()) {
      if (taken.error().code == ErrorCode::kCancelled) return std::move(taken).error();
      log_warn("store.skipped", {{"error", taken.error().message}});
      continue;
    }
    present.insert((*taken)->manifest.model);
    put(*taken);
  }
  {
    std::lock_guard lock(mutex_);
    std::erase_if(models_, [&](const auto& entry) {
      return entry.second->whole && !present.contains(entry.first);
    });
  }
  seen_ = std::move(now);
  return true;
}

Result<std::shared_ptr<StoredModel>> ModelStore::take_in(
    const std::string& path, const std::function<bool(uint64_t, uint64_t)>& progress) {
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0) return system_error("look at", path, errno);
  const FileFacts file_facts{path, cat(path, "\n", facts.st_size, "\n", facts.st_mtim.tv_sec, ".",
                                       facts.st_mtim.tv_nsec)};
  WEFT_TRY(model::Model model, model::Model::open(path));
  auto stored = std::make_shared<StoredModel>();
  const model::GgufFile& file = model.file();
  stored->manifest.model.bytes = crypto::blake2b_256(file.header()).bytes;
  stored->manifest.file_bytes = file.file_bytes();
  stored->manifest.header_bytes = file.header().size();
  WEFT_TRY(stored->manifest.tensors, digests_of(file_facts, file, progress));
  stored->manifest_digest = digest_of(stored->manifest.tensors);
  stored->name = name_of(path);
  stored->path = path;
  stored->whole = true;
  stored->model = std::make_shared<const model::Model>(std::move(model));
  return stored;
}

// From the cache if the file has not changed since, else hashed and cached.
Result<std::vector<Digest>> ModelStore::digests_of(
    const FileFacts& facts, const model::GgufFile& file,
    const std::function<bool(uint64_t, uint64_t)>& progress) {
  const Digest key = crypto::blake2b_256(as_bytes(facts.path));
  const std::string cache_path = cat(dir_, "/", to_string(key), ".digests");
  const size_t count = file.tensors().size();
  ByteWriter expected;
  expected.append(as_bytes(kDigestsMagic)).number(uint32_t(facts.text.size()));
  expected.append(as_bytes(facts.text));
  const Bytes head = expected.take();
  std::vector<Digest> digests(count);
  if (auto cached = read_file(cache_path, kSmallFileBytesMax); cached.ok()) {
    const size_t digest_bytes = count * sizeof(Digest::bytes);
    const ByteView body(*cached);
    if (body.size() == head.size() + digest_bytes + sizeof(Digest::bytes) &&
        std::equal(head.begin(), head.end(), body.begin())) {
      const Digest sum = crypto::blake2b_256(body.first(body.size() - sizeof(Digest::bytes)));
      if (std::equal(sum.bytes.begin(), sum.bytes.end(), body.end() - sizeof(Digest::bytes))) {
        std::memcpy(digests.data(), body.data() + head.size(), digest_bytes);
        return digests;
      }
    }
  }
  uint64_t done = 0, total = 0;
  for (const model::GgufTensor& tensor : file.tensors()) total += tensor.bytes;
  for (size_t i = 0; i < count; ++i) {
    const ByteView data = file.data(file.tensors()[i]);
    crypto::Hasher hasher;
    for (uint64_t at = 0; at < data.size(); at += kHashStepBytes) {
      const uint64_t step = std::min<uint64_t>(kHashStepBytes, data.size() - at);
      hasher.update(data.subspan(at, step));
      done += step;
      if (!progress(done, total)) return Error(ErrorCode::kCancelled, "hashing was cancelled");
    }
    digests[i] = hasher.finish();
  }
  if (file.damaged()) {
    return Error(ErrorCode::kCorrupt, cat(facts.path, " was cut while it was read"));
  }
  ByteWriter out;
  out.append(head);
  for (const Digest& digest : digests) out.append(digest.bytes);
  out.append(crypto::blake2b_256(out.bytes()).bytes);
  if (const auto saved = write_file_atomic(cache_path, out.bytes(), 0600); !saved.ok()) {
    log_warn("store.digests", {{"error", saved.error().message}});  // hashed again next time
  }
  return digests;
}

Result<transport::Manifest> ModelStore::manifest(const ModelId& id) const {
  const auto stored = find(id);
  if (!stored || !stored->whole) {
    return Error(ErrorCode::kNotFound, cat("model ", short_string(id), " is not here whole"));
  }
  return stored->manifest;
}

Result<Bytes> ModelStore::read(const ModelId& id, uint64_t offset, uint32_t size) const {
  const auto stored = find(id);
  if (!stored || !stored->whole) {
    return Error(ErrorCode::kNotFound, cat("model ", short_string(id), " is not here whole"));
  }
  const uint64_t file_bytes = stored->manifest.file_bytes;
  if (offset > file_bytes || size > file_bytes - offset || size > transport::kPayloadBytesMax) {
    return Error(ErrorCode::kInvalid, cat("bytes ", offset, "+", size, " are not in the file"));
  }
  FileDescriptor fd(::open(stored->path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return system_error("open", stored->path, errno);
  Bytes bytes(size);
  const ssize_t n = ::pread(fd.get(), bytes.data(), size, off_t(offset));
  if (n != ssize_t(size)) {
    return Error(ErrorCode::kIo, cat("read ", stored->path, ": ", n, " of ", size, " bytes"));
  }
  return bytes;
}

Result<> ModelStore::begin(const transport::Manifest& manifest, const Digest& expected,
                           const std::string& name) {
  if (digest_of(manifest.tensors) != expected) {
    return Error(ErrorCode::kCorrupt, "the manifest is not the one the plan names");
  }
  if (manifest.header_bytes == 0 || manifest.header_bytes > kFetchedHeaderBytesMax ||
      manifest.header_bytes > manifest.file_bytes || manifest.file_bytes > (uint64_t{1} << 48)) {
    return Error(ErrorCode::kCorrupt, "the manifest's sizes are out of range");
  }
  const auto known = find(manifest.model);
  if (known && (known->whole || known->manifest_digest == expected)) return {};
  auto stored = std::make_shared<StoredModel>();
  stored->manifest = manifest;
  stored->manifest_digest = expected;
  stored->name = printable(name, kNameBytesMax);
  stored->path = part_path(manifest.model, ".gguf");
  FileDescriptor fd(::open(stored->path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd.valid()) return system_error("create", stored->path, errno);
  if (::ftruncate(fd.get(), off_t(manifest.file_bytes)) != 0) {
    return system_error("size", stored->path, errno);
  }
  WEFT_CHECK(save_have(*stored));
  put(std::move(stored));
  return {};
}

Result<> ModelStore::write(const ModelId& id, uint64_t offset, ByteView data) {
  const auto stored = find(id);
  if (!stored || stored->whole) return Error(ErrorCode::kNotFound, "no such model is fetched");
  if (offset > stored->manifest.file_bytes || data.size() > stored->manifest.file_bytes - offset) {
    return Error(ErrorCode::kInvalid, "a chunk beyond the file's end");
  }
  FileDescriptor fd(::open(stored->path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return system_error("open", stored->path, errno);
  for (size_t done = 0; done < data.size();) {
    const ssize_t n =
        ::pwrite(fd.get(), data.data() + done, data.size() - done, off_t(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return system_error("write", stored->path, errno);
    done += size_t(n);
  }
  return {};
}

// True if an item's bytes are what the manifest says. A header that is sound opens the model.
Result<bool> ModelStore::check(StoredModel& stored, uint32_t item) const {
  if (item == kHeaderItem) {
    const FileDescriptor fd(::open(stored.path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.valid()) return system_error("open", stored.path, errno);
    Bytes header(stored.manifest.header_bytes);
    if (::pread(fd.get(), header.data(), header.size(), 0) != ssize_t(header.size())) return false;
    if (crypto::blake2b_256(header).bytes != stored.manifest.model.bytes) return false;
    WEFT_TRY(model::Model model, model::Model::open(stored.path));
    if (model.file().tensors().size() != stored.manifest.tensors.size()) return false;
    stored.model = std::make_shared<const model::Model>(std::move(model));
    return true;
  }
  if (!stored.model || item > stored.manifest.tensors.size()) return false;
  const model::GgufFile& file = stored.model->file();
  const Digest digest = crypto::blake2b_256(file.data(file.tensors()[item - 1]));
  return !file.damaged() && digest == stored.manifest.tensors[item - 1];
}

Result<bool> ModelStore::verify(const ModelId& id, uint32_t item) {
  const auto stored = find(id);
  if (!stored || stored->whole) return Error(ErrorCode::kNotFound, "no such model is fetched");
  auto next = std::make_shared<StoredModel>(*stored);
  WEFT_TRY(const bool sound, check(*next, item));
  next->unchecked.erase(item);
  if (sound) {
    next->have.insert(item);
  } else if (next->have.erase(item) > 0) {
    const std::string part =
        item == kHeaderItem ? "header" : printable(stored->model->file().tensors()[item - 1].name);
    log_warn("store.damaged", {{"file", stored->path}, {"part", part},
                               {"state", "changed on disk since it was fetched; fetched anew"}});
  }
  if (next->have != stored->have) WEFT_CHECK(save_have(*next));
  put(std::move(next));
  return sound;
}

namespace {

// The tensors that layers [first_layer, last_layer) read, as items. The header must be there.
std::vector<uint32_t> slice_items(const StoredModel& stored, uint32_t first_layer,
                                  uint32_t last_layer) {
  std::set<const model::GgufTensor*> wanted;
  for (const auto* tensor : stored.model->slice_tensors(first_layer, last_layer)) {
    wanted.insert(tensor);
  }
  std::vector<uint32_t> items;
  const auto& tensors = stored.model->file().tensors();
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    if (wanted.contains(&tensors[i])) items.push_back(i + 1);
  }
  return items;
}

}  // namespace

Result<std::vector<mesh::FetchItem>> ModelStore::missing(const ModelId& id, uint32_t first_layer,
                                                         uint32_t last_layer) const {
  const auto stored = find(id);
  if (!stored) return Error(ErrorCode::kNotFound, "the model's manifest is not here");
  std::vector<mesh::FetchItem> items;
  if (stored->whole) return items;
  if (!stored->have.contains(kHeaderItem)) {
    const mesh::ByteRange range{0, stored->manifest.header_bytes};
    items.push_back({kHeaderItem, range, {range}});
    return items;
  }
  for (const uint32_t item : slice_items(*stored, first_layer, last_layer)) {
    if (stored->have.contains(item)) continue;
    const model::GgufTensor& tensor = stored->model->file().tensors()[item - 1];
    const mesh::ByteRange range{tensor.offset, tensor.bytes};
    items.push_back({item, range, {range}});
  }
  return items;
}

std::vector<uint32_t> ModelStore::unchecked(const ModelId& id, uint32_t first_layer,
                                            uint32_t last_layer) const {
  const auto stored = find(id);
  if (!stored || stored->whole || !stored->model) return {};
  std::vector<uint32_t> items = slice_items(*stored, first_layer, last_layer);
  std::erase_if(items, [&](uint32_t item) { return !stored->unchecked.contains(item); });
  return items;
}

Result<> ModelStore::save_have(const StoredModel& stored) const {
  return write_file_atomic(part_path(stored.manifest.model, ".have"), have_bytes(stored), 0600);
}

// What an earlier run fetched. A file that does not fit its list is left out and fetched again.
void ModelStore::load_fetched() {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(dir_, error)) {
    if (entry.path().extension() != ".have") continue;
    auto bytes = read_file(entry.path().string(), kSmallFileBytesMax);
    if (!bytes.ok()) continue;
    auto parsed = parse_have(*bytes);
    if (!parsed.ok()) {
      log_warn("store.have", {{"file", entry.path().string()}, {"error", parsed.error().message}});
      continue;
    }
    auto stored = std::make_shared<StoredModel>(std::move(*parsed));
    stored->path = part_path(stored->manifest.model, ".gguf");
    if (fs::file_size(stored->path, error) != stored->manifest.file_bytes || error) continue;
    if (stored->have.contains(kHeaderItem)) {
      auto model = model::Model::open(stored->path);
      if (!model.ok() ||
          crypto::blake2b_256(model->file().header()).bytes != stored->manifest.model.bytes ||
          model->file().tensors().size() != stored->manifest.tensors.size()) {
        log_warn("store.fetched", {{"file", stored->path}, {"state", "damaged, fetched again"}});
        continue;
      }
      stored->model = std::make_shared<const model::Model>(std::move(*model));
    }
    stored->unchecked = stored->have;
    stored->unchecked.erase(kHeaderItem);  // just done
    put(std::move(stored));
  }
}

}  // namespace weft::node
