#include "model/sampler.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/check.h"

namespace perennial {
namespace {

// Tokens per block. The loops over a block have this constant length, so that compilers turn them into vector code.
constexpr size_t kBlock = 64;
constexpr size_t kLanes = 16;

constexpr float kNegativeInfinity = -std::numeric_limits<float>::infinity();
constexpr float kLargest = std::numeric_limits<float>::max();

// exp(-x) for x >= 0 (no NaN, no -0), to 2e-7 of its value; exactly 1 at 0, and 0 above 87. Ours instead of the C
// library's: the same on every machine, and without branches, so that a loop over it becomes vector code.
inline float ExpOfMinus(float x) {
  // Comparisons as integers (the bits of floats that are not negative are in their order): those of floats may trap,
  // and compilers turn them into branches.
  const int32_t bits = std::bit_cast<int32_t>(x);
  constexpr int32_t kMostBits = std::bit_cast<int32_t>(87.0f);
  const float y = -std::bit_cast<float>(std::min(bits, kMostBits));
  // Adding 1.5 * 2^23 rounds to an integer, which then stands in the low bits.
  const float shifted = y * 1.44269504f + 12582912.0f;
  const float n = shifted - 12582912.0f;
  const float r = (y - n * 0.693359375f) + n * 2.12194440e-4f;  // ln 2 in two parts
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const float power = std::bit_cast<float>((std::bit_cast<int32_t>(shifted) - 0x4b400000 + 127) << 23);
  const int32_t mask = -static_cast<int32_t>(bits <= kMostBits);
  return std::bit_cast<float>(std::bit_cast<int32_t>(p * power) & mask);
}

// Order of preference, without ties: the higher logit, then the lower id.
struct Better {
  template <typename Candidate>
  bool operator()(const Candidate& a, const Candidate& b) const {
    return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
  }
};

// The least preferred of the smallest set of most preferred candidates with at least `mass`, in expected linear time
// (quickselect by weight). Permutes `candidates`. REQUIRES: not empty.
template <typename Candidate>
Candidate SelectByMass(std::vector<Candidate>& candidates, double mass) {
  size_t begin = 0;
  size_t end = candidates.size();
  while (end - begin > 1) {
    // Median of three as pivot: even for candidates that are in order already.
    Candidate* const first = &candidates[begin];
    Candidate* const middle = &candidates[begin + (end - begin) / 2];
    Candidate* const last = &candidates[end - 1];
    if (Better()(*middle, *first)) std::swap(*middle, *first);
    if (Better()(*last, *first)) std::swap(*last, *first);
    if (Better()(*last, *middle)) std::swap(*last, *middle);
    const Candidate pivot = *middle;
    // [begin, split): better than the pivot. Their mass decides where the edge lies.
    size_t split = begin;
    double better_mass = 0.0;
    for (size_t i = begin; i < end; ++i) {
      if (!Better()(candidates[i], pivot)) continue;
      better_mass += candidates[i].weight;
      std::swap(candidates[i], candidates[split++]);
    }
    if (split > begin && better_mass >= mass) {
      end = split;
      continue;
    }
    if (better_mass + pivot.weight >= mass) return pivot;
    // Past the pivot: bring it to its place first, so that it is left out of what remains.
    for (size_t i = split; i < end; ++i) {
      if (candidates[i].token == pivot.token) std::swap(candidates[i], candidates[split]);
    }
    mass -= better_mass + pivot.weight;
    begin = split + 1;
    if (begin == end) return pivot;  // rounding: all of them together are not quite the mass
  }
  return candidates[begin];
}

absl::Status OutOfRange(const char* field, double value, const char* range) {
  return absl::InvalidArgumentError(absl::StrCat("sampling.", field, ": ", value, " is not in ", range));
}

}  // namespace

absl::Status ValidateSamplingParams(const SamplingParams& params) {
  // Written so that NaN fails every test.
  if (!(params.temperature >= 0.0f && params.temperature <= 10.0f)) {
    return OutOfRange("temperature", params.temperature, "[0, 10]");
  }
  if (params.top_k < 0) {
    return absl::InvalidArgumentError(absl::StrCat("sampling.top_k: ", params.top_k, " is less than 0"));
  }
  if (!(params.top_p > 0.0f && params.top_p <= 1.0f)) {
    return OutOfRange("top_p", params.top_p, "(0, 1]");
  }
  if (!(params.min_p >= 0.0f && params.min_p <= 1.0f)) return OutOfRange("min_p", params.min_p, "[0, 1]");
  if (!(params.repetition_penalty > 0.0f && params.repetition_penalty <= 10.0f)) {
    return OutOfRange("repetition_penalty", params.repetition_penalty, "(0, 10]");
  }
  if (params.repetition_window < 0 || params.repetition_window > 4096) {
    return OutOfRange("repetition_window", params.repetition_window, "[0, 4096]");
  }
  return absl::OkStatus();
}

Sampler::Sampler(const SamplingParams& params)
    : params_(params),
      // Bounded, so that 0 times it stays 0 at the smallest temperatures.
      inverse_temperature_(params.temperature > 0.0f ? std::min(1.0f / params.temperature, 1e30f) : 0.0f),
      random_state_(params.seed) {
  PERENNIAL_CHECK(ValidateSamplingParams(params).ok());
}

TokenId Sampler::Sample(absl::Span<const float> logits, absl::Span<const TokenId> recent,
                        absl::Span<const TokenId> banned) {
  Prepare(logits, recent, banned);
  if (highest_ == kNegativeInfinity) return kNoToken;
  if (params_.temperature == 0.0f) return Highest();
  const double fraction = NextFraction();
  if (KeepsAll()) {
    WeighAll();
    return DrawFromAll(fraction);
  }
  Narrow();
  const double target = fraction * total_mass_;
  double sum = 0.0;
  for (const Candidate& candidate : candidates_) {
    sum += candidate.weight;
    if (sum > target) return candidate.token;
  }
  return candidates_.back().token;
}

std::vector<Sampler::Choice> Sampler::Distribution(absl::Span<const float> logits, absl::Span<const TokenId> recent,
                                                   absl::Span<const TokenId> banned) {
  Prepare(logits, recent, banned);
  if (highest_ == kNegativeInfinity) return {};
  if (params_.temperature == 0.0f) return {{Highest(), 1.0}};
  if (KeepsAll()) {
    WeighAll();
    Gather(-kLargest);
  } else {
    Narrow();
  }
  std::vector<Choice> choices;
  choices.reserve(candidates_.size());
  for (const Candidate& candidate : candidates_) {
    if (candidate.weight > 0.0f) choices.push_back({candidate.token, candidate.weight / total_mass_});
  }
  return choices;
}

void Sampler::Prepare(absl::Span<const float> logits, absl::Span<const TokenId> recent,
                      absl::Span<const TokenId> banned) {
  const size_t num_blocks = (logits.size() + kBlock - 1) / kBlock;
  logits_.resize(num_blocks * kBlock);
  for (size_t i = 0; i < logits.size(); ++i) {
    const float finite = std::min(logits[i], kLargest);
    logits_[i] = finite == finite ? finite : kNegativeInfinity;  // NaN is not equal to itself
  }
  std::fill(logits_.begin() + static_cast<std::ptrdiff_t>(logits.size()), logits_.end(), kNegativeInfinity);

  if (params_.repetition_penalty != 1.0f) {
    const size_t window = static_cast<size_t>(params_.repetition_window);
    if (recent.size() > window) recent.remove_prefix(recent.size() - window);
    for (TokenId token : recent) {
      if (token < 0 || static_cast<size_t>(token) >= logits.size()) continue;
      // From the given logit: a token that occurs twice is penalised once.
      const float logit = std::min(logits[static_cast<size_t>(token)], kLargest);
      if (!(logit > kNegativeInfinity)) continue;
      const float penalised = logit > 0.0f ? logit / params_.repetition_penalty : logit * params_.repetition_penalty;
      logits_[static_cast<size_t>(token)] = std::clamp(penalised, -kLargest, kLargest);
    }
  }
  for (TokenId token : banned) {
    if (token >= 0 && static_cast<size_t>(token) < logits.size()) {
      logits_[static_cast<size_t>(token)] = kNegativeInfinity;
    }
  }

  block_highest_.resize(num_blocks);
  highest_ = kNegativeInfinity;
  for (size_t block = 0; block < num_blocks; ++block) {
    const float* const values = logits_.data() + block * kBlock;
    float lanes[kLanes];
    std::copy_n(values, kLanes, lanes);
    for (size_t i = kLanes; i < kBlock; i += kLanes) {
      for (size_t lane = 0; lane < kLanes; ++lane) lanes[lane] = std::max(lanes[lane], values[i + lane]);
    }
    block_highest_[block] = *std::max_element(lanes, lanes + kLanes);
    highest_ = std::max(highest_, block_highest_[block]);
  }
}

TokenId Sampler::Highest() const {
  size_t block = 0;
  while (block_highest_[block] != highest_) ++block;
  size_t token = block * kBlock;
  while (logits_[token] != highest_) ++token;
  return static_cast<TokenId>(token);
}

bool Sampler::KeepsAll() const {
  return params_.top_p == 1.0f && params_.min_p == 0.0f &&
         (params_.top_k == 0 || static_cast<size_t>(params_.top_k) >= logits_.size());
}

void Sampler::WeighAll() {
  weights_.resize(logits_.size());
  block_mass_.resize(block_highest_.size());
  total_mass_ = 0.0;
  for (size_t block = 0; block < block_mass_.size(); ++block) {
    const float* const logits = logits_.data() + block * kBlock;
    float* const weights = weights_.data() + block * kBlock;
    for (size_t i = 0; i < kBlock; ++i) weights[i] = ExpOfMinus((highest_ - logits[i]) * inverse_temperature_);
    float lanes[kLanes] = {};
    for (size_t i = 0; i < kBlock; i += kLanes) {
      for (size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += weights[i + lane];
    }
    double mass = 0.0;
    for (float lane : lanes) mass += lane;
    block_mass_[block] = mass;
    total_mass_ += mass;
  }
}

// Fills candidates_ with all tokens of at least the logit `lowest`, in the order of ids.
void Sampler::Gather(float lowest) {
  candidates_.clear();
  // A banned token is never kept, however many are asked for.
  lowest = std::max(lowest, -kLargest);
  for (size_t block = 0; block < block_highest_.size(); ++block) {
    if (block_highest_[block] < lowest) continue;
    for (size_t i = block * kBlock; i < (block + 1) * kBlock; ++i) {
      if (logits_[i] < lowest) continue;
      const float weight = ExpOfMinus((highest_ - logits_[i]) * inverse_temperature_);
      candidates_.push_back({logits_[i], weight, static_cast<TokenId>(i)});
    }
  }
}

// Like Gather, by the logarithm of the weight, and a little more than that because of rounding.
void Sampler::GatherWeights(float log_weight) {
  const float lowest = highest_ + (log_weight - 0.01f) / inverse_temperature_;
  Gather(std::nextafter(lowest, kNegativeInfinity));
}

void Sampler::KeepTopK() {
  const size_t k = static_cast<size_t>(params_.top_k);
  float lowest = -kLargest;
  if (k <= block_highest_.size()) {
    // k blocks hold a token of at least this logit each, so the k best tokens are no worse.
    block_scratch_ = block_highest_;
    const auto kth = block_scratch_.begin() + static_cast<std::ptrdiff_t>(k - 1);
    std::nth_element(block_scratch_.begin(), kth, block_scratch_.end(), std::greater<float>());
    lowest = *kth;
  }
  Gather(lowest);
  if (candidates_.size() <= k) return;
  selection_ = candidates_;
  const auto kth = selection_.begin() + static_cast<std::ptrdiff_t>(k - 1);
  std::nth_element(selection_.begin(), kth, selection_.end(), Better());
  const Candidate edge = *kth;
  std::erase_if(candidates_, [&edge](const Candidate& candidate) { return Better()(edge, candidate); });
}

void Sampler::KeepTopP() {
  selection_ = candidates_;
  const Candidate edge = SelectByMass(selection_, static_cast<double>(params_.top_p) * total_mass_);
  std::erase_if(candidates_, [&edge](const Candidate& candidate) { return Better()(edge, candidate); });
}

// Fills candidates_ with what top-k, top-p and min-p leave, and total_mass_ with their sum.
void Sampler::Narrow() {
  const bool has_top_k = params_.top_k > 0 && static_cast<size_t>(params_.top_k) < logits_.size();
  if (has_top_k) {
    KeepTopK();
    total_mass_ = 0.0;
    for (const Candidate& candidate : candidates_) total_mass_ += candidate.weight;
  } else if (params_.top_p < 1.0f) {
    WeighAll();
    // All tokens of a weight below this share less than 1 - top_p of the mass: none of them can be kept.
    const double negligible = (1.0 - params_.top_p) * total_mass_ / static_cast<double>(logits_.size());
    GatherWeights(static_cast<float>(std::log(negligible)));
  } else {
    GatherWeights(std::log(params_.min_p));
  }
  if (params_.top_p < 1.0f) KeepTopP();
  if (params_.min_p > 0.0f) {
    // The highest weight is 1.
    std::erase_if(candidates_, [this](const Candidate& candidate) { return candidate.weight < params_.min_p; });
  }
  total_mass_ = 0.0;
  for (const Candidate& candidate : candidates_) total_mass_ += candidate.weight;
}

TokenId Sampler::DrawFromAll(double fraction) const {
  const double target = fraction * total_mass_;
  double sum = 0.0;  // of the blocks before `chosen`
  size_t chosen = 0;
  double chosen_sum = 0.0;
  for (size_t block = 0; block < block_mass_.size() && sum <= target; ++block) {
    if (block_mass_[block] == 0.0) continue;
    chosen = block;
    chosen_sum = sum;
    sum += block_mass_[block];
  }
  // Where rounding leaves the sums short of the target it is the last token of any weight.
  size_t token = chosen * kBlock;
  for (size_t i = chosen * kBlock; i < (chosen + 1) * kBlock; ++i) {
    if (weights_[i] == 0.0f) continue;
    token = i;
    chosen_sum += weights_[i];
    if (chosen_sum > target) break;
  }
  return static_cast<TokenId>(token);
}

double Sampler::NextFraction() {
  random_state_ += 0x9e3779b97f4a7c15u;
  uint64_t x = random_state_;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  x ^= x >> 31;
  return static_cast<double>(x >> 11) * 0x1p-53;
}

}  // namespace perennial
