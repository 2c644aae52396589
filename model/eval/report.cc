#include "model/eval/report.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"

namespace perennial {
namespace {

double TokensPerSecond(const PerplexityResult& result, absl::Duration elapsed) {
  const double seconds = absl::ToDoubleSeconds(elapsed);
  return seconds > 0 ? static_cast<double>(result.tokens) / seconds : 0.0;
}

}  // namespace

std::string PerplexityJson(const PerplexityResult& result, absl::Duration elapsed) {
  const nlohmann::ordered_json json = {{"tokens", result.tokens},
                                       {"perplexity", result.perplexity},
                                       {"perplexity_second_half", result.perplexity_second_half},
                                       {"tokens_per_second", TokensPerSecond(result, elapsed)},
                                       {"cache_bytes", result.cache_bytes}};
  return json.dump();
}

std::string PerplexityText(const PerplexityResult& result, absl::Duration elapsed) {
  return absl::StrFormat(
      "perplexity %.2f over %d tokens\n"
      "perplexity %.2f over their second half\n"
      "%.0f tokens per second, cache %.1f MiB\n",
      result.perplexity, result.tokens, result.perplexity_second_half, TokensPerSecond(result, elapsed),
      static_cast<double>(result.cache_bytes) / (1 << 20));
}

std::string ProgressBar(int64_t done, int64_t total, absl::Duration elapsed) {
  constexpr int kWidth = 30;
  const double part = total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 1.0;
  const int filled = static_cast<int>(part * kWidth);
  const std::string bar = std::string(filled, '#') + std::string(kWidth - filled, ' ');
  std::string line = absl::StrFormat("[%s] %3d %%  %d/%d tokens", bar, static_cast<int>(part * 100), done, total);
  if (part > 0 && part < 1) {
    const double left = absl::ToDoubleSeconds(elapsed) * (1 - part) / part;
    line += absl::StrFormat(", %.0f s left", std::ceil(left));
  }
  return line;
}

}  // namespace perennial
