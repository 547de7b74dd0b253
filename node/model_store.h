// The model store: the GGUF files of --model-dir, and the parts of others that were fetched from
// peers.
//
// A model is named by the BLAKE2b-256 of its header and tensor table, each tensor by its own
// digest. A fetched model is a sparse file of the full size, `<dir>/<model id>.gguf`, in which only
// the header and the tensors this node needs are written; `<dir>/<model id>.have` lists what has
// been verified. Nothing is used before it is verified, and what an earlier run has verified is
// hashed once more before its first use in this one: a disk may have changed it.
//
// One thread (the node's worker) changes the store; what is const may be called by any.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/id.h"
#include "base/result.h"
#include "mesh/machine.h"
#include "model/model.h"
#include "transport/message.h"

namespace weft::node {

// Item 0 of a fetch is the header, item i + 1 the tensor i of the file.
inline constexpr uint32_t kHeaderItem = 0;
inline constexpr uint64_t kFetchedHeaderBytesMax = 256ull * 1024 * 1024;

// A model on this node's disk, whole or in part. Immutable but for `have`.
struct StoredModel {
  transport::Manifest manifest;     // id, sizes, digest of each tensor
  Digest manifest_digest;
  std::string name;                 // what clients call it: the file's name without .gguf
  std::string path;
  bool whole = false;
  std::shared_ptr<const model::Model> model;  // null until the header is there
  std::set<uint32_t> have;          // verified items, if not whole
  std::set<uint32_t> unchecked;     // of these, what an earlier run has verified, not yet this one
};

class ModelStore {
 public:
  // dir: where fetched models and digests of known files are kept.
  static Result<std::unique_ptr<ModelStore>> open(const std::string& dir);

  // Looks through the folders for .gguf files that are new or changed, hashes them (progress in
  // bytes; false cancels) and forgets those that are gone. Unreadable models are skipped with a
  // warning. Returns true if anything changed.
  Result<bool> scan(const std::vector<std::string>& folders,
                    const std::function<bool(const std::string&, uint64_t, uint64_t)>& progress);

  // Offers of every whole model.
  std::vector<transport::ModelOffer> offers() const;
  std::shared_ptr<const StoredModel> find(const ModelId& id) const;
  std::shared_ptr<const StoredModel> find_name(const std::string& name) const;

  // Serving peers.
  Result<transport::Manifest> manifest(const ModelId& id) const;
  Result<Bytes> read(const ModelId& id, uint64_t offset, uint32_t size) const;

  // Fetching. Takes a manifest whose digest must be `expected`, makes the sparse file.
  Result<> begin(const transport::Manifest& manifest, const Digest& expected,
                 const std::string& name);
  Result<> write(const ModelId& id, uint64_t offset, ByteView data);
  // Hashes a finished or unchecked item; true if it is what the manifest says, and then it is kept;
  // else it is missing (again).
  Result<bool> verify(const ModelId& id, uint32_t item);
  // What [first, last) of the layers still needs; the header alone if that is not there yet.
  // Empty: all is here.
  Result<std::vector<mesh::FetchItem>> missing(const ModelId& id, uint32_t first_layer,
                                               uint32_t last_layer) const;
  // The items of [first, last) that are here from an earlier run: `verify` each before its use.
  std::vector<uint32_t> unchecked(const ModelId& id, uint32_t first_layer,
                                  uint32_t last_layer) const;

 private:
  explicit ModelStore(std::string dir) : dir_(std::move(dir)) {}
  struct FileFacts;
  Result<std::shared_ptr<StoredModel>> take_in(
      const std::string& path, const std::function<bool(uint64_t, uint64_t)>& progress);
  Result<std::vector<Digest>> digests_of(const FileFacts& facts, const model::GgufFile& file,
                                         const std::function<bool(uint64_t, uint64_t)>& progress);
  void load_fetched();
  Result<bool> check(StoredModel& stored, uint32_t item) const;
  Result<> save_have(const StoredModel& stored) const;
  std::string part_path(const ModelId& id, std::string_view suffix) const;
  void put(std::shared_ptr<const StoredModel> stored);

  std::string dir_;
  mutable std::mutex mutex_;  // guards models_, held for look-ups only
  std::map<ModelId, std::shared_ptr<const StoredModel>> models_;
  std::map<std::string, std::string> seen_;  // path -> size and time at the last scan
};

// BLAKE2b-256 over the digests of all tensors, in file order.
Digest digest_of(const std::vector<Digest>& tensors);

}  // namespace weft::node
