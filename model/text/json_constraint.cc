#include "model/text/json_constraint.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "model/text/rust_text.h"

namespace perennial {
namespace {

using text_internal::OwnedBytes;
using text_internal::SliceOf;

struct FreeConstraint {
  void operator()(PerennialConstraint* constraint) const { perennial_constraint_free(constraint); }
};
using RustConstraint = std::unique_ptr<PerennialConstraint, FreeConstraint>;

class JsonConstraint final : public TokenConstraint {
 public:
  explicit JsonConstraint(RustConstraint constraint) : constraint_(std::move(constraint)) { Look(); }

  absl::Span<const uint32_t> allowed() const override { return {allowed_.words, allowed_.num_words}; }
  bool complete() const override { return allowed_.complete; }

  absl::Status Accept(TokenId token) override {
    OwnedBytes error;
    if (!perennial_constraint_accept(constraint_.get(), token, error.out())) {
      allowed_ = {nullptr, 0, false};
      return absl::InvalidArgumentError(
          absl::StrCat("sampling.json_schema: the reply cannot go on under it: ", error.Text()));
    }
    Look();
    return absl::OkStatus();
  }

 private:
  void Look() { allowed_ = perennial_constraint_allowed(constraint_.get()); }

  const RustConstraint constraint_;  // never null
  PerennialAllowed allowed_ = {nullptr, 0, false};
};

}  // namespace

absl::StatusOr<std::unique_ptr<TokenConstraint>> MakeJsonConstraint(const Tokenizer& tokenizer,
                                                                    absl::string_view json_schema) {
  OwnedBytes error;
  RustConstraint constraint(
      perennial_constraint_new(tokenizer.rust_->tokenizer.get(), SliceOf(json_schema), error.out()));
  if (constraint == nullptr) return absl::InvalidArgumentError(error.Text());
  return std::make_unique<JsonConstraint>(std::move(constraint));
}

}  // namespace perennial
