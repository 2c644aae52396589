#include "model/eval/length.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <fstream>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/eval/decode_time.h"

namespace perennial {
namespace {

constexpr double kNotCompared = std::numeric_limits<double>::quiet_NaN();

absl::Status CheckOptions(absl::Span<const TokenId> tokens, const LengthOptions& options) {
  const auto at_least = [](const char* name, int64_t value, int64_t least) {
    return value >= least ? absl::OkStatus()
                          : absl::InvalidArgumentError(absl::StrCat(name, " is ", value, "; it must be >= ", least));
  };
  absl::Status status = at_least("block_tokens", options.block_tokens, 1);
  status.Update(at_least("score_every", options.score_every, 1));
  status.Update(at_least("compare_every", options.compare_every, 0));
  status.Update(at_least("decoded_tokens", options.decoded_tokens, 1));
  status.Update(at_least("tokens", static_cast<int64_t>(tokens.size()), 2));
  int64_t previous = 0;
  for (const int64_t point : options.time_at) {
    if (status.ok() && point - options.decoded_tokens < previous) {
      status = absl::InvalidArgumentError(absl::StrCat("time_at has ", point, "; it must be at least decoded_tokens (",
                                                       options.decoded_tokens, ") after ", previous));
    }
    previous = point;
  }
  return status;
}

// The stream over the text, from one place to the next. Two of them over the same part score the same tokens.
class TextStream {
 public:
  static absl::StatusOr<TextStream> Create(const EvalSubject& subject, absl::Span<const TokenId> tokens,
                                           const LengthOptions& options, absl::string_view name) {
    auto stream = EvalStream::Create(subject, options.shape);
    if (!stream.ok()) return stream.status();
    return TextStream(subject, tokens, options.score_every, name, *std::move(stream));
  }

  int64_t last() const { return static_cast<int64_t>(tokens_.size()) - 1; }  // tokens 0 … last() - 1 are fed

  // Of a model that was trained with one: it begins every stream, and so those that begin within the text.
  absl::Status FeedSinkToken() {
    if (!subject_.sink_token.has_value()) return absl::OkStatus();
    return stream_.Feed(absl::MakeConstSpan(&*subject_.sink_token, 1));
  }

  // Feeds tokens[from … to - 1] in chunks; losses of their successors go to `losses`.
  absl::Status Feed(int64_t from, int64_t to, std::vector<double>& losses) {
    for (int64_t first = from; first < to;) {
      const int64_t count = std::min(to, ChunkEnd(first)) - first;
      absl::Status status = IsScored(first) ? stream_.FeedAndScore(Part(first, count), Part(first + 1, count), losses)
                                            : stream_.Feed(Part(first, count));
      if (!status.ok()) return status;
      first += count;
      subject_.Report(name_, first, last());
    }
    return absl::OkStatus();
  }

  // The same, token by token; returns the seconds of each.
  absl::StatusOr<std::vector<double>> Decode(int64_t from, int64_t to, std::vector<double>& losses) {
    std::vector<double> seconds;
    for (int64_t first = from; first < to;) {
      const int64_t count = std::min(to, ChunkEnd(first)) - first;
      auto part = TimeDecoding(subject_, stream_, Part(first, count), Part(first + 1, count),
                               IsScored(first) ? &losses : nullptr);
      if (!part.ok()) return part.status();
      seconds.insert(seconds.end(), part->begin(), part->end());
      first += count;
    }
    return seconds;
  }

 private:
  TextStream(const EvalSubject& subject, absl::Span<const TokenId> tokens, int64_t score_every, absl::string_view name,
             EvalStream stream)
      : subject_(subject), tokens_(tokens), score_every_(score_every), name_(name), stream_(std::move(stream)) {}

  int64_t chunk() const { return subject_.chunk_tokens; }
  int64_t ChunkEnd(int64_t t) const { return (t / chunk() + 1) * chunk(); }
  bool IsScored(int64_t t) const { return t / chunk() % score_every_ == 0; }
  absl::Span<const TokenId> Part(int64_t first, int64_t count) const {
    return tokens_.subspan(static_cast<size_t>(first), static_cast<size_t>(count));
  }

