#include "kernels/cpu/choose_table.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <string>
#include <string_view>

#include "tests/kernels/cpu/emulated_tables.h"

namespace weft::kernels {
namespace {

// Sets WEFT_CPU for one test.
class ChosenByName {
 public:
  explicit ChosenByName(const char* name) { setenv("WEFT_CPU", name, 1); }
  ~ChosenByName() { unsetenv("WEFT_CPU"); }
};

TEST(ChooseTable, TheScalarTableIsTheLastAndNoneComesTwice) {
  const std::vector<const KernelTable*> tables = usable_tables();
  ASSERT_FALSE(tables.empty());
  EXPECT_EQ(tables.back(), &scalar_kernels());
  std::set<std::string_view> names;
  for (const KernelTable* table : tables) EXPECT_TRUE(names.insert(table->name).second);
}

TEST(ChooseTable, TakesTheBestOrTheScalarOne) {
  EXPECT_EQ(&choose_table(false), usable_tables().front());
  EXPECT_EQ(&choose_table(true), &scalar_kernels());
}

TEST(ChooseTable, TakesWhatTheEnvironmentNamesIfTheProcessorHasIt) {
  for (const KernelTable* table : usable_tables()) {
    const ChosenByName chosen(table->name);
    EXPECT_EQ(&choose_table(false), table);
    EXPECT_EQ(&choose_table(true), &scalar_kernels());
  }
  for (const char* none : {"", "abacus", "AVX2"}) {
    const ChosenByName chosen(none);
    EXPECT_EQ(&choose_table(false), usable_tables().front());
  }
}

#if defined(__aarch64__)
TEST(ChooseTable, AnAarch64ProcessorNeverNeedsThePlainLoops) {
  EXPECT_NE(&choose_table(false), &scalar_kernels());
}
#endif

#if defined(__x86_64__)
TEST(ChooseTable, TheWideTablesAreComparedWithTheOthersHere) {
  if (emulated_tables().empty()) {
    GTEST_SKIP() << "the AVX-512 and VNNI tables were not emulated: that needs libsimde-dev "
                    "(scripts/setup.sh --tests, then cmake again) and a processor with AVX2";
  }
  std::set<std::string> names;
  for (const KernelTable* table : emulated_tables()) names.insert(table->name);
  EXPECT_EQ(names, (std::set<std::string>{"avxvnni", "avx512", "avx512vnni"}));
}
#endif

}  // namespace
}  // namespace weft::kernels
