// Node: one device of the mesh, running. It wires trust, links, discovery, the mesh's state
// machine, compute and the model store together.
//
// Threads (docs/architecture.md): the mesh thread waits on every socket and timer; the compute
// thread owns the slice; the worker hashes and moves files; callers of the Service come on threads
// of their own. They meet in bounded queues. The machine and the links belong to who holds `turn_`:
// the mesh thread except while it waits, and the compute thread between two batches: it hands on
// what the one has made, and takes in what the next is to be.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/queue.h"
#include "base/waiter.h"
#include "crypto/trust_store.h"
#include "discovery/mdns.h"
#include "mesh/machine.h"
#include "node/adapters.h"
#include "node/backend_choice.h"
#include "node/chat.h"
#include "node/embeddings.h"
#include "node/loader.h"
#include "node/model_store.h"
#include "node/peers.h"
#include "node/service.h"
#include "node/slice_compute.h"
#include "node/stream.h"
#include "node/trace.h"
#include "node/trust_watch.h"
#include "node/worker.h"
#include "transport/links.h"

namespace weft::node {

inline constexpr size_t kTasksMax = 256;  // from callers, at once

struct NodeOptions {
  std::string dir;                       // all state
  std::string mesh_address = "0.0.0.0:7071";
  std::vector<std::string> model_dirs;
  std::vector<std::string> interfaces;   // for mDNS; empty: every suitable one
  std::vector<std::string> seed_peers;
  std::string model;                     // to serve, by name; empty: the first offered
  BackendChoice backend;
  std::vector<std::string> lora;         // adapters for the layers it holds, as --lora has them
  uint64_t memory_bytes = 0;             // 0: measured
  uint64_t vulkan_memory_bytes = 0;      // of a Vulkan device; 0: what it has of its own
  partition::Objective objective = partition::Objective::kLatency;
  size_t min_nodes = 1;
  uint32_t kv_tokens = 8192;
  KvType kv_type = KvType::kF16;
  uint32_t step_rows = 128;              // most prefill rows in one step
  bool mdns = true;
  std::string trace;                     // a file to write; empty: none
};

class Node final : public Service {
 public:
  // The folder must be in a mesh (kNotFound says how to make or join one). Takes the folder's lock,
  // measures the device, listens, announces. Errors name the port, folder or interface.
  static Result<std::unique_ptr<Node>> start(NodeOptions options);
  // Says goodbye to the mesh, ends open streams, withdraws the mDNS record.
  ~Node() override;

  const std::string& name() const { return name_; }
  NodeId id() const { return id_; }
  uint16_t mesh_port() const { return mesh_port_; }
  // Empty while the mesh thread runs well; else why it ended.
  std::string failure() const;

  Result<std::unique_ptr<CompletionStream>> start(CompletionRequest request) override;
  Result<std::unique_ptr<EmbeddingStream>> embed(EmbeddingRequest request) override;
  std::vector<ServedModel> models() override;
  Result<std::vector<TokenId>> tokenize(const std::string& model, const std::string& text,
                                        bool add_special, bool parse_special) override;
  Result<std::string> detokenize(const std::string& model,
                                 const std::vector<TokenId>& tokens) override;
  Health health() override;
  mesh::View view() override;
  NodeCounters counters() override;
  std::vector<AdapterState> adapters() override;
  Result<mesh::PlanView> preview(const transport::ModelOffer& shape) override;
  Result<> want_model(const std::string& name) override;

 private:
  using Task = std::function<void(Time)>;
  // A model's vocabulary and template, made when first asked for.
  struct ModelText {
    std::shared_ptr<const StoredModel> stored;  // owns the mapped file
    std::shared_ptr<const model::Tokenizer> tokenizer;
    std::optional<ChatFormatter> chat;
  };

  explicit Node(NodeOptions options);
  Result<> open();
  Result<> open_network();
  void start_machine(transport::Profile profile);

