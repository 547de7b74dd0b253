#include "node/model_store.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "tests/kernels/tiny_model.h"

namespace weft::node {
namespace {

// A source with one whole model, and an empty store that fetches from it.
class ModelStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    models_ = folder_ / "models";
    ASSERT_TRUE(make_folder(models_).ok());
    std::filesystem::copy_file(tiny_.path(), models_ + "/tiny.gguf");
    source_ = open("source");
    const auto changed = source_->scan({models_}, {});
    ASSERT_TRUE(changed.ok()) << changed.error().message;
    ASSERT_TRUE(*changed);
    whole_ = source_->find_name("tiny");
    ASSERT_TRUE(whole_);
    id_ = whole_->manifest.model;
  }
  std::unique_ptr<ModelStore> open(const std::string& name) {
    auto opened = ModelStore::open(folder_ / name);
    EXPECT_TRUE(opened.ok());
    return std::move(*opened);
  }
  Result<> begin(ModelStore& store) {
    return store.begin(whole_->manifest, whole_->manifest_digest, "tiny");
  }
  void copy_range(ModelStore& to, mesh::ByteRange range) {
    for (uint64_t done = 0; done < range.size;) {
      const uint32_t step =
          uint32_t(std::min<uint64_t>(range.size - done, transport::kPayloadBytesMax));
      const auto bytes = source_->read(id_, range.offset + done, step);
      ASSERT_TRUE(bytes.ok()) << bytes.error().message;
      ASSERT_TRUE(to.write(id_, range.offset + done, *bytes).ok());
      done += step;
    }
  }
  std::vector<mesh::FetchItem> missing(const ModelStore& store, uint32_t first, uint32_t last) {
    auto items = store.missing(id_, first, last);
    EXPECT_TRUE(items.ok());
    return items.ok() ? *items : std::vector<mesh::FetchItem>();
  }
  static void flip_byte(const std::string& path, uint64_t offset) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(std::streamoff(offset));
    const char flipped = char(file.get() ^ 1);
    file.seekp(std::streamoff(offset));
    file.put(flipped);
    ASSERT_TRUE(file.good());
  }
  // Copies and verifies everything that [first, last) lacks.
  void fetch(ModelStore& to, uint32_t first, uint32_t last) {
    for (int pass = 0; pass < 2; ++pass) {  // the header, then the tensors
      for (const mesh::FetchItem& item : missing(to, first, last)) {
        copy_range(to, item.range);
        const auto verified = to.verify(id_, item.item);
        ASSERT_TRUE(verified.ok()) << verified.error().message;
        ASSERT_TRUE(*verified);
      }
    }
  }

  test::TemporaryFolder folder_;
  kernels::TinyModel tiny_;
  std::string models_;
  std::unique_ptr<ModelStore> source_;
  std::shared_ptr<const StoredModel> whole_;
  ModelId id_;
};

TEST_F(ModelStoreTest, AScanOffersAWholeModelWithItsShape) {
  const auto offers = source_->offers();
  ASSERT_EQ(offers.size(), 1u);
  EXPECT_EQ(offers[0].name, "tiny");
  EXPECT_EQ(offers[0].hidden_dim, 32u);
  EXPECT_EQ(offers[0].layers.size(), 3u);
  EXPECT_GT(offers[0].layers[0].bytes, 0u);
  const auto manifest = source_->manifest(id_);
  ASSERT_TRUE(manifest.ok());
  EXPECT_EQ(digest_of(manifest->tensors), offers[0].manifest);
  EXPECT_FALSE(*source_->scan({models_}, {}));  // nothing has changed
}

TEST_F(ModelStoreTest, AModelThatIsGoneIsForgotten) {
  std::filesystem::remove(models_ + "/tiny.gguf");
  EXPECT_TRUE(*source_->scan({models_}, {}));
  EXPECT_FALSE(source_->find(id_));
  EXPECT_TRUE(source_->offers().empty());
}

TEST_F(ModelStoreTest, AnUnreadableModelIsSkippedAndTheOthersServe) {
  std::ofstream(models_ + "/broken.gguf") << "GGUF and nothing more";
  EXPECT_TRUE(*source_->scan({models_}, {}));
  EXPECT_EQ(source_->offers().size(), 1u);
}

