// A row of logits as the sampler works on it: copied, cleaned of NaN, in blocks of 64 whose highest logit is known.
//
// Why blocks: nearly all tokens are unlikely. Whoever looks for the likely ones skips a block by one comparison, and
// the passes over all tokens are loops of constant length that become vector code.

#ifndef PERENNIAL_MODEL_LOGIT_BLOCKS_H_
#define PERENNIAL_MODEL_LOGIT_BLOCKS_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/types/span.h"
#include "model/token.h"

namespace perennial {

// exp(-x) for x >= 0 (no NaN, no -0), to 2e-7 of its value; exactly 1 at 0, and 0 above 87. The same on every machine,
// unlike the C library's.
float ExpOfMinus(float x);

// Keeps its memory from row to row (5 bytes per token); not thread-safe. All results are the same on every machine,
// whatever vector instructions it has.
class LogitBlocks {
 public:
  static constexpr size_t kBlock = 64;
  static constexpr float kNever = -std::numeric_limits<float>::infinity();  // the logit of a token that is not chosen
  static constexpr float kLargest = std::numeric_limits<float>::max();

  // Takes a row. NaN becomes kNever, +inf kLargest.
  void Assign(absl::Span<const float> logits);

  // Edits of single tokens, and of all: bit t % 32 of allowed[t / 32] says whether token t may stay; tokens past the
  // end of `allowed` may not. Refresh must follow before anything below is asked.
  bool Has(TokenId token) const { return token >= 0 && static_cast<size_t>(token) < vocab_size_; }
  float Get(TokenId token) const { return logits_[static_cast<size_t>(token)]; }  // REQUIRES: Has(token)
  void Set(TokenId token, float logit);                                           // REQUIRES: Has(token), not NaN
  void KeepOnly(absl::Span<const uint32_t> allowed);
  void Refresh();

  // The padded row: [num_blocks() * kBlock], kNever after the vocabulary.
  const float* data() const { return logits_.data(); }
  size_t size() const { return logits_.size(); }
  size_t num_blocks() const { return highest_of_.size(); }
  const std::vector<float>& highest_of_blocks() const { return highest_of_; }
  float highest() const { return highest_; }  // of all; kNever if no token can be chosen
  TokenId Highest() const;                    // its lowest id. REQUIRES: highest() is not kNever

  // The sums over each block of the weights exp((logit - highest()) * inverse_temperature), into `mass` [num_blocks()];
  // returns their sum.
  double Weigh(float inverse_temperature, std::vector<double>& mass) const;

  // Sum over all tokens of weight times (highest() - logit) * inverse_temperature: what the mean information is made
  // of. Adds their weights to `mass`.
  double WeighInformation(float inverse_temperature, double& mass) const;

 private:
  std::vector<float> logits_;
  std::vector<float> highest_of_;  // [num_blocks()]
  std::vector<uint8_t> stale_;     // [num_blocks()]: highest_of_ is to be found anew
  float highest_ = kNever;
  size_t vocab_size_ = 0;
};

}  // namespace perennial

#endif  // PERENNIAL_MODEL_LOGIT_BLOCKS_H_
