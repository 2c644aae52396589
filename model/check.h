// PERENNIAL_CHECK: assertions for our own bugs, in every build type. Input from outside is never checked with it: that
// gets an absl::Status.
//
// Why not Abseil's or libtorch's CHECK: both headers define a macro of that name, and Debian's Abseil has no absl/log.

#ifndef PERENNIAL_MODEL_CHECK_H_
#define PERENNIAL_MODEL_CHECK_H_

namespace perennial {

// Prints "file:line: check failed: condition" to standard error and aborts. Thread-safe.
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition);

}  // namespace perennial

// Ends the process if `condition` is false. The condition is always evaluated, exactly once.
#define PERENNIAL_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::perennial::CheckFailed(__FILE__, __LINE__, #condition))

#endif  // PERENNIAL_MODEL_CHECK_H_
