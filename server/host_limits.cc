#include "server/host_limits.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace perennial {
namespace {

constexpr int64_t kMebibyte = int64_t{1} << 20;
// cgroup v1 writes "no limit" as the largest multiple of the page size; anything of that order is none.
constexpr int64_t kNoLimitBytes = int64_t{1} << 60;

std::optional<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

std::optional<int64_t> ReadNumber(const std::string& path) {
  const std::optional<std::string> text = ReadFile(path);
  int64_t number = 0;
  if (!text.has_value() || !absl::SimpleAtoi(absl::StripAsciiWhitespace(*text), &number)) return std::nullopt;
  return number;
}

// The least limit that was seen.
template <typename T>
void Lower(std::optional<T>& limit, std::optional<T> candidate) {
  if (candidate.has_value() && (!limit.has_value() || *candidate < *limit)) limit = candidate;
}

// `path` and all folders above it: "/a/b" gives "/a/b", "/a", "". A container often sees only its own cgroup, mounted
// at the top, while /proc/self/cgroup names the path outside: missing folders are simply skipped.
std::vector<std::string> SelfAndAbove(absl::string_view path) {
  std::vector<std::string> folders;
  path = absl::StripSuffix(path, "/");
  while (!path.empty()) {
    folders.emplace_back(path);
    path = path.substr(0, path.rfind('/') == absl::string_view::npos ? 0 : path.rfind('/'));
  }
  folders.emplace_back();
  return folders;
}

struct CgroupLimits {
  std::optional<double> cpus;
  std::optional<int64_t> memory_bytes;
};

// v2: "cpu.max" holds "max 100000" or "QUOTA PERIOD".
std::optional<double> QuotaV2(const std::string& folder) {
  const std::optional<std::string> text = ReadFile(folder + "/cpu.max");
  if (!text.has_value()) return std::nullopt;
  const std::vector<absl::string_view> words = absl::StrSplit(*text, absl::ByAnyChar(" \n"), absl::SkipEmpty());
  double quota = 0;
  double period = 0;
  if (words.size() != 2 || !absl::SimpleAtod(words[0], &quota) || !absl::SimpleAtod(words[1], &period)) {
    return std::nullopt;
  }
  if (quota <= 0 || period <= 0) return std::nullopt;
  return quota / period;
}

// v1: two files; a quota of -1 is none.
std::optional<double> QuotaV1(const std::string& folder) {
  const std::optional<int64_t> quota = ReadNumber(folder + "/cpu.cfs_quota_us");
  const std::optional<int64_t> period = ReadNumber(folder + "/cpu.cfs_period_us");
  if (!quota.has_value() || !period.has_value() || *quota <= 0 || *period <= 0) return std::nullopt;
  return static_cast<double>(*quota) / static_cast<double>(*period);
}

std::optional<int64_t> MemoryLimit(const std::string& path) {
  const std::optional<int64_t> limit = ReadNumber(path);
  if (!limit.has_value() || *limit <= 0 || *limit >= kNoLimitBytes) return std::nullopt;
  return limit;
}

CgroupLimits ReadCgroup(const std::string& root) {
  CgroupLimits limits;
  const std::string mount = root + "/sys/fs/cgroup";
  const std::string membership = ReadFile(root + "/proc/self/cgroup").value_or("");
  for (absl::string_view line : absl::StrSplit(membership, '\n', absl::SkipEmpty())) {
    // "HIERARCHY:CONTROLLERS:PATH"; v2 is "0::PATH".
    const std::vector<absl::string_view> fields = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() != 3) continue;
    for (const std::string& folder : SelfAndAbove(fields[2])) {
      if (fields[1].empty()) {
        // Beside v1 hierarchies v2 is mounted one folder lower.
        for (absl::string_view top : {"", "/unified"}) {
          const std::string place = absl::StrCat(mount, top, folder);
          Lower(limits.cpus, QuotaV2(place));
          Lower(limits.memory_bytes, MemoryLimit(place + "/memory.max"));
        }
        continue;
      }
      for (absl::string_view controller : absl::StrSplit(fields[1], ',')) {
        if (controller == "cpu") {
          Lower(limits.cpus, QuotaV1(absl::StrCat(mount, "/", fields[1], folder)));
          Lower(limits.cpus, QuotaV1(absl::StrCat(mount, "/cpu", folder)));
        } else if (controller == "memory") {
          Lower(limits.memory_bytes, MemoryLimit(absl::StrCat(mount, "/memory", folder, "/memory.limit_in_bytes")));
        }
      }
    }
  }
  return limits;
}

std::optional<int64_t> MachineMemory(const std::string& root) {
  const std::string text = ReadFile(root + "/proc/meminfo").value_or("");
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!absl::ConsumePrefix(&line, "MemTotal:")) continue;
    int64_t kibibytes = 0;
    absl::ConsumeSuffix(&line, "kB");
    if (absl::SimpleAtoi(absl::StripAsciiWhitespace(line), &kibibytes) && kibibytes > 0) return kibibytes * 1024;
  }
  return std::nullopt;
}

}  // namespace

HostLimits ReadHostLimits(const std::string& root, int32_t affinity_cpus) {
  const CgroupLimits cgroup = ReadCgroup(root);
  HostLimits limits;
  limits.threads = std::max(1, affinity_cpus);
  limits.threads_source = "affinity mask";
  if (cgroup.cpus.has_value() && std::ceil(*cgroup.cpus) < limits.threads) {
    limits.threads = std::max(1, static_cast<int32_t>(std::ceil(*cgroup.cpus)));
    limits.threads_source = "cgroup quota";
  }
  limits.memory_bytes = MachineMemory(root).value_or(0);
  limits.memory_source = "machine";
  if (cgroup.memory_bytes.has_value() && (limits.memory_bytes == 0 || *cgroup.memory_bytes < limits.memory_bytes)) {
    limits.memory_bytes = *cgroup.memory_bytes;
    limits.memory_source = "cgroup limit";
  }
  return limits;
}

int32_t AffinityCpus() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (sched_getaffinity(0, sizeof(mask), &mask) != 0) return 1;
  return std::max(1, CPU_COUNT(&mask));
}

int64_t DefaultCacheMemoryBytes(const HostLimits& limits) {
  if (limits.memory_bytes <= 0) return 1024 * kMebibyte;
  const int64_t quarter = limits.memory_bytes / 4 / kMebibyte * kMebibyte;
  return std::clamp(quarter, 64 * kMebibyte, 8192 * kMebibyte);
}

int64_t DefaultParkedMemoryBytes(const HostLimits& limits) {
  if (limits.memory_bytes <= 0) return 256 * kMebibyte;
  const int64_t eighth = limits.memory_bytes / 8 / kMebibyte * kMebibyte;
  return std::clamp(eighth, 32 * kMebibyte, 8192 * kMebibyte);
}

}  // namespace perennial
