#include "model/repetition_detector.h"

#include <algorithm>

namespace perennial {
namespace {

constexpr int32_t kTokensPerMismatch = 8;
constexpr int32_t kTokensPerMismatchOnce = 4;
// A stretch may have four mismatches more than that: chance does not deal them out evenly.
constexpr int32_t kLeastSlack = -4 * kTokensPerMismatch;

// How many tokens must follow the first stretch of period i + 1.
template <size_t N>
constexpr std::array<int32_t, N> Thresholds(int32_t min_tokens, int32_t min_times) {
  std::array<int32_t, N> thresholds{};
  for (size_t i = 0; i < N; ++i) {
    const auto period = static_cast<int32_t>(i) + 1;
    thresholds[i] = std::max(min_tokens, min_times * period) - period;
  }
  return thresholds;
}

constexpr size_t kPeriods = RepetitionDetector::kMaxPeriod;
constexpr std::array<int32_t, kPeriods> kExact =
    Thresholds<kPeriods>(RepetitionDetector::kMinTokens, RepetitionDetector::kMinTimes);
constexpr std::array<int32_t, kPeriods> kNear =
    Thresholds<kPeriods>(RepetitionDetector::kMinNearTokens, RepetitionDetector::kMinNearTimes);

}  // namespace

std::optional<Repetition> RepetitionDetector::Add(TokenId token) {
  if (found_.has_value()) return std::nullopt;
  const bool reached = Count(token);
  by_parity_[static_cast<size_t>(added_ % 2)].Add(token);
  all_.Add(token);
  ++added_;
  for (size_t i = 0; reached && !found_.has_value(); ++i) {
    const bool exact = exact_[i] >= kExact[i];
    if (!exact && near_[i] < kNear[i]) continue;
    const auto period = static_cast<int32_t>(i) + 1;
    const int32_t tokens = period + (exact ? exact_[i] : near_[i]);
    found_ = {.period_tokens = period, .times = tokens / period, .exact = exact, .after_tokens = added_};
  }
  return found_;
}

// The one place where time goes: no branches, so that compilers make vector code of it.
bool RepetitionDetector::Count(TokenId token) {
  const TokenId* const once_before = all_.newest_first();
  const TokenId* const twice_before = by_parity_[static_cast<size_t>(added_ % 2)].newest_first();
  int32_t reached = 0;
  for (size_t i = 0; i < kPeriods; ++i) {
    const int32_t as_once = token == once_before[i] ? 1 : 0;
    const int32_t as_either = as_once | (token == twice_before[i] ? 1 : 0);
    const int32_t exact = (exact_[i] + 1) * as_once;
    const int32_t slack = slack_[i] + 1 - kTokensPerMismatch * (1 - as_either);
    const int32_t once_slack = once_slack_[i] + 1 - kTokensPerMismatchOnce * (1 - as_once);
    const int32_t goes_on = slack > kLeastSlack && once_slack > kLeastSlack ? 1 : 0;
    const int32_t near = (near_[i] + 1) * goes_on;
    exact_[i] = exact;
    near_[i] = near;
    slack_[i] = slack * goes_on;
    once_slack_[i] = once_slack * goes_on;
    reached |= (exact >= kExact[i] ? 1 : 0) | (near >= kNear[i] ? 1 : 0);
  }
  return reached != 0;
}

void RepetitionDetector::Tail::Add(TokenId token) {
  if (newest_ == 0) {
    std::copy_n(tokens_.begin(), kPeriods, tokens_.begin() + kPeriods);
    newest_ = kPeriods;
  }
  tokens_[--newest_] = token;
}

}  // namespace perennial
