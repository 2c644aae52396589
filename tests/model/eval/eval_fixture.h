// What the tests of measurements share: subjects on the fake runner, texts, and a clock that only the runner moves.

#ifndef PERENNIAL_TESTS_MODEL_EVAL_EVAL_FIXTURE_H_
#define PERENNIAL_TESTS_MODEL_EVAL_EVAL_FIXTURE_H_

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "model/eval/eval_stream.h"
#include "model/eval/report.h"
#include "tests/fake_model_runner.h"

namespace perennial {

// A text without a pattern that the fake could know; the same every time.
inline std::vector<TokenId> SomeText(int64_t count) {
  std::vector<TokenId> tokens;
  for (int64_t i = 0; i < count; ++i) tokens.push_back(static_cast<TokenId>((i * i * 7 + i * 3 + 11) % 50));
  return tokens;
}

inline EvalSubject SubjectOf(ModelRunner& runner, int32_t chunk_tokens = 16) {
  return {.runner = &runner, .chunk_tokens = chunk_tokens};
}

// The value, or a failure of the test and an empty one.
template <typename Value>
Value ValueOf(absl::StatusOr<Value> value) {
  if (value.ok()) return *std::move(value);
  ADD_FAILURE() << value.status();
  return Value{};
}

template <typename Value>
std::string MessageOf(const absl::StatusOr<Value>& value) {
  return std::string(value.status().message());
}

// One token per byte.
inline absl::StatusOr<std::vector<TokenId>> EncodeBytes(absl::string_view text) {
  std::vector<TokenId> tokens;
  for (const char c : text) tokens.push_back(static_cast<unsigned char>(c));
  return tokens;
}

// A fake model whose steps take a millisecond for every token.
class TimedRunner {
 public:
  TimedRunner() : runner_(Options()) {}
  // The subject points to this.
  EvalSubject Subject(int32_t chunk_tokens) {
    EvalSubject subject = SubjectOf(runner_, chunk_tokens);
    subject.now = [this] { return now_; };
    return subject;
  }

 private:
  FakeOptions Options() {
    FakeOptions options;
    options.before_step = [this](absl::Span<const StepInput> batch) {
      for (const StepInput& input : batch) now_ += absl::Milliseconds(static_cast<int64_t>(input.tokens.size()));
    };
    return options;
  }

  absl::Time now_ = absl::UnixEpoch();
  FakeModelRunner runner_;
};

}  // namespace perennial

#endif  // PERENNIAL_TESTS_MODEL_EVAL_EVAL_FIXTURE_H_
