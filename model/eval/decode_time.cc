#include "model/eval/decode_time.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/check.h"
#include "model/eval/shape_table.h"

namespace perennial {
namespace {

absl::Status CheckOptions(absl::Span<const TokenId> tokens, const SpeedOptions& options) {
  if (options.decoded_tokens < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("decoded_tokens is ", options.decoded_tokens, "; it must be at least 1"));
  }
  if (options.recomputed_tokens < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("recomputed_tokens is ", options.recomputed_tokens, "; it must be at least 1"));
  }
  if (options.recompute_chunks.empty()) {
    return absl::InvalidArgumentError("recompute_chunks is empty; it must name at least one");
  }
  for (const int32_t chunk : options.recompute_chunks) {
    if (chunk < 1) return absl::InvalidArgumentError(absl::StrCat("recompute_chunks has ", chunk, "; it must be >= 1"));
  }
  int64_t least = 0;
  for (const int32_t capacity : options.cache_tokens) {
    least = std::max(least, int64_t{capacity} + std::max(options.decoded_tokens, options.recomputed_tokens));
  }
  if (static_cast<int64_t>(tokens.size()) < least) {
    return absl::InvalidArgumentError(absl::StrCat("tokens is ", tokens.size(), "; it must be at least ", least));
  }
  return absl::OkStatus();
}

struct Recomputation {
  double seconds = 0;        // median of a token
  int32_t chunk_tokens = 0;  // of a step
};

// A decoded token when the newest tokens are run anew for it, in steps of subject.chunk_tokens.
absl::StatusOr<double> RecomputationSeconds(const EvalSubject& subject, absl::Span<const TokenId> tokens,
                                            int32_t capacity, int32_t count) {
  auto stream = EvalStream::Create(subject, {.sink_tokens = 0, .note_tokens = 0, .window_tokens = capacity});
  if (!stream.ok()) return stream.status();
  std::vector<double> seconds;
  const size_t newest = static_cast<size_t>(capacity);
  for (size_t first = 0; first < static_cast<size_t>(count); ++first) {
    const absl::Time start = subject.now();
    absl::Status status = stream->Restart();
    if (status.ok()) status = stream->FeedForLogits(tokens.subspan(first, newest));
    if (!status.ok()) return status;
    Likeliest(stream->logits());
    seconds.push_back(absl::ToDoubleSeconds(subject.now() - start));
    subject.Report(absl::StrCat("recompute ", capacity), static_cast<int64_t>(first) + 1, count);
  }
  return Quantile(std::move(seconds), kMedian);
}

// With the chunks that suit re-computation best: few steps are few launches, but attention within a long step may cost
// more than its parts.
absl::StatusOr<Recomputation> FastestRecomputation(const EvalSubject& subject, absl::Span<const TokenId> tokens,
                                                   int32_t capacity, const SpeedOptions& options) {
  std::set<int32_t> chunks;
  for (const int32_t chunk : options.recompute_chunks) chunks.insert(std::min({chunk, capacity, subject.chunk_tokens}));
  Recomputation fastest = {.seconds = std::numeric_limits<double>::infinity()};
  for (const int32_t chunk : chunks) {
    EvalSubject chunked = subject;
    chunked.chunk_tokens = chunk;
    auto seconds = RecomputationSeconds(chunked, tokens, capacity, options.recomputed_tokens);
    if (!seconds.ok()) return seconds.status();
    if (*seconds < fastest.seconds) fastest = {.seconds = *seconds, .chunk_tokens = chunk};
  }
  return fastest;
}

absl::StatusOr<std::vector<double>> TimeStreaming(const EvalSubject& subject, absl::Span<const TokenId> tokens,
                                                  const CacheShape& shape, int32_t count) {
  auto stream = EvalStream::Create(subject, shape);
  if (!stream.ok()) return stream.status();
  const size_t filled = static_cast<size_t>(shape.capacity());
  absl::Status status = stream->Feed(tokens.first(filled));
  if (!status.ok()) return status;
  return TimeDecoding(subject, *stream, tokens.subspan(filled, static_cast<size_t>(count)));
}

}  // namespace

double Quantile(std::vector<double> values, double share) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  std::sort(values.begin(), values.end());
  const double rank = std::ceil(share * static_cast<double>(values.size()));
  return values[rank < 1 ? 0 : static_cast<size_t>(rank) - 1];
}

absl::StatusOr<std::vector<double>> TimeDecoding(const EvalSubject& subject, EvalStream& stream,
                                                 absl::Span<const TokenId> tokens, absl::Span<const TokenId> next,
                                                 std::vector<double>* losses) {
  PERENNIAL_CHECK(losses == nullptr || next.size() == tokens.size());
  std::vector<double> seconds;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const absl::Time start = subject.now();
    absl::Status status = stream.FeedForLogits(tokens.subspan(i, 1));
    if (!status.ok()) return status;
    Likeliest(stream.logits());
    seconds.push_back(absl::ToDoubleSeconds(subject.now() - start));
    if (losses != nullptr) losses->push_back(LossAfter(subject, tokens[i], stream.logits(), next[i]));
  }
  return seconds;
}

absl::StatusOr<Report> RunSpeed(const EvalSubject& subject, absl::Span<const TokenId> tokens,
                                const SpeedOptions& options) {
  auto shapes = EvalShapes({options.sink_tokens}, options.cache_tokens);
  if (!shapes.ok()) return shapes.status();
  absl::Status status = CheckOptions(tokens, options);
  if (status.ok()) status = CheckTokens(subject, tokens);
  if (!status.ok()) return status;
  Report report;
  report.facts = {{"sink_tokens", int64_t{options.sink_tokens}},
                  {"decoded_tokens", int64_t{options.decoded_tokens}},
                  {"recomputed_tokens", int64_t{options.recomputed_tokens}}};
  ReportTable& table = report.AddTable("caches");
  for (const CacheShape& shape : *shapes) {
    auto streaming = TimeStreaming(subject, tokens, shape, options.decoded_tokens);
    if (!streaming.ok()) return streaming.status();
    auto recompute = FastestRecomputation(subject, tokens, shape.capacity(), options);
    if (!recompute.ok()) return recompute.status();
    const double streaming_ms = Quantile(*std::move(streaming), kMedian) * 1e3;
    const double recompute_ms = recompute->seconds * 1e3;
    table.rows.push_back({{"cache_tokens", int64_t{shape.capacity()}},
                          {"milliseconds_streaming", streaming_ms},
                          {"milliseconds_recompute", recompute_ms},
                          {"recompute_chunk", int64_t{recompute->chunk_tokens}},
                          {"speedup", recompute_ms / streaming_ms}});
  }
  return report;
}

}  // namespace perennial
