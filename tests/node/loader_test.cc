#include "node/loader.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "kernels/backend.h"
#include "tests/kernels/tiny_model.h"
#include "tests/model/small_adapter.h"

namespace weft::node {
namespace {

constexpr Duration kPatience = seconds(60);

NodeId node_id(uint8_t number) {
  NodeId id;
  id.bytes.fill(number);
  return id;
}
const NodeId kPeer = node_id(2);

// One life of a node that wants a slice. The test is the network, the clock, and the one peer,
// which holds the whole model.
class Life {
 public:
  Life(const std::string& dir, ModelStore& source, ModelId model, AdapterFiles adapters)
      : source_(source), model_(model), machine_(config(), clock_.now()),
        store_(*ModelStore::open(dir)),
        compute_({kernels::make_reference_backend()}, {
            [this](SliceProgress progress) {
              post([this, progress](Time now) { loader_.on(progress, now); });
            },
            [this](SliceLoaded loaded) {
              post([this, loaded](Time now) {
                loaded_.emplace(loaded.epoch.value, loaded.result);
                loader_.on(loaded, now);
              });
            },
            [](BatchDone) {}, [](SessionReleased) {},
            [](int commands) { return wait_readable({&commands, 1}, seconds(1)); }}),
        loader_(machine_, *store_, compute_, worker_,
                [this](std::function<void(Time)> task) { post(std::move(task)); },
                std::move(adapters)) {
    const Time now = clock_.now();
    machine_.on_members({{node_id(1), "self"}, {kPeer, "peer"}}, 1, now);
    machine_.on_link_up(kPeer, now);
    transport::Hello hello;
    hello.name = "peer";
    hello.incarnation = 1;
    machine_.on_message(kPeer, hello, now);
    transport::Profile profile;
    profile.incarnation = 1;
    profile.backend = "none";
    profile.offers = source.offers();
    machine_.on_message(kPeer, profile, now);
  }

  ModelStore& store() { return *store_; }
  Loader& loader() { return loader_; }
  // How each slice that was loaded (or not) by the compute thread ended, by epoch.
  const std::map<uint64_t, Result<>>& loaded() const { return loaded_; }
  const std::vector<mesh::ByteRange>& fetched() const { return fetched_; }
  uint64_t fetched_bytes() const {
    uint64_t sum = 0;
    for (const mesh::ByteRange& range : fetched_) sum += range.size;
    return sum;
  }

  mesh::LoadSlice slice(uint64_t epoch, uint32_t first, uint32_t last) const {
    mesh::LoadSlice load;
    load.epoch = Epoch{epoch};
    load.model = model_;
    load.manifest = source_.find(model_)->manifest_digest;
    load.model_name = "tiny";
    load.first_layer = first;
    load.last_layer = last;
    load.kv_tokens = 64;
    load.rows_max = 32;
    load.holders = {kPeer};
    return load;
  }
  void load(const mesh::LoadSlice& request) { loader_.load(request, clock_.now()); }
  Time now() const { return clock_.now(); }

  // Carries out what the machine asks for until the condition holds; false if it never does.
  bool run_until(const std::function<bool()>& holds) {
    const Time until = clock_.now() + kPatience;
    while (!holds()) {
      const Time now = clock_.now();
      if (now >= until) return false;
      transport::Beat beat;
      beat.incarnation = 1;
      beat.number = ++beats_;
      machine_.on_message(kPeer, beat, now);
      machine_.on_tick(now);
      for (mesh::Effect& effect : machine_.take_effects(now)) {
        std::visit([&](auto& body) { carry_out(body, now); }, effect);
      }
      if (auto task = tasks_.pop(milliseconds(2))) (*task)(clock_.now());
    }
    return true;
  }
  bool run_until_loaded(uint64_t epoch) {
    return run_until([&] { return loaded_.contains(epoch) || loader_.idle(); }) &&
           loaded_.contains(epoch) && loaded_.at(epoch).ok();
  }

 private:
  static mesh::MachineConfig config() {
    mesh::MachineConfig config;
    config.self = node_id(1);
    config.name = "self";
    config.incarnation = 1;
    config.plan = [](const partition::PlanRequest&) -> Result<partition::Plan> {
      return Error(ErrorCode::kUnavailable, "the test says what to load");
    };
    return config;
  }
  void post(std::function<void(Time)> task) { ASSERT_TRUE(tasks_.try_push(std::move(task))); }