TEST_F(ModelStoreTest, AFolderThatIsNotThereIsAnError) {
  EXPECT_EQ(source_->scan({folder_ / "nowhere"}, {}).error().code, ErrorCode::kNotFound);
}

TEST_F(ModelStoreTest, DigestsAreKeptSoThatTheNextStartHashesNothing) {
  int calls = 0;
  const auto count = [&calls](const std::string&, uint64_t, uint64_t) { return ++calls > 0; };
  const auto again = open("source");
  EXPECT_TRUE(*again->scan({models_}, count));
  EXPECT_EQ(calls, 0);
  ASSERT_TRUE(again->find(id_));
  EXPECT_EQ(again->find(id_)->manifest_digest, whole_->manifest_digest);
  EXPECT_TRUE(*open("fresh")->scan({models_}, count));
  EXPECT_GT(calls, 0);
}

TEST_F(ModelStoreTest, HashingCanBeCancelled) {
  const auto scanned = open("fresh")->scan(
      {models_}, [](const std::string&, uint64_t, uint64_t) { return false; });
  ASSERT_FALSE(scanned.ok());
  EXPECT_EQ(scanned.error().code, ErrorCode::kCancelled);
}

TEST_F(ModelStoreTest, ReadsBeyondTheFileAndTooLargeOnesAreRefused) {
  const uint64_t size = whole_->manifest.file_bytes;
  EXPECT_EQ(as_text(*source_->read(id_, 0, 4)), "GGUF");
  EXPECT_TRUE(source_->read(id_, size - 1, 1).ok());
  EXPECT_TRUE(source_->read(id_, size, 0).ok());
  EXPECT_FALSE(source_->read(id_, size, 1).ok());
  EXPECT_FALSE(source_->read(id_, ~uint64_t{0}, 2).ok());
  EXPECT_FALSE(source_->read(id_, 0, transport::kPayloadBytesMax + 1).ok());
  EXPECT_EQ(source_->read(ModelId{}, 0, 1).error().code, ErrorCode::kNotFound);
}

TEST_F(ModelStoreTest, AFetchedSliceHasJustWhatItsLayersNeed) {
  const auto store = open("fetching");
  ASSERT_TRUE(begin(*store).ok());
  const auto header = missing(*store, 0, 1);
  ASSERT_EQ(header.size(), 1u);
  EXPECT_EQ(header[0].item, kHeaderItem);
  fetch(*store, 0, 1);
  EXPECT_TRUE(missing(*store, 0, 1).empty());
  EXPECT_FALSE(missing(*store, 1, 2).empty());
  EXPECT_TRUE(store->offers().empty());  // not whole: not offered
  EXPECT_FALSE(store->manifest(id_).ok());
}

TEST_F(ModelStoreTest, AWrongManifestIsRefused) {
  const auto store = open("fetching");
  transport::Manifest wrong = whole_->manifest;
  wrong.tensors[0].bytes[0] ^= 1;
  EXPECT_EQ(store->begin(wrong, whole_->manifest_digest, "tiny").error().code,
            ErrorCode::kCorrupt);
  wrong = whole_->manifest;
  wrong.header_bytes = wrong.file_bytes + 1;
  EXPECT_EQ(store->begin(wrong, whole_->manifest_digest, "tiny").error().code,
            ErrorCode::kCorrupt);
  EXPECT_FALSE(store->find(id_));
}

TEST_F(ModelStoreTest, AChangedTensorIsNotVerifiedUntilItIsRight) {
  const auto store = open("fetching");
  ASSERT_TRUE(begin(*store).ok());
  copy_range(*store, {0, whole_->manifest.header_bytes});
  ASSERT_TRUE(*store->verify(id_, kHeaderItem));
  const mesh::FetchItem item = missing(*store, 0, 1).front();
  EXPECT_FALSE(*store->verify(id_, item.item));  // all zeros as yet
  copy_range(*store, item.range);
  Bytes flipped = *source_->read(id_, item.range.offset, 1);
  flipped[0] ^= 1;
  ASSERT_TRUE(store->write(id_, item.range.offset, flipped).ok());
  EXPECT_FALSE(*store->verify(id_, item.item));
  EXPECT_FALSE(store->find(id_)->have.contains(item.item));
  copy_range(*store, item.range);
  EXPECT_TRUE(*store->verify(id_, item.item));
}

