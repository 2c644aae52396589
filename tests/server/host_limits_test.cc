#include "server/host_limits.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace perennial {
namespace {

constexpr int64_t kMebibyte = int64_t{1} << 20;

// A machine of planted files.
class HostLimitsTest : public ::testing::Test {
 protected:
  HostLimitsTest() {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    root_ = (std::filesystem::path(::testing::TempDir()) / "host_limits" / test->name()).string();
    std::filesystem::remove_all(root_);
    Plant("proc/meminfo", "MemTotal:       16777216 kB\nMemFree:        1234 kB\n");  // 16 GiB
  }
  ~HostLimitsTest() override { std::filesystem::remove_all(root_); }

  void Plant(const std::string& path, const std::string& text) {
    const std::filesystem::path file = std::filesystem::path(root_) / path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }

  HostLimits Read(int32_t affinity_cpus) const { return ReadHostLimits(root_, affinity_cpus); }

  std::string root_;
};

TEST_F(HostLimitsTest, WithoutACgroupTheMachineAndTheMaskCount) {
  const HostLimits limits = Read(8);
  EXPECT_EQ(limits.threads, 8);
  EXPECT_EQ(limits.threads_source, "affinity mask");
  EXPECT_EQ(limits.memory_bytes, 16384 * kMebibyte);
  EXPECT_EQ(limits.memory_source, "machine");
}

TEST_F(HostLimitsTest, ReadsVersionTwo) {
  Plant("proc/self/cgroup", "0::/\n");
  Plant("sys/fs/cgroup/cpu.max", "150000 100000\n");
  Plant("sys/fs/cgroup/memory.max", "1073741824\n");
  const HostLimits limits = Read(8);
  EXPECT_EQ(limits.threads, 2);  // 1.5, rounded up
  EXPECT_EQ(limits.threads_source, "cgroup quota");
  EXPECT_EQ(limits.memory_bytes, 1024 * kMebibyte);
  EXPECT_EQ(limits.memory_source, "cgroup limit");
}

TEST_F(HostLimitsTest, TheTightestOfAllLevelsCounts) {
  Plant("proc/self/cgroup", "0::/outer/inner\n");
  Plant("sys/fs/cgroup/outer/cpu.max", "200000 100000\n");
  Plant("sys/fs/cgroup/outer/inner/cpu.max", "max 100000\n");
  Plant("sys/fs/cgroup/outer/memory.max", "max\n");
  Plant("sys/fs/cgroup/outer/inner/memory.max", "536870912\n");
  const HostLimits limits = Read(8);
  EXPECT_EQ(limits.threads, 2);
  EXPECT_EQ(limits.memory_bytes, 512 * kMebibyte);
}

TEST_F(HostLimitsTest, ReadsVersionOne) {
  Plant("proc/self/cgroup", "11:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n");
  Plant("sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "300000\n");
  Plant("sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us", "100000\n");
  Plant("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "2147483648\n");
  const HostLimits limits = Read(8);
  EXPECT_EQ(limits.threads, 3);
  EXPECT_EQ(limits.memory_bytes, 2048 * kMebibyte);
}

TEST_F(HostLimitsTest, InsideAContainerThePathNamedIsMountedAtTheTop) {
  Plant("proc/self/cgroup", "4:cpu:/docker/abc\n11:memory:/docker/abc\n");
  Plant("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100000\n");
  Plant("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  Plant("sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n");
  const HostLimits limits = Read(8);
  EXPECT_EQ(limits.threads, 1);
  EXPECT_EQ(limits.memory_bytes, 1024 * kMebibyte);
}

TEST_F(HostLimitsTest, NoLimitIsWrittenInManyWays) {
  Plant("proc/self/cgroup", "4:cpu:/\n11:memory:/\n0::/\n");
  Plant("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  Plant("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  Plant("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  Plant("sys/fs/cgroup/cpu.max", "max 100000\n");
  Plant("sys/fs/cgroup/memory.max", "max\n");
  const HostLimits limits = Read(4);
  EXPECT_EQ(limits.threads, 4);
  EXPECT_EQ(limits.memory_bytes, 16384 * kMebibyte);
}

TEST_F(HostLimitsTest, RubbishIsNoLimit) {
  Plant("proc/self/cgroup", "rubbish\n0::\n::::\n");
  Plant("sys/fs/cgroup/cpu.max", "lots of\n");
  Plant("sys/fs/cgroup/memory.max", "-5\n");
  const HostLimits limits = Read(4);
  EXPECT_EQ(limits.threads, 4);
  EXPECT_EQ(limits.memory_bytes, 16384 * kMebibyte);
}

TEST_F(HostLimitsTest, AThreadIsTheLeast) {
  Plant("proc/self/cgroup", "0::/\n");
  Plant("sys/fs/cgroup/cpu.max", "1000 100000\n");
  EXPECT_EQ(Read(0).threads, 1);
  EXPECT_GE(AffinityCpus(), 1);
}

int64_t DefaultFor(int64_t memory_bytes) {
  HostLimits limits;
  limits.memory_bytes = memory_bytes;
  return DefaultCacheMemoryBytes(limits);
}

TEST(DefaultCacheMemoryTest, IsAQuarterWithinBounds) {
  EXPECT_EQ(DefaultFor(4096 * kMebibyte), 1024 * kMebibyte);
  EXPECT_EQ(DefaultFor(10 * kMebibyte), 64 * kMebibyte);
  EXPECT_EQ(DefaultFor(int64_t{1} << 40), 8192 * kMebibyte);
  EXPECT_EQ(DefaultFor(0), 1024 * kMebibyte);
}

TEST(DefaultParkedMemoryTest, IsAnEighthWithinBounds) {
  HostLimits limits;
  for (const auto& [memory, expected] : {std::pair<int64_t, int64_t>{4096, 512}, {10, 32}, {1 << 20, 8192}, {0, 256}}) {
    limits.memory_bytes = memory * kMebibyte;
    EXPECT_EQ(DefaultParkedMemoryBytes(limits), expected * kMebibyte);
  }
}

}  // namespace
}  // namespace perennial
