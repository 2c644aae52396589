// What a reply must look like: which tokens may come next, given those that came. The engine asks; who knows the
// grammar (model/text/json_constraint.h) answers.

#ifndef PERENNIAL_MODEL_TOKEN_CONSTRAINT_H_
#define PERENNIAL_MODEL_TOKEN_CONSTRAINT_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "model/token.h"

namespace perennial {

// One reply's state. Made on any thread, then used by one thread at a time.
class TokenConstraint {
 public:
  virtual ~TokenConstraint() = default;

  // Bit t % 32 of word t / 32: token t may come next; tokens past the end may not. No control token is among them. All
  // zero or empty: the reply is complete and nothing can follow. Valid until Accept.
  virtual absl::Span<const uint32_t> allowed() const = 0;

  // The reply may end here.
  virtual bool complete() const = 0;

  // The reply goes on with `token`. REQUIRES: it is allowed. INVALID_ARGUMENT, in words for the client, if what may
  // come next cannot be told (the grammar's limits); the constraint is then of no more use.
  virtual absl::Status Accept(TokenId token) = 0;
};

}  // namespace perennial

#endif  // PERENNIAL_MODEL_TOKEN_CONSTRAINT_H_