TEST_F(ModelStoreTest, AHeaderOfAnotherModelIsNotVerified) {
  const auto store = open("fetching");
  ASSERT_TRUE(begin(*store).ok());
  EXPECT_FALSE(*store->verify(id_, kHeaderItem));
  EXPECT_FALSE(*store->verify(id_, 1));  // no tensor before the header
  EXPECT_FALSE(store->find(id_)->model);
}

TEST_F(ModelStoreTest, AChunkBeyondTheEndIsRefused) {
  const auto store = open("fetching");
  ASSERT_TRUE(begin(*store).ok());
  EXPECT_EQ(store->write(id_, whole_->manifest.file_bytes, Bytes(1)).error().code,
            ErrorCode::kInvalid);
  EXPECT_EQ(source_->write(id_, 0, Bytes(1)).error().code, ErrorCode::kNotFound);
}

TEST_F(ModelStoreTest, ARestartKeepsWhatWasVerified) {
  {
    const auto store = open("fetching");
    ASSERT_TRUE(begin(*store).ok());
    fetch(*store, 0, 2);
  }
  const auto store = open("fetching");
  EXPECT_TRUE(missing(*store, 0, 2).empty());
  EXPECT_FALSE(missing(*store, 2, 3).empty());
  EXPECT_EQ(store->find(id_)->name, "tiny");
}

TEST_F(ModelStoreTest, WhatARestartFindsIsHashedAgainAndADamagedTensorIsMissing) {
  {
    const auto store = open("fetching");
    ASSERT_TRUE(begin(*store).ok());
    fetch(*store, 0, 2);
    EXPECT_TRUE(store->unchecked(id_, 0, 2).empty()) << "verified in this run";
  }
  const auto& tensors = whole_->model->file().tensors();
  const auto read = whole_->model->slice_tensors(1, 2);
  const uint32_t damaged = uint32_t(read[0] - tensors.data()) + 1;
  flip_byte(folder_ / ("fetching/" + to_string(id_) + ".gguf"), read[0]->offset);
  {
    const auto store = open("fetching");
    EXPECT_EQ(store->unchecked(id_, 0, 2).size(),
              whole_->model->slice_tensors(0, 2).size());
    for (const uint32_t item : store->unchecked(id_, 0, 2)) {
      const auto sound = store->verify(id_, item);
      ASSERT_TRUE(sound.ok()) << sound.error().message;
      EXPECT_EQ(*sound, item != damaged);
    }
    EXPECT_TRUE(store->unchecked(id_, 0, 2).empty());
    ASSERT_EQ(missing(*store, 0, 2).size(), 1u);
    EXPECT_EQ(missing(*store, 0, 2)[0].item, damaged);
  }
  const auto store = open("fetching");  // and it stays missing
  ASSERT_EQ(missing(*store, 0, 2).size(), 1u);
  fetch(*store, 0, 2);
  EXPECT_TRUE(missing(*store, 0, 2).empty());
}

TEST_F(ModelStoreTest, ADamagedHaveFileIsIgnored) {
  {
    const auto store = open("fetching");
    ASSERT_TRUE(begin(*store).ok());
    fetch(*store, 0, 1);
  }
  const std::string path = folder_ / ("fetching/" + to_string(id_) + ".have");
  auto bytes = read_file(path, 1 << 20);
  ASSERT_TRUE(bytes.ok());
  (*bytes)[bytes->size() / 2] ^= 1;
  ASSERT_TRUE(write_file_atomic(path, *bytes).ok());
  EXPECT_FALSE(open("fetching")->find(id_));
}

TEST_F(ModelStoreTest, AFetchedFileThatWasCutIsFetchedAgain) {
  {
    const auto store = open("fetching");
    ASSERT_TRUE(begin(*store).ok());
  }
  std::filesystem::resize_file(folder_ / ("fetching/" + to_string(id_) + ".gguf"), 100);
  EXPECT_FALSE(open("fetching")->find(id_));
}

}  // namespace
}  // namespace weft::node
