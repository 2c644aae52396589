// A constraint that a test can read: the reply must be one of a few texts.

#ifndef PERENNIAL_TESTS_FAKE_TOKEN_CONSTRAINT_H_
#define PERENNIAL_TESTS_FAKE_TOKEN_CONSTRAINT_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "model/token_constraint.h"

namespace perennial {

// In the fakes' vocabulary, where a token below 128 is the ASCII character of its number.
class FakeTokenConstraint final : public TokenConstraint {
 public:
  // `fail_after`: Accept fails at that many tokens; 0: never.
  explicit FakeTokenConstraint(std::vector<std::string> texts, size_t fail_after = 0)
      : texts_(std::move(texts)), fail_after_(fail_after) {
    Update();
  }

  absl::Span<const uint32_t> allowed() const override { return allowed_; }
  bool complete() const override { return complete_; }

  absl::Status Accept(TokenId token) override {
    text_.push_back(static_cast<char>(token));
    Update();
    return text_.size() == fail_after_ ? absl::InvalidArgumentError("the grammar is too complex") : absl::OkStatus();
  }

 private:
  void Update() {
    allowed_.assign(4, 0);
    complete_ = false;
    for (const std::string& text : texts_) {
      if (!absl::StartsWith(text, text_)) continue;
      complete_ |= text == text_;
      if (text.size() > text_.size()) {
        const auto next = static_cast<uint32_t>(text[text_.size()]);
        allowed_[next / 32] |= uint32_t{1} << (next % 32);
      }
    }
  }

  const std::vector<std::string> texts_;
  const size_t fail_after_;
  std::string text_;
  std::vector<uint32_t> allowed_;
  bool complete_ = false;
};

}  // namespace perennial

#endif  // PERENNIAL_TESTS_FAKE_TOKEN_CONSTRAINT_H_