  void carry_out(mesh::Send& send, Time now) {
    if (const auto* ask = std::get_if<transport::ManifestRequest>(&send.message)) {
      machine_.on_message(kPeer, *source_.manifest(ask->model), now);
    } else if (const auto* fetch = std::get_if<transport::Fetch>(&send.message)) {
      fetched_.push_back({fetch->offset, fetch->size});
      auto bytes = source_.read(fetch->model, fetch->offset, fetch->size);
      ASSERT_TRUE(bytes.ok()) << bytes.error().message;
      machine_.on_message(kPeer,
                          transport::Chunk{fetch->model, fetch->request, fetch->offset,
                                           SharedBytes::adopt(std::move(*bytes)), ""},
                          now);
    }
  }
  void carry_out(mesh::VerifyManifest& effect, Time) { loader_.on(effect); }
  void carry_out(mesh::StoreChunk& effect, Time) { loader_.on(effect); }
  void carry_out(mesh::VerifyItem& effect, Time) { loader_.on(effect); }
  void carry_out(mesh::FetchProgress& effect, Time now) { loader_.on(effect, now); }
  void carry_out(mesh::FetchEnded& effect, Time now) { loader_.on(effect, now); }
  template <typename Other>
  void carry_out(Other&, Time) {}

  const SystemClock clock_;
  ModelStore& source_;
  const ModelId model_;
  BoundedQueue<std::function<void(Time)>> tasks_{4096};
  mesh::Machine machine_;
  std::unique_ptr<ModelStore> store_;
  std::map<uint64_t, Result<>> loaded_;
  std::vector<mesh::ByteRange> fetched_;
  uint64_t beats_ = 0;
  SliceCompute compute_;
  Worker worker_;
  Loader loader_;
};

class LoaderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(make_folder(models_).ok());
    std::filesystem::copy_file(tiny_.path(), models_ + "/tiny.gguf");
    auto source = ModelStore::open(folder_ / "source");
    ASSERT_TRUE(source.ok());
    source_ = std::move(*source);
    ASSERT_TRUE(source_->scan({models_}, {}).ok());
    whole_ = source_->find_name("tiny");
    ASSERT_TRUE(whole_);
  }
  std::unique_ptr<Life> life() {
    return std::make_unique<Life>(folder_ / "own", *source_, whole_->manifest.model, adapters_);
  }

  test::TemporaryFolder folder_;
  kernels::TinyModel tiny_;
  const std::string models_ = folder_ / "models";
  std::unique_ptr<ModelStore> source_;
  std::shared_ptr<const StoredModel> whole_;
  AdapterFiles adapters_;
};

TEST_F(LoaderTest, AModelThatIsHereIsLoadedAndNothingIsFetched) {
  const auto node = life();
  ASSERT_TRUE(node->store().scan({models_}, {}).ok());
  node->load(node->slice(1, 0, 3));
  EXPECT_TRUE(node->run_until_loaded(1));
  EXPECT_TRUE(node->loader().idle());
  EXPECT_TRUE(node->fetched().empty());
}

TEST_F(LoaderTest, AnAdapterThatDoesNotFitIsLeftOutAndSaidSo) {
  model::SmallAdapter fits, other;
  fits.pairs_of(tiny_.get());
  other.pair("blk.0.attn_q.weight", 64, 64, 8);
  fits.write(folder_ / "fits.gguf");
  other.write(folder_ / "other.gguf");
  adapters_ = open_adapters({folder_ / "other.gguf", folder_ / "fits.gguf:-1"}).value();
  const auto node = life();
  ASSERT_TRUE(node->store().scan({models_}, {}).ok());
  EXPECT_TRUE(node->loader().adapters().empty());
  node->load(node->slice(1, 0, 3));
  EXPECT_TRUE(node->run_until_loaded(1)) << "it is served without";
  const auto& states = node->loader().adapters();
  ASSERT_EQ(states.size(), 2u);
  EXPECT_EQ(states[0].file, "other.gguf");
  EXPECT_FALSE(states[0].applied);
  EXPECT_NE(states[0].reason.find("blk.0.attn_q.weight is [32, 32]"), std::string::npos);
  EXPECT_TRUE(states[1].applied && states[1].scale == -1 && states[1].reason.empty());
}

