// How results and progress are shown.

#ifndef PERENNIAL_MODEL_EVAL_REPORT_H_
#define PERENNIAL_MODEL_EVAL_REPORT_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "model/eval/perplexity.h"

namespace perennial {

// One JSON object on one line: tokens, perplexity, perplexity_second_half, tokens_per_second, cache_bytes.
std::string PerplexityJson(const PerplexityResult& result, absl::Duration elapsed);

// The same for people, several lines.
std::string PerplexityText(const PerplexityResult& result, absl::Duration elapsed);

// One line without an end: "[#########           ]  45 %  1800/3999 tokens, 12 s left". `done` in 0 … total.
std::string ProgressBar(int64_t done, int64_t total, absl::Duration elapsed);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_EVAL_REPORT_H_
