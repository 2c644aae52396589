#include "server/engine/host_memory_store.h"

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace perennial {
namespace {

TEST(HostMemoryStoreTest, GivesBackWhatItWasGiven) {
  HostMemoryStore store(100);
  const std::unique_ptr<ParkedBytes> bytes = *store.Create(10);
  const std::vector<std::byte> first(4, std::byte{1});
  const std::vector<std::byte> second(6, std::byte{2});
  EXPECT_TRUE(bytes->Write(0, first).ok());
  EXPECT_TRUE(bytes->Write(4, second).ok());
  std::vector<std::byte> read(6);
  EXPECT_TRUE(bytes->Read(4, absl::MakeSpan(read)).ok());
  EXPECT_EQ(read, second);
  read.resize(4);
  EXPECT_TRUE(bytes->Read(0, absl::MakeSpan(read)).ok());
  EXPECT_EQ(read, first);
}

TEST(HostMemoryStoreTest, KeepsToItsCapacity) {
  HostMemoryStore store(100);
  std::unique_ptr<ParkedBytes> sixty = *store.Create(60);
  EXPECT_EQ(store.used_bytes(), 60);
  const absl::Status full = store.Create(41).status();
  EXPECT_TRUE(absl::IsResourceExhausted(full));
  EXPECT_NE(std::string(full.message()).find("40 of 100"), std::string::npos) << full;
  EXPECT_TRUE(store.Create(40).ok());
  EXPECT_TRUE(store.Create(0).ok());
  sixty.reset();
  EXPECT_EQ(store.used_bytes(), 0);
  EXPECT_TRUE(store.Create(100).ok());
}

}  // namespace
}  // namespace perennial