TEST_F(LoaderTest, AModelThatIsNotHereIsFetchedAsFarAsItsLayersReadIt) {
  const auto node = life();
  node->load(node->slice(1, 1, 2));
  ASSERT_TRUE(node->run_until_loaded(1));
  uint64_t needed = whole_->manifest.header_bytes;
  for (const auto* tensor : whole_->model->slice_tensors(1, 2)) needed += tensor->bytes;
  EXPECT_EQ(node->fetched_bytes(), needed);
  EXPECT_LT(needed, whole_->manifest.file_bytes);
}

TEST_F(LoaderTest, AfterARestartWhatWasFetchedIsLoadedAndNothingIsFetchedAgain) {
  {
    const auto node = life();
    node->load(node->slice(1, 0, 2));
    ASSERT_TRUE(node->run_until_loaded(1));
  }
  const auto node = life();
  node->load(node->slice(1, 0, 2));
  EXPECT_TRUE(node->run_until_loaded(1));
  EXPECT_TRUE(node->fetched().empty());
}

TEST_F(LoaderTest, ATensorThatTheDiskHasChangedIsFetchedAnewBeforeItsUse) {
  {
    const auto node = life();
    node->load(node->slice(1, 0, 2));
    ASSERT_TRUE(node->run_until_loaded(1));
  }
  const auto* tensor = whole_->model->slice_tensors(0, 2).back();
  {
    std::fstream file(folder_ / ("own/" + to_string(whole_->manifest.model) + ".gguf"),
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(std::streamoff(tensor->offset + tensor->bytes - 1));
    const char flipped = char(file.get() ^ 0x10);
    file.seekp(std::streamoff(tensor->offset + tensor->bytes - 1));
    file.put(flipped);
    ASSERT_TRUE(file.good());
  }
  const auto node = life();
  node->load(node->slice(1, 0, 2));
  ASSERT_TRUE(node->run_until_loaded(1));
  ASSERT_EQ(node->fetched().size(), 1u) << "only what was damaged";
  EXPECT_EQ(node->fetched()[0].offset, tensor->offset);
  EXPECT_EQ(node->fetched()[0].size, tensor->bytes);
}

TEST_F(LoaderTest, ANewerRequestReplacesTheOneThatRuns) {
  const auto node = life();
  node->load(node->slice(1, 0, 1));
  ASSERT_TRUE(node->run_until([&] { return !node->fetched().empty(); }));
  node->load(node->slice(2, 2, 3));
  EXPECT_TRUE(node->run_until_loaded(2));
  EXPECT_FALSE(node->loaded().contains(1));
}

TEST_F(LoaderTest, ADroppedRequestIsForgotten) {
  const auto node = life();
  node->load(node->slice(1, 0, 3));
  node->loader().drop(Epoch{1});
  EXPECT_FALSE(node->loader().idle()) << "epoch 1 is not before epoch 1";
  node->loader().drop(Epoch{2});
  EXPECT_TRUE(node->loader().idle());
}

TEST_F(LoaderTest, AHeaderAloneIsEnoughForAVocabulary) {
  const auto node = life();
  node->loader().want_header(whole_->manifest.model, whole_->manifest_digest, "tiny", {kPeer},
                             node->now());
  ASSERT_TRUE(node->run_until([&] { return node->loader().idle(); }));
  const auto stored = node->store().find(whole_->manifest.model);
  ASSERT_TRUE(stored && stored->model);
  EXPECT_EQ(node->fetched_bytes(), whole_->manifest.header_bytes);
  EXPECT_TRUE(node->loaded().empty());
}

TEST_F(LoaderTest, AModelThatNobodyHoldsEndsTheRequest) {
  const auto node = life();
  mesh::LoadSlice load = node->slice(1, 0, 3);
  load.holders.clear();
  node->load(load);
  EXPECT_TRUE(node->run_until([&] { return node->loader().idle(); }));
  EXPECT_TRUE(node->loaded().empty());
}

}  // namespace
}  // namespace weft::node
