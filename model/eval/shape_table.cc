#include "model/eval/shape_table.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "model/eval/decode_time.h"
#include "model/eval/perplexity.h"

namespace perennial {
namespace {

int32_t LargestCapacity(absl::Span<const CacheShape> shapes) {
  int32_t largest = 0;
  for (const CacheShape& shape : shapes) largest = std::max(largest, shape.capacity());
  return largest;
}

absl::Status CheckLists(absl::Span<const int32_t> sink_tokens, absl::Span<const int32_t> cache_tokens) {
  if (sink_tokens.empty()) return absl::InvalidArgumentError("sink_counts is empty; it must name at least one");
  if (cache_tokens.empty()) return absl::InvalidArgumentError("cache_sizes is empty; it must name at least one");
  return absl::OkStatus();
}

// The shape in `table`'s row, measured again for its time: the stream has to be there.
absl::StatusOr<double> MillisecondsPerToken(const EvalSubject& subject, absl::Span<const TokenId> tokens,
                                            const CacheShape& shape, int32_t timed_tokens) {
  auto stream = EvalStream::Create(subject, shape);
  if (!stream.ok()) return stream.status();
  // As much as fills the cache and goes round its window once.
  const size_t filled =
      std::min(tokens.size() - static_cast<size_t>(timed_tokens), 2 * static_cast<size_t>(shape.capacity()));
  absl::Status status = stream->Feed(tokens.first(filled));
  if (!status.ok()) return status;
  auto times = TimeDecoding(subject, *stream, tokens.subspan(filled, static_cast<size_t>(timed_tokens)));
  if (!times.ok()) return times.status();
  return Quantile(*std::move(times), kMedian) * 1e3;
}

}  // namespace

absl::StatusOr<std::vector<CacheShape>> EvalShapes(absl::Span<const int32_t> sink_tokens,
                                                   absl::Span<const int32_t> cache_tokens) {
  absl::Status valid = CheckLists(sink_tokens, cache_tokens);
  if (!valid.ok()) return valid;
  std::vector<CacheShape> shapes;
  for (const int32_t capacity : cache_tokens) {
    for (const int32_t sinks : sink_tokens) {
      auto shape = EvalCacheShape({.sink_tokens = sinks, .cache_tokens = capacity}, capacity);
      if (!shape.ok()) return shape.status();
      shapes.push_back(*shape);
    }
  }
  return shapes;
}

absl::StatusOr<Report> RunShapes(const EvalSubject& subject, absl::Span<const TokenId> tokens,
                                 absl::Span<const CacheShape> shapes, int32_t timed_tokens) {
  const size_t overflow = static_cast<size_t>(LargestCapacity(shapes));
  if (timed_tokens < 0) {
    return absl::InvalidArgumentError(absl::StrCat("timed_tokens is ", timed_tokens, "; it must be >= 0"));
  }
  const size_t least = overflow + std::max<size_t>(2, static_cast<size_t>(timed_tokens));
  if (tokens.size() < least) {
    return absl::InvalidArgumentError(absl::StrCat("tokens is ", tokens.size(), "; it must be at least ", least,
                                                   " to overflow the largest cache (cache_sizes)"));
  }
  std::vector<TextLosses> results;
  std::vector<double> compared;
  for (size_t i = 0; i < shapes.size(); ++i) {
    EvalSubject numbered = subject;  // its progress says which shape this is
    numbered.progress = [&](absl::string_view, int64_t done, int64_t total) {
      subject.Report(absl::StrFormat("%d of %d: %d sinks, cache of %d", i + 1, shapes.size(), shapes[i].sink_tokens,
                                     shapes[i].capacity()),
                     done, total);
    };
    auto result =
        MeasureLosses(numbered, tokens, {.sink_tokens = shapes[i].sink_tokens, .cache_tokens = shapes[i].capacity()});
    if (!result.ok()) return result.status();
    compared.push_back(Perplexity(absl::MakeConstSpan(result->losses).subspan(overflow)));
    results.push_back(*std::move(result));
  }

  const double best = *std::min_element(compared.begin(), compared.end());
  Report report;
  report.facts = {{"tokens", static_cast<int64_t>(tokens.size())}};
  ReportTable& table = report.AddTable("caches");
  for (size_t i = 0; i < shapes.size(); ++i) {
    ReportRow row = {{"sink_tokens", int64_t{shapes[i].sink_tokens}},
                     {"window_tokens", int64_t{shapes[i].window_tokens}},
                     {"cache_tokens", int64_t{shapes[i].capacity()}},
                     {"perplexity", results[i].perplexity()},
                     {"perplexity_compared", compared[i]},
                     {"perplexity_ratio", compared[i] / best},
                     {"cache_bytes", results[i].cache_bytes}};
    if (timed_tokens > 0) {
      auto milliseconds = MillisecondsPerToken(subject, tokens, shapes[i], timed_tokens);
      if (!milliseconds.ok()) return milliseconds.status();
      row.emplace_back("milliseconds_per_token", *milliseconds);
    }
    table.rows.push_back(std::move(row));
  }
  return report;
}

absl::StatusOr<Report> RunAdvise(const EvalSubject& subject, absl::Span<const TokenId> tokens,
                                 absl::Span<const CacheShape> shapes, int32_t timed_tokens, double tolerance) {
  if (!(tolerance >= 0))
    return absl::InvalidArgumentError(absl::StrCat("tolerance is ", tolerance, "; it must be >= 0"));
  auto report = RunShapes(subject, tokens, shapes, timed_tokens);
  if (!report.ok()) return report;
  size_t choice = shapes.size();
  for (size_t i = 0; i < shapes.size(); ++i) {
    if (report->Number("caches", i, "perplexity_ratio") > 1 + tolerance) continue;
    const auto size = [&](size_t of) { return std::pair(shapes[of].capacity(), shapes[of].sink_tokens); };
    if (choice == shapes.size() || size(i) < size(choice)) choice = i;
  }
  const CacheShape& shape = shapes[choice];
  report->facts.emplace_back("recommended_sink_tokens", int64_t{shape.sink_tokens});
  report->facts.emplace_back("recommended_cache_tokens", int64_t{shape.capacity()});
  report->conclusion = absl::StrFormat(
      "Recommended for this model and text: --sink_tokens=%d --cache_tokens=%d. It is the smallest of these caches "
      "whose "
      "perplexity (%.2f) is within %g %% of the best one's.",
      shape.sink_tokens, shape.capacity(), report->Number("caches", choice, "perplexity_compared"), tolerance * 100);
  return report;
}

}  // namespace perennial
