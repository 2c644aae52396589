#include "model/sampler.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <utility>

#include "model/check.h"

namespace perennial {
namespace {

constexpr size_t kBlock = LogitBlocks::kBlock;
constexpr float kNever = LogitBlocks::kNever;
constexpr float kLargest = LogitBlocks::kLargest;

// Orders of preference, without ties: the higher logit, then the lower id …
struct Better {
  template <typename Candidate>
  bool operator()(const Candidate& a, const Candidate& b) const {
    return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
  }
};

// … or the logit nearer to `mean`, then the lower id.
struct Nearer {
  float mean;

  template <typename Candidate>
  bool operator()(const Candidate& a, const Candidate& b) const {
    const float distance_a = std::fabs(a.logit - mean);
    const float distance_b = std::fabs(b.logit - mean);
    return distance_a != distance_b ? distance_a < distance_b : a.token < b.token;
  }
};

// The least preferred of the smallest set of most preferred candidates with at least `mass`, in expected linear time
// (quickselect by weight). Permutes `candidates`. REQUIRES: not empty.
template <typename Candidate, typename Order>
Candidate SelectByMass(std::vector<Candidate>& candidates, double mass, Order better) {
  size_t begin = 0;
  size_t end = candidates.size();
  while (end - begin > 1) {
    // Median of three as pivot: even for candidates that are in order already.
    Candidate* const first = &candidates[begin];
    Candidate* const middle = &candidates[begin + (end - begin) / 2];
    Candidate* const last = &candidates[end - 1];
    if (better(*middle, *first)) std::swap(*middle, *first);
    if (better(*last, *first)) std::swap(*last, *first);
    if (better(*last, *middle)) std::swap(*last, *middle);
    const Candidate pivot = *middle;
    // [begin, split): better than the pivot. Their mass decides where the edge lies.
    size_t split = begin;
    double better_mass = 0.0;
    for (size_t i = begin; i < end; ++i) {
      if (!better(candidates[i], pivot)) continue;
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

}  // namespace

Sampler::Sampler(const SamplingParams& params)
    : params_(params),
      // Bounded, so that 0 times it stays 0 at the smallest temperatures.
      inverse_temperature_(params.temperature > 0.0f ? std::min(1.0f / params.temperature, 1e30f) : 0.0f),
      random_state_(params.seed) {
  PERENNIAL_CHECK(ValidateSamplingParams(params).ok());
}

TokenId Sampler::Sample(const SamplingInput& input) {
  Prepare(input);
  if (logits_.highest() == kNever) return kNoToken;
  if (params_.temperature == 0.0f) return logits_.Highest();
  const double fraction = NextFraction();
  if (KeepsAll()) {
    total_mass_ = logits_.Weigh(inverse_temperature_, block_mass_);
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

std::vector<Sampler::Choice> Sampler::Distribution(const SamplingInput& input) {
  Prepare(input);
  if (logits_.highest() == kNever) return {};
  if (params_.temperature == 0.0f) return {{logits_.Highest(), 1.0}};
  if (KeepsAll()) {
    total_mass_ = logits_.Weigh(inverse_temperature_, block_mass_);
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

Logprobs Sampler::LogprobsOf(TokenId chosen, int32_t top) {
  const float highest = logits_.highest();
  const double log_mass = std::log(logits_.Weigh(1.0f, block_mass_));
  const auto logprob = [&](float logit) { return static_cast<float>(double{logit} - highest - log_mass); };
  Logprobs logprobs;
  logprobs.chosen = {chosen, logprob(logits_.Get(chosen))};
  if (top <= 0) return logprobs;
  const size_t count = static_cast<size_t>(top);
  Gather(LowestOfBest(count));
  const auto end = candidates_.begin() + static_cast<std::ptrdiff_t>(std::min(count, candidates_.size()));
  std::partial_sort(candidates_.begin(), end, candidates_.end(), Better());
  for (auto candidate = candidates_.begin(); candidate != end; ++candidate) {
    logprobs.top.push_back({candidate->token, logprob(candidate->logit)});
  }
  return logprobs;
}

void Sampler::Prepare(const SamplingInput& input) {
  logits_.Assign(input.logits);
  penalties_.Apply(params_, input.recent, input.breakers, logits_);
  if (!input.allowed.empty()) logits_.KeepOnly(input.allowed);
  for (TokenId token : input.banned) {
    if (logits_.Has(token)) logits_.Set(token, kNever);
  }
  logits_.Refresh();
}

bool Sampler::HasTopK() const { return params_.top_k > 0 && static_cast<size_t>(params_.top_k) < logits_.size(); }

bool Sampler::KeepsAll() const {
  return params_.top_p == 1.0f && params_.min_p == 0.0f && params_.typical_p == 1.0f && !HasTopK();
}

// A logit that the `count` most likely tokens have at least.
float Sampler::LowestOfBest(size_t count) {
  if (count > logits_.num_blocks()) return -kLargest;
  // `count` blocks hold a token of at least this logit each, so the best tokens are no worse.
  block_scratch_ = logits_.highest_of_blocks();
  const auto edge = block_scratch_.begin() + static_cast<std::ptrdiff_t>(count - 1);
  std::nth_element(block_scratch_.begin(), edge, block_scratch_.end(), std::greater<float>());
  return *edge;
}

// Fills candidates_ with all tokens of at least the logit `lowest`, in the order of ids.
void Sampler::Gather(float lowest) {
  candidates_.clear();
  // A banned token is never kept, however many are asked for.
  lowest = std::max(lowest, -kLargest);
  const std::vector<float>& highest_of_blocks = logits_.highest_of_blocks();
  const float* const logits = logits_.data();
  for (size_t block = 0; block < highest_of_blocks.size(); ++block) {
    if (highest_of_blocks[block] < lowest) continue;
    for (size_t i = block * kBlock; i < (block + 1) * kBlock; ++i) {
      if (logits[i] < lowest) continue;
      const float weight = ExpOfMinus((logits_.highest() - logits[i]) * inverse_temperature_);
      candidates_.push_back({logits[i], weight, static_cast<TokenId>(i)});
    }
  }
}

// Like Gather, by the logarithm of the weight, and a little more than that because of rounding.
void Sampler::GatherWeights(float log_weight) {
  const float lowest = logits_.highest() + (log_weight - 0.01f) / inverse_temperature_;
  Gather(std::nextafter(lowest, kNever));
}

template <typename Order>
void Sampler::KeepBest(size_t count, Order better) {
  if (candidates_.size() <= count) return;
  selection_ = candidates_;
  const auto last = selection_.begin() + static_cast<std::ptrdiff_t>(count - 1);
  std::nth_element(selection_.begin(), last, selection_.end(), better);
  const Candidate edge = *last;
  std::erase_if(candidates_, [&](const Candidate& candidate) { return better(edge, candidate); });
}

template <typename Order>
void Sampler::KeepMass(double mass, Order better) {
  selection_ = candidates_;
  const Candidate edge = SelectByMass(selection_, mass, better);
  std::erase_if(candidates_, [&](const Candidate& candidate) { return better(edge, candidate); });
}

void Sampler::SumWeights() {
  total_mass_ = 0.0;
  for (const Candidate& candidate : candidates_) total_mass_ += candidate.weight;
}

void Sampler::KeepTopK() {
  Gather(LowestOfBest(static_cast<size_t>(params_.top_k)));
  KeepBest(static_cast<size_t>(params_.top_k), Better());
  SumWeights();
}

// A token's information is -log p = (mean logit - logit) / temperature + the expected information: the tokens whose
// information is nearest to the expected one are those whose logits are nearest to the mean logit.
void Sampler::KeepTypical() {
  double mean = 0.0;  // below the highest
  for (const Candidate& candidate : candidates_) {
    if (candidate.weight > 0.0f) mean += candidate.weight * (double{logits_.highest()} - candidate.logit);
  }
  mean = logits_.highest() - mean / total_mass_;
  KeepMass(double{params_.typical_p} * total_mass_, Nearer{static_cast<float>(mean)});
  SumWeights();
}

void Sampler::KeepTypicalOfAll() {
  total_mass_ = 0.0;
  const double information = logits_.WeighInformation(inverse_temperature_, total_mass_) / total_mass_;
  const double mass = double{params_.typical_p} * total_mass_;
  const Nearer nearer{static_cast<float>(logits_.highest() - information / inverse_temperature_)};
  // Where the tokens that are at most `distance` below the mean have the mass, none further away from it is needed (the
  // most likely token is the furthest above it).
  for (double distance = std::max(information, 1.0);; distance *= 2.0) {
    GatherWeights(static_cast<float>(-information - distance));
    SumWeights();
    if (total_mass_ >= mass || distance > 87.0) break;
  }
  KeepMass(mass, nearer);
  SumWeights();
}

void Sampler::KeepTopP() {
  KeepMass(static_cast<double>(params_.top_p) * total_mass_, Better());
  SumWeights();
}

void Sampler::KeepMinP() {
  float most = 0.0f;  // not always 1: the most likely token may be atypical
  for (const Candidate& candidate : candidates_) most = std::max(most, candidate.weight);
  std::erase_if(candidates_, [&](const Candidate& candidate) { return candidate.weight < params_.min_p * most; });
  SumWeights();
}

// Fills candidates_ with what top-k, typical-p, top-p and min-p leave, and total_mass_ with their sum. The first of
// them that is on looks at all tokens, the others at what it left.
void Sampler::Narrow() {
  if (HasTopK()) {
    KeepTopK();
    if (params_.typical_p < 1.0f) KeepTypical();
  } else if (params_.typical_p < 1.0f) {
    KeepTypicalOfAll();
  } else if (params_.top_p < 1.0f) {
    total_mass_ = logits_.Weigh(inverse_temperature_, block_mass_);
    // All tokens of a weight below this share less than 1 - top_p of the mass: none of them can be kept.
    const double negligible = (1.0 - params_.top_p) * total_mass_ / static_cast<double>(logits_.size());
    GatherWeights(static_cast<float>(std::log(negligible)));
  } else {
    GatherWeights(std::log(params_.min_p));
  }
  if (params_.top_p < 1.0f) KeepTopP();
  if (params_.min_p > 0.0f) KeepMinP();
  SumWeights();
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
    const float weight = ExpOfMinus((logits_.highest() - logits_.data()[i]) * inverse_temperature_);
    if (weight == 0.0f) continue;
    token = i;
    chosen_sum += weight;
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
