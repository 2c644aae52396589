#include "model/eval/perplexity.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace perennial {
namespace {

constexpr double kNotPredicted = std::numeric_limits<double>::quiet_NaN();

constexpr std::array<std::pair<absl::string_view, EvalAttention>, 5> kAttentionNames = {{
    {"sinks", EvalAttention::kSinks},
    {"window", EvalAttention::kWindow},
    {"dense", EvalAttention::kDense},
    {"recompute", EvalAttention::kRecompute},
    {"newlines", EvalAttention::kNewlines},
}};

bool HasSinks(EvalAttention attention) {
  return attention == EvalAttention::kSinks || attention == EvalAttention::kNewlines;
}

// Predicts tokens[1] … tokens[end] from their predecessors, all in one stream, a chunk at a time for the progress.
absl::Status ScoreStream(const EvalSubject& subject, EvalStream& stream, absl::Span<const TokenId> tokens, size_t end,
                         std::vector<double>& losses, absl::string_view what) {
  const size_t chunk = static_cast<size_t>(subject.chunk_tokens);
  for (size_t first = 0; first < end;) {
    const size_t count = std::min(chunk, end - first);
    absl::Status status = stream.FeedAndScore(tokens.subspan(first, count), tokens.subspan(first + 1, count), losses);
    if (!status.ok()) return status;
    first += count;
    subject.Report(what, static_cast<int64_t>(first), static_cast<int64_t>(tokens.size()) - 1);
  }
  return absl::OkStatus();
}

// The same for the tokens past the cache, each from a new pass over the newest tokens that fit, after the sink token of
// a model that was trained with one.
absl::Status Recompute(const EvalSubject& subject, EvalStream& stream, absl::Span<const TokenId> tokens,
                       const PerplexityOptions& options, std::vector<double>& losses, absl::string_view what) {
  std::vector<TokenId> lead;
  if (subject.sink_token.has_value()) lead.push_back(*subject.sink_token);
  const size_t newest = static_cast<size_t>(options.cache_tokens) - lead.size();
  for (size_t target = losses.size() + 1; target < tokens.size(); ++target) {
    if (static_cast<int64_t>(target) % options.recompute_every != 0) {
      losses.push_back(kNotPredicted);
      continue;
    }
    absl::Status status = stream.Restart();
    if (status.ok()) status = stream.Feed(lead);
    if (status.ok()) status = stream.FeedForLogits(tokens.subspan(target - newest, newest));
    if (!status.ok()) return status;
    losses.push_back(Loss(stream.logits(), tokens[target]));
    subject.Report(what, static_cast<int64_t>(target), static_cast<int64_t>(tokens.size()) - 1);
  }
  return absl::OkStatus();
}

absl::Status CheckOptions(const EvalSubject& subject, absl::Span<const TokenId> tokens,
                          const PerplexityOptions& options) {
  if (tokens.size() < 2) {
    return absl::InvalidArgumentError(absl::StrCat("the text has ", tokens.size(), " tokens; at least 2 are needed"));
  }
  if (options.recompute_every < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("recompute_every is ", options.recompute_every, "; it must be >= 1"));
  }
  if (options.eviction.policy == EvictionPolicy::kTurnWise && options.eviction.turn_tokens < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("turn_tokens is ", options.eviction.turn_tokens, "; it must be >= 1"));
  }
  if (options.attention == EvalAttention::kRecompute && subject.sink_token.has_value() && options.cache_tokens < 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("cache_tokens is ", options.cache_tokens, "; it must be >= 2: the sink token takes one"));
  }
  if (options.attention == EvalAttention::kNewlines && !options.newline.has_value()) {
    return absl::InvalidArgumentError("attention=newlines: the model has no token for a newline alone");
  }
  return CheckTokens(subject, tokens);
}

// Over the targets past `overflow` that all runs predicted.
std::vector<double> ComparedPerplexities(absl::Span<const TextLosses> results, size_t overflow) {
  std::vector<std::vector<double>> compared(results.size());
  for (size_t i = std::min(overflow, results[0].losses.size()); i < results[0].losses.size(); ++i) {
    const bool all = std::all_of(results.begin(), results.end(),
                                 [i](const TextLosses& result) { return !std::isnan(result.losses[i]); });
    for (size_t run = 0; all && run < results.size(); ++run) compared[run].push_back(results[run].losses[i]);
  }
  std::vector<double> perplexities;
  for (const std::vector<double>& losses : compared) perplexities.push_back(Perplexity(losses));
  return perplexities;
}

void AppendCurve(absl::string_view name, absl::Span<const double> losses, int64_t block_tokens, ReportTable& table) {
  constexpr int64_t kBlocks = 50;
  const int64_t count = static_cast<int64_t>(losses.size());
  const size_t block = static_cast<size_t>(block_tokens > 0 ? block_tokens : std::max<int64_t>(1, count / kBlocks));
  for (size_t first = 0; first < losses.size(); first += block) {
    const absl::Span<const double> part = losses.subspan(first, block);
    table.rows.push_back({{"attention", std::string(name)},
                          {"tokens", static_cast<int64_t>(first + part.size())},
                          {"perplexity", Perplexity(part)}});
  }
}

double PerSecond(int64_t count, double seconds) { return seconds > 0 ? static_cast<double>(count) / seconds : 0.0; }

}  // namespace

