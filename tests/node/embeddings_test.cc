#include "node/embeddings.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/model/small_model.h"
#include "tests/support/support.h"

namespace weft::node {
namespace {

TEST(UnitVector, IsOfLengthOneAlsoWhenItIsCut) {
  EXPECT_EQ(unit_vector({3, 4}, 0), (std::vector<float>{0.6f, 0.8f}));
  EXPECT_EQ(unit_vector({3, 4, 12}, 2), (std::vector<float>{0.6f, 0.8f}));
  EXPECT_EQ(unit_vector({0, 0}, 0), (std::vector<float>{0, 0}));
  const auto large = unit_vector({1e38f, 1e38f}, 0);
  EXPECT_FLOAT_EQ(large[0], float(std::sqrt(0.5)));
}

class EmbeddingTextTest : public ::testing::Test {
 protected:
  model::GgufFile file() {
    small_.write(folder_ / "m.gguf");
    return model::GgufFile::open(folder_ / "m.gguf").value();
  }
  model::SmallModel small_;
  test::TemporaryFolder folder_;
};

TEST_F(EmbeddingTextTest, TheFileSaysHowItsRowsArePooled) {
  EXPECT_EQ(own_pooling(file()), transport::Pooling::kMean);
  for (const uint32_t type : {0u, 1u, 2u, 4u, 99u}) {
    small_.numbers["llama.pooling_type"] = type;
    EXPECT_EQ(own_pooling(file()), transport::Pooling::kMean) << type;
  }
  small_.numbers["llama.pooling_type"] = 3;
  EXPECT_EQ(own_pooling(file()), transport::Pooling::kLast);
}

TEST_F(EmbeddingTextTest, AnEndTokenIsAddedWhereTheFileAsksForOne) {
  for (const bool wanted : {false, true}) {
    small_.flags["tokenizer.ggml.add_eos_token"] = wanted;
    const model::GgufFile opened = file();
    const auto tokenizer = model::Tokenizer::from_gguf(opened).value();
    auto expected = tokenizer.encode("hello");
    if (wanted) expected.push_back(*tokenizer.eos());
    EXPECT_EQ(embedding_tokens(opened, tokenizer, "hello"), expected);
  }
}

// A mesh that takes sessions, and whose test ends them.
class MeshEmbeddingsTest : public ::testing::Test {
 protected:
  MeshEmbeddings embed(size_t count, size_t tokens_each = 1, size_t tokens_at_once = 1000) {
    std::vector<mesh::GenerateRequest> inputs(count);
    for (size_t i = 0; i < count; ++i) inputs[i].tokens.assign(tokens_each, TokenId(i));
    return MeshEmbeddings(std::move(inputs), 0, tokens_at_once,
                          [this](mesh::GenerateRequest request) -> Result<OpenedSession> {
                            if (refuse_) return *refuse_;
                            const size_t number = size_t(request.tokens[0]);
                            sessions_[number] = std::make_shared<TokenQueue>();
                            return OpenedSession{sessions_[number],
                                                 [this, number] { cancelled_.push_back(number); }};
                          });
  }
  void end(size_t number, Result<mesh::FinishReason> result = mesh::FinishReason::kStop) {
    ASSERT_TRUE(sessions_.at(number)->items.try_push(
        StreamEnd{std::move(result), {}, {float(number), 1}}));
  }

  std::map<size_t, std::shared_ptr<TokenQueue>> sessions_;
  std::vector<size_t> cancelled_;
  std::optional<Error> refuse_;
};

TEST_F(MeshEmbeddingsTest, AFewAreOnTheirWayAndTheyComeInOrder) {
  MeshEmbeddings embeddings = embed(kEmbeddingsAtOnce + 2, 3);
  EXPECT_FALSE(embeddings.next(Duration(0)));
  EXPECT_EQ(sessions_.size(), kEmbeddingsAtOnce);
  end(1);
  EXPECT_FALSE(embeddings.next(Duration(0))) << "the first input is not there yet";
  end(0);
  for (size_t i = 0; i < 2; ++i) {
    const auto got = embeddings.next(Duration(0));
    ASSERT_TRUE(got && got->ok());
    EXPECT_EQ((*got)->values, unit_vector({float(i), 1}, 0));
    EXPECT_EQ((*got)->tokens, 3u);
  }
  EXPECT_FALSE(embeddings.next(Duration(0)));
  ASSERT_EQ(sessions_.size(), kEmbeddingsAtOnce + 2);
  for (size_t i = 2; i < kEmbeddingsAtOnce + 2; ++i) {
    end(i);
    EXPECT_TRUE(embeddings.next(Duration(0))->ok());
  }
  EXPECT_FALSE(embeddings.next(Duration(0))) << "nothing after the last";
}

TEST_F(MeshEmbeddingsTest, TheirTokensTogetherAreBoundedButOneMayHaveMore) {
  MeshEmbeddings embeddings = embed(3, 10, 19);
  EXPECT_FALSE(embeddings.next(Duration(0)));
  EXPECT_EQ(sessions_.size(), 1u);
  MeshEmbeddings large = embed(2, 10, 5);
  EXPECT_FALSE(large.next(Duration(0)));
  EXPECT_EQ(sessions_.size(), 1u);
}

TEST_F(MeshEmbeddingsTest, AnErrorEndsAllAndCancelsTheOthers) {
  MeshEmbeddings embeddings = embed(3);
  EXPECT_FALSE(embeddings.next(Duration(0)));
  end(0, Error(ErrorCode::kUnavailable, "a node was lost"));
  const auto got = embeddings.next(Duration(0));
  ASSERT_TRUE(got && !got->ok());
  EXPECT_EQ(got->error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(cancelled_, (std::vector<size_t>{1, 2}));
  EXPECT_FALSE(embeddings.next(Duration(0)));
}

TEST_F(MeshEmbeddingsTest, DestroyingItCancelsWhatRuns) {
  {
    MeshEmbeddings embeddings = embed(2);
    EXPECT_FALSE(embeddings.next(Duration(0)));
  }
  EXPECT_EQ(cancelled_, (std::vector<size_t>{0, 1}));
}

TEST_F(MeshEmbeddingsTest, AFullNodeIsWaitedForOnlyWhileItsOwnRun) {
  refuse_ = Error(ErrorCode::kExhausted, "all streams are in use");
  MeshEmbeddings none = embed(2);
  EXPECT_EQ(none.next(Duration(0))->error().code, ErrorCode::kExhausted);
  refuse_.reset();
  MeshEmbeddings embeddings = embed(2, 10, 10);
  EXPECT_FALSE(embeddings.next(Duration(0)));
  refuse_ = Error(ErrorCode::kExhausted, "all streams are in use");
  EXPECT_FALSE(embeddings.next(Duration(0))) << "the first is on its way";
  end(0);
  EXPECT_TRUE(embeddings.next(Duration(0))->ok());
  refuse_.reset();
  EXPECT_FALSE(embeddings.next(Duration(0)));
  end(1);
  EXPECT_TRUE(embeddings.next(Duration(0))->ok());
}

}  // namespace
}  // namespace weft::node
