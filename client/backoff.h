// When to try a lost connection again: soon, then more and more rarely, and not for ever.

#ifndef PERENNIAL_CLIENT_BACKOFF_H_
#define PERENNIAL_CLIENT_BACKOFF_H_

#include <functional>
#include <optional>

#include "absl/time/time.h"

namespace perennial {

struct BackoffOptions {
  // The first wait, doubled with each failure up to the longest; each is then shortened by up to half of it at random,
  // so that clients that were cut together do not come back together.
  absl::Duration first_wait = absl::Milliseconds(200);
  absl::Duration longest_wait = absl::Seconds(5);

  // How long after the last sign of life it is tried at most. 0: not at all.
  absl::Duration patience = absl::Minutes(2);
};

// The waits of one call. Not thread-safe; reads no clock.
class Backoff {
 public:
  // `random` gives values in [0, 1).
  Backoff(const BackoffOptions& options, absl::Time now, std::function<double()> random);

  // A sign of life: patience and waits begin anew.
  void Restart(absl::Time now);

  // How long to wait after a failure at `now`, at least what the server asked for; nothing when patience would be used
  // up by then.
  std::optional<absl::Duration> Next(absl::Time now, std::optional<absl::Duration> asked = std::nullopt);

 private:
  // Constant after construction.
  const BackoffOptions options_;
  const std::function<double()> random_;

  absl::Time alive_;     // the last sign of life, or the start
  absl::Duration wait_;  // the next one, before randomness
};

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_BACKOFF_H_