absl::StatusOr<EvalAttention> ParseEvalAttention(absl::string_view word) {
  for (const auto& [name, attention] : kAttentionNames) {
    if (word == name) return attention;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("attention is \"", word, "\"; it must be sinks, window, dense, recompute or newlines"));
}

absl::string_view EvalAttentionName(EvalAttention attention) {
  for (const auto& [name, value] : kAttentionNames) {
    if (value == attention) return name;
  }
  return "";
}

absl::StatusOr<CacheShape> EvalCacheShape(const PerplexityOptions& options, int64_t num_tokens) {
  constexpr int64_t kMaxTokens = std::numeric_limits<int32_t>::max();
  const bool dense = options.attention == EvalAttention::kDense;
  if (dense && num_tokens > kMaxTokens) {
    return absl::InvalidArgumentError(absl::StrCat("tokens is ", num_tokens, "; dense attention takes ", kMaxTokens));
  }
  const int32_t capacity = dense ? static_cast<int32_t>(num_tokens) : options.cache_tokens;
  const int32_t sinks = HasSinks(options.attention) ? options.sink_tokens : 0;
  if (capacity < 1) return absl::InvalidArgumentError(absl::StrCat("cache_tokens is ", capacity, "; it must be >= 1"));
  if (sinks < 0 || sinks >= capacity) {
    return absl::InvalidArgumentError(
        absl::StrCat("sink_tokens is ", sinks, "; it must be 0 … ", capacity - 1, " (below cache_tokens)"));
  }
  return CacheShape{.sink_tokens = sinks, .note_tokens = 0, .window_tokens = capacity - sinks};
}

absl::StatusOr<TextLosses> MeasureLosses(const EvalSubject& subject, absl::Span<const TokenId> tokens,
                                         const PerplexityOptions& options) {
  absl::Status status = CheckOptions(subject, tokens, options);
  if (!status.ok()) return status;
  auto shape = EvalCacheShape(options, static_cast<int64_t>(tokens.size()));
  if (!shape.ok()) return shape.status();
  auto stream = EvalStream::Create(subject, *shape,
                                   options.attention == EvalAttention::kSinks ? options.eviction : EvalEviction{});
  if (!stream.ok()) return stream.status();

  const absl::string_view what = EvalAttentionName(options.attention);
  const absl::Time start = subject.now();
  TextLosses result;
  if (options.attention == EvalAttention::kNewlines) {
    status = stream->Feed(std::vector<TokenId>(static_cast<size_t>(options.sink_tokens), *options.newline));
  }
  // While everything fits, computing anew gives what is in the cache already.
  const size_t last = tokens.size() - 1;
  const bool recompute = options.attention == EvalAttention::kRecompute;
  const size_t streamed = recompute ? std::min(last, static_cast<size_t>(options.cache_tokens)) : last;
  if (status.ok()) status = ScoreStream(subject, *stream, tokens, streamed, result.losses, what);
  if (status.ok() && recompute) status = Recompute(subject, *stream, tokens, options, result.losses, what);
  if (!status.ok()) return status;
  result.seconds = absl::ToDoubleSeconds(subject.now() - start);
  result.cache_bytes = stream->cache_bytes();
  return result;
}

absl::StatusOr<Report> RunPerplexity(const EvalSubject& subject, absl::Span<const TokenId> tokens,
                                     absl::Span<const PerplexityOptions> runs, int64_t block_tokens) {
  if (runs.empty()) return absl::InvalidArgumentError("attention is empty; it must name at least one");
  if (block_tokens < 0) {
    return absl::InvalidArgumentError(absl::StrCat("block_tokens is ", block_tokens, "; it must be >= 0"));
  }
  std::vector<TextLosses> results;
  size_t overflow = 0;  // the first loss of a token that lies past every cache
  for (const PerplexityOptions& run : runs) {
    auto result = MeasureLosses(subject, tokens, run);
    if (!result.ok()) return result.status();
    results.push_back(*std::move(result));
    if (run.attention != EvalAttention::kDense) overflow = std::max(overflow, static_cast<size_t>(run.cache_tokens));
  }

  const int64_t num_tokens = static_cast<int64_t>(tokens.size());
  const std::vector<double> compared = ComparedPerplexities(results, overflow);
  Report report;
  report.facts = {{"tokens", num_tokens}};
  ReportTable table = {.name = "runs"};
  ReportTable curve = {.name = "curve", .rows = {}, .for_plots = true};
  for (size_t i = 0; i < runs.size(); ++i) {
    const CacheShape shape = *EvalCacheShape(runs[i], num_tokens);
    const std::string name(EvalAttentionName(runs[i].attention));
    const ReportRow measured = {{"perplexity", results[i].perplexity()},
                                {"perplexity_second_half", results[i].perplexity_second_half()},
                                {"tokens_per_second", PerSecond(num_tokens, results[i].seconds)},
                                {"cache_bytes", results[i].cache_bytes}};
    if (runs.size() == 1) report.facts.insert(report.facts.end(), measured.begin(), measured.end());
    ReportRow row = {{"attention", name},
                     {"sink_tokens", int64_t{shape.sink_tokens}},
                     {"cache_tokens", int64_t{shape.capacity()}},
                     {"perplexity_compared", compared[i]}};
    row.insert(row.end(), measured.begin(), measured.end());
    table.rows.push_back(std::move(row));
    AppendCurve(name, results[i].losses, block_tokens, curve);
  }
  report.tables = {std::move(table), std::move(curve)};
  return report;
}

}  // namespace perennial
