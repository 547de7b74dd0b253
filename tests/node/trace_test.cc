#include "node/trace.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "tests/support/support.h"

namespace weft::node {
namespace {

using Json = nlohmann::json;

class TraceTest : public ::testing::Test {
 protected:
  Json read() const {
    const auto bytes = read_file(path_, 64 << 20);
    EXPECT_TRUE(bytes.ok());
    return Json::parse(as_text(*bytes), nullptr, false);
  }
  static Json find(const Json& events, const std::string& category) {
    for (const Json& event : events) {
      if (event.value("cat", "") == category) return event;
    }
    return nullptr;
  }

  test::TemporaryFolder folder_;
  const std::string path_ = folder_.path() + "/trace.json";
};

TEST_F(TraceTest, AStepsWayIsFourEventsInChromesFormat) {
  {
    auto trace = Trace::open(path_);
    ASSERT_TRUE(trace.ok()) << trace.error().message;
    (*trace)->name_process("a \"quoted\" name");
    transport::Step step;
    step.epoch = Epoch{7};
    step.session = SessionId{0xABC};
    step.first_position = 40;
    step.token_count = 1;
    (*trace)->add_message(TraceEvent::What::kReceived, step, Time{1'000});
    mesh::BatchJob batch;
    batch.epoch = Epoch{7};
    batch.row_count = 33;
    batch.sequences.resize(2);
    batch.sequences[0].session = SessionId{0xABC};
    batch.sequences[0].row_count = 1;
    batch.sequences[1].row_count = 32;
    (*trace)->add_batch(TraceEvent::What::kQueued, 5, batch, Time{2'000}, {});
    (*trace)->add_batch(TraceEvent::What::kCompute, 5, batch, Time{3'000}, Time{5'500});
    transport::Token token;
    token.token = -1;
    (*trace)->add_message(TraceEvent::What::kSent, token, Time{6'000});
    (*trace)->add_message(TraceEvent::What::kSent, transport::Beat{}, Time{7'000});  // no step
  }
  const Json events = read();
  ASSERT_TRUE(events.is_array());
  EXPECT_EQ(events.size(), 4u + 1 + 2 + 2 + 1 + 1);  // names, events, what was dropped
  const Json received = find(events, "received");
  EXPECT_EQ(received["name"], "decode");
  EXPECT_EQ(received["ts"], 1.0);
  EXPECT_EQ(received["args"]["session"], "0000000000000abc");
  EXPECT_EQ(received["args"]["first"], 40);
  const Json span = find(events, "compute");
  EXPECT_EQ(span["ph"], "X");
  EXPECT_EQ(span["dur"], 2.5);
  EXPECT_EQ(span["args"]["epoch"], 7);
  EXPECT_EQ(span["args"]["batch_rows"], 33);
  EXPECT_EQ(find(events, "sent")["name"], "progress");
  EXPECT_EQ(events.back()["args"]["events"], 0);
}

TEST_F(TraceTest, AnOperationIsASpanOnALineOfItsOwn) {
  {
    auto trace = Trace::open(path_);
    ASSERT_TRUE(trace.ok());
    (*trace)->add_operation("matmul", Time{3'000}, Time{5'500});
  }
  const Json operation = find(read(), "operation");
  EXPECT_EQ(operation["name"], "matmul");
  EXPECT_EQ(operation["ph"], "X");
  EXPECT_EQ(operation["ts"], 3.0);
  EXPECT_EQ(operation["dur"], 2.5);
  EXPECT_EQ(operation["tid"], 3);
}

TEST_F(TraceTest, WhatComesFasterThanItIsWrittenIsDroppedAndCounted) {
  constexpr size_t kEvents = 4 * kTraceWaitingMax;
  {
    auto trace = Trace::open(path_);
    ASSERT_TRUE(trace.ok());
    TraceEvent event;
    event.kind = "decode";
    for (size_t i = 0; i < kEvents; ++i) (*trace)->add(event);
  }
  const Json events = read();
  ASSERT_TRUE(events.is_array());
  const size_t dropped = events.back()["args"]["events"];
  const size_t names = 3, last = 1;
  EXPECT_EQ(events.size() - names - last + dropped, kEvents) << "none is lost without a word";
}

TEST_F(TraceTest, AFileThatCannotBeWrittenIsNamed) {
  const auto trace = Trace::open(folder_.path() + "/no/such/folder/t.json");
  ASSERT_FALSE(trace.ok());
  EXPECT_EQ(trace.error().code, ErrorCode::kIo);
  EXPECT_NE(trace.error().message.find("no/such/folder"), std::string::npos);
}

}  // namespace
}  // namespace weft::node
