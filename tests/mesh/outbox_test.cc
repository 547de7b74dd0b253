#include "mesh/outbox.h"

#include <gtest/gtest.h>

#include "tests/mesh/harness.h"

namespace weft::mesh::test {
namespace {

TEST(Outbox, MessagesToItselfStayInOrderAndOffTheNetwork) {
  Outbox outbox(node_id(1));
  outbox.send(node_id(1), transport::Activate{Epoch{1}});
  outbox.send(node_id(2), transport::Activate{Epoch{2}});
  outbox.send(node_id(1), transport::Activate{Epoch{3}});
  EXPECT_EQ(std::get<transport::Activate>(*outbox.take_local()).epoch, Epoch{1});
  EXPECT_EQ(std::get<transport::Activate>(*outbox.take_local()).epoch, Epoch{3});
  EXPECT_FALSE(outbox.take_local().has_value());
  const auto effects = outbox.take_effects();
  ASSERT_EQ(effects.size(), 1u);
  EXPECT_EQ(std::get<Send>(effects[0]).to, node_id(2));
  EXPECT_TRUE(outbox.take_effects().empty());
}

}  // namespace
}  // namespace weft::mesh::test
