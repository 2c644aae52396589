#include "model/check.h"

#include <cstdio>
#include <cstdlib>

namespace perennial {

void CheckFailed(const char* file, int line, const char* condition) {
  // One call, so that lines of several threads do not mix; stdio, because the process may be out of memory.
  std::fprintf(stderr, "%s:%d: check failed: %s\n", file, line, condition);
  std::fflush(stderr);
  std::abort();
}

}  // namespace perennial
