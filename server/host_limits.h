// What this process may use of its machine: CPUs and memory, as the cgroup (v1 or v2), the affinity mask and the
// machine itself allow. The defaults of --threads and --cache_memory come from here: inside a container the machine's
// own numbers are wrong, and a server that believes them is throttled or killed.

#ifndef PERENNIAL_SERVER_HOST_LIMITS_H_
#define PERENNIAL_SERVER_HOST_LIMITS_H_

#include <cstdint>
#include <optional>
#include <string>

namespace perennial {

struct HostLimits {
  int32_t threads = 1;         // >= 1: CPUs in the affinity mask, at most the cgroup's quota (rounded up)
  int64_t memory_bytes = 0;    // the least of all memory limits and the machine's memory; 0 if nothing could be read
  std::string threads_source;  // for the start's log: "affinity mask" or "cgroup quota"
  std::string memory_source;   // "machine" or "cgroup limit"
};

// Reads the limits under `root` ("" for this machine; tests plant files below a folder of theirs): /proc/self/cgroup,
// /proc/meminfo and /sys/fs/cgroup, where the process's cgroup and all above it count. Whatever cannot be read is no
// limit. `affinity_cpus`: CPUs in the affinity mask (AffinityCpus()). Thread-safe.
HostLimits ReadHostLimits(const std::string& root, int32_t affinity_cpus);

// CPUs this process may run on; at least 1.
int32_t AffinityCpus();

// The default of --cache_memory: a quarter of the memory, in whole MiB, from 64 MiB to 8 GiB; 1 GiB if it is unknown.
// The weights, activations and the system need the rest.
int64_t DefaultCacheMemoryBytes(const HostLimits& limits);

// The default of --parked_memory: an eighth of the memory, in whole MiB, from 32 MiB to 8 GiB; 256 MiB if it is
// unknown. It is taken only as sessions are parked.
int64_t DefaultParkedMemoryBytes(const HostLimits& limits);

}  // namespace perennial

#endif  // PERENNIAL_SERVER_HOST_LIMITS_H_
