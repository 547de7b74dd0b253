#include "node/backend_choice.h"

#include <gmock/gmock.h>

#include "kernels/vulkan/device.h"
#include "tests/support/support.h"

namespace weft::node {
namespace {

using ::testing::HasSubstr;

BackendChoice choice(const std::string& name, const std::string& device = "") {
  BackendChoice made;
  made.name = name;
  made.threads = 1;
  made.vulkan_device = device;
  return made;
}

TEST(BackendChoice, MakesWhatItIsCalled) {
  EXPECT_EQ(make_backend(choice("cpu")).value()->name(), "cpu");
  EXPECT_EQ(make_backend(choice("reference")).value()->name(), "reference");
}

TEST(BackendChoice, NamesTheChoicesThatThereAre) {
  const auto made = make_backend(choice("cuda"));
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().code, ErrorCode::kInvalid);
  EXPECT_THAT(made.error().message, HasSubstr("auto, cpu, vulkan or reference"));
}

TEST(BackendChoice, MakesAVulkanDeviceThatIsNamed) {
  const auto devices = kernels::list_vulkan_devices();
  if (!devices.ok() || devices->empty()) GTEST_SKIP() << "no Vulkan device here";
  const auto made = make_backend(choice("vulkan", devices->front().name));
  ASSERT_TRUE(made.ok()) << made.error().message;
  EXPECT_EQ((*made)->name(), "vulkan");
  EXPECT_THAT(std::string((*made)->detail()), HasSubstr(devices->front().name));
  EXPECT_EQ(make_backend(choice("vulkan", "no such device")).error().code, ErrorCode::kNotFound);
}

TEST(BackendChoice, ListsDevicesByNumberAndName) {
  const auto devices = kernels::list_vulkan_devices();
  const auto json = vulkan_devices_json();
  ASSERT_EQ(json.size(), devices.ok() ? devices->size() : 0);
  for (size_t i = 0; i < json.size(); ++i) {
    EXPECT_EQ(json[i]["index"], i);
    EXPECT_EQ(json[i]["name"], (*devices)[i].name);
  }
}

// A device that fails the known-answer test is not used.
TEST(BackendChoice, DoesNotTakeADeviceThatFailsItsTest) {
  const auto devices = kernels::list_vulkan_devices();
  if (!devices.ok() || devices->empty()) GTEST_SKIP() << "no Vulkan device here";
  BackendChoice broken = choice("vulkan", devices->front().name);
  broken.vulkan_lost = std::make_shared<std::atomic<bool>>(true);
  EXPECT_EQ(make_backend(broken).error().code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace weft::node