  // Other threads: hands a task to the mesh thread; false if its queue is full.
  bool post(Task task);
  Result<std::shared_ptr<const ModelText>> model_text(ModelId id);
  struct Prepared {
    mesh::GenerateRequest generate;
    AnswerShape shape;
  };
  // Counts a request; the mesh as it is, if it can be asked for this model (empty: any).
  Result<mesh::View> admit(const std::string& model);
  // Hands it to the machine, whose thread it waits for.
  Result<OpenedSession> open_session(mesh::GenerateRequest generate);
  Result<Prepared> prepare(const CompletionRequest& request, const ModelText& text);
  // The vocabulary of the model that is served; `model` must be its name, or empty.
  Result<std::shared_ptr<const ModelText>> served_text(const std::string& model);

  // The compute thread.
  // --backend, or the processor where a Vulkan device fails its test.
  Result<std::unique_ptr<kernels::Backend>> open_backend();
  Result<std::unique_ptr<kernels::Backend>> on_processor() const;
  Result<transport::Profile> measure(kernels::Backend& backend) const;
  Result<transport::Profile> measure(const ComputeBackends& backends) const;
  void backend_changed(kernels::Backend& backend);
  ComputeCalls compute_calls(bool on_gpu);
  void announce_results(uint64_t job);
  void finish_batch(BatchDone done);
  bool rest(int commands);
  void watch_inbox();
  void wake_for_readers();
  // Any thread of the node: hands a task to the mesh thread.
  void report(Task task);

  // The mesh thread, or who holds turn_.
  void run();
  void run_tasks(Time now);
  void read_network(Time now);
  void read_discovery(Time now);
  void keep_house(Time now);
  void every_second(Time now);
  void dial_peers(Time now);
  void carry_out_effects(Time now);
  void carry_out(mesh::Effect& effect, Time now);
  void send(NodeId to, const transport::Message& message, Time now);
  void send(NodeId to, std::span<const transport::Message* const> messages, Time now);
  void tell_readers(Time now);
  void serve(const mesh::ServeManifest& effect);
  void serve(const mesh::ServeFetch& effect);
  void take_roster(Time now);
  void spread_roster();
  void fetch_vocabulary(Time now);
  void publish_view(Time now);
  void say_goodbye();
  void rescan_models();

  const NodeOptions options_;
  SystemClock clock_;
  std::mutex turn_;  // guards all but what has a lock or a thread of its own
  std::optional<crypto::DataFolderLock> folder_lock_;
  std::optional<crypto::TrustStore> trust_;
  std::optional<TrustWatch> trust_watch_;
  std::optional<crypto::Identity> identity_;
  std::optional<crypto::Membership> membership_;  // mesh thread, after start
  NodeId id_;
  std::string name_;
  uint16_t mesh_port_ = 0;

  AdapterFiles adapter_files_;
  std::unique_ptr<Trace> trace_;  // null: not asked for
  std::unique_ptr<transport::Links> links_;
  std::unique_ptr<discovery::Mdns> mdns_;
  std::unique_ptr<ModelStore> store_;
  std::unique_ptr<mesh::Machine> machine_;
  std::unique_ptr<Loader> loader_;
  PeerBook peers_;
  transport::Profile profile_;
  std::string differing_adapters_;  // as last logged
  std::map<SessionId, std::shared_ptr<TokenQueue>> streams_;
  std::vector<mesh::Effect> for_readers_;  // what the mesh thread is still to tell them
  Time attentive_until_{};                 // the compute thread reads messages too until then
  Time next_second_{};
  Time next_house_{};
  Time next_vocabulary_{};
  Time next_rescan_{};

  BoundedQueue<Task> tasks_;          // from callers: may be full
  BoundedQueue<Task> reports_;        // from compute and worker: sized for all they can have
  FileDescriptor wake_;
  std::atomic<bool> stopping_{false};
  Waiter mesh_wait_, compute_wait_;
  bool goodbye_said_ = false;

  mutable std::mutex mutex_;          // guards what follows
  mesh::View view_;
  std::map<ModelId, std::shared_ptr<const ModelText>> texts_;
  NodeCounters counters_;
  std::vector<AdapterState> adapters_;
  std::string failure_;
  std::string alarm_;

  std::unique_ptr<Worker> worker_;
  std::unique_ptr<SliceCompute> compute_;
  std::thread thread_;                // last
};

}  // namespace weft::node