  const EvalSubject& subject_;
  const absl::Span<const TokenId> tokens_;
  const int64_t score_every_;
  const absl::string_view name_;  // for the progress
  EvalStream stream_;
};

void AppendMemory(const EvalSubject& subject, ReportRow& row) {
  row.emplace_back("resident_bytes", ResidentBytes());
  if (subject.device_bytes) row.emplace_back("device_bytes", subject.device_bytes());
}

ReportRow PointRow(const EvalSubject& subject, int64_t point, const std::vector<double>& seconds) {
  double sum = 0;
  for (const double value : seconds) sum += value;
  ReportRow row = {{"token", point},
                   {"milliseconds_per_token", Quantile(seconds, kMedian) * 1e3},
                   {"milliseconds_mean", sum / static_cast<double>(seconds.size()) * 1e3},
                   {"milliseconds_ninetieth", Quantile(seconds, kNinetieth) * 1e3}};
  AppendMemory(subject, row);
  return row;
}

// Losses of one block in the stream: in chunks, and token by token before the points that lie in it.
absl::StatusOr<std::vector<double>> RunBlock(const EvalSubject& subject, TextStream& stream, int64_t from, int64_t to,
                                             const LengthOptions& options, ReportTable& points) {
  std::vector<double> losses;
  int64_t done = from;
  for (const int64_t point : options.time_at) {
    const int64_t begin = std::clamp(point - options.decoded_tokens, done, to);
    const int64_t end = std::clamp(point, done, to);
    if (begin == end) continue;
    absl::Status status = stream.Feed(done, begin, losses);
    if (!status.ok()) return status;
    auto seconds = stream.Decode(begin, end, losses);
    if (!seconds.ok()) return seconds.status();
    done = end;
    // A point at the text's end counts too, though its last token is only predicted.
    if (end == point || end == stream.last()) points.rows.push_back(PointRow(subject, end, *seconds));
  }
  absl::Status status = stream.Feed(done, to, losses);
  if (!status.ok()) return status;
  return losses;
}

absl::StatusOr<double> PerplexityFromEmpty(const EvalSubject& subject, absl::Span<const TokenId> tokens, int64_t from,
                                           int64_t to, const LengthOptions& options) {
  auto stream = TextStream::Create(subject, tokens, options, "a block from an empty cache");
  if (!stream.ok()) return stream.status();
  std::vector<double> losses;
  absl::Status status = from > 0 ? stream->FeedSinkToken() : absl::OkStatus();
  if (status.ok()) status = stream->Feed(from, to, losses);
  if (!status.ok()) return status;
  return Perplexity(losses);
}

}  // namespace

int64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  int64_t all_pages = 0, resident_pages = 0;
  return file >> all_pages >> resident_pages ? resident_pages * sysconf(_SC_PAGESIZE) : 0;
}

absl::StatusOr<Report> RunLength(const EvalSubject& subject, absl::Span<const TokenId> tokens,
                                 const LengthOptions& options) {
  absl::Status status = CheckOptions(tokens, options);
  if (status.ok()) status = CheckTokens(subject, tokens);
  if (!status.ok()) return status;
  auto stream = TextStream::Create(subject, tokens, options, "stream");
  if (!stream.ok()) return stream.status();

  const absl::Time start = subject.now();
  const int64_t num_blocks = (stream->last() + options.block_tokens - 1) / options.block_tokens;
  ReportTable blocks = {.name = "blocks"}, points = {.name = "points"};
  double largest_ratio = kNotCompared, smallest_ratio = kNotCompared;
  int64_t first_resident = 0;
  for (int64_t block = 0; block < num_blocks; ++block) {
    const int64_t from = block * options.block_tokens, to = std::min(stream->last(), from + options.block_tokens);
    const absl::Time block_start = subject.now();
    auto losses = RunBlock(subject, *stream, from, to, options, points);
    if (!losses.ok()) return losses.status();
    const double seconds = absl::ToDoubleSeconds(subject.now() - block_start);
    const double perplexity = Perplexity(*losses);
    double from_empty = kNotCompared;
    if (options.compare_every > 0 && (num_blocks - 1 - block) % options.compare_every == 0) {
      auto compared = PerplexityFromEmpty(subject, tokens, from, to, options);
      if (!compared.ok()) return compared.status();
      from_empty = *compared;
    }
    largest_ratio = std::fmax(largest_ratio, perplexity / from_empty);  // what is not a number does not count
    smallest_ratio = std::fmin(smallest_ratio, perplexity / from_empty);
    blocks.rows.push_back({{"first_token", from},
                           {"last_token", to},
                           {"perplexity", perplexity},
                           {"perplexity_from_empty", from_empty},
                           {"ratio", perplexity / from_empty},
                           {"tokens_per_second", seconds > 0 ? static_cast<double>(to - from) / seconds : 0.0}});
    AppendMemory(subject, blocks.rows.back());
    if (block == 0) first_resident = ResidentBytes();
  }

  Report report;
  report.facts = {{"tokens", static_cast<int64_t>(tokens.size())},
                  {"sink_tokens", int64_t{options.shape.sink_tokens}},
                  {"cache_tokens", int64_t{options.shape.capacity()}},
                  {"seconds", absl::ToDoubleSeconds(subject.now() - start)},
                  {"largest_ratio", largest_ratio},
                  {"smallest_ratio", smallest_ratio},
                  {"memory_growth_bytes", ResidentBytes() - first_resident}};
  report.tables = {std::move(blocks), std::move(points)};
  return report;
}

}  // namespace perennial
