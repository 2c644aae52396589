#include "tests/server/engine/stream_oracle.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "model/check.h"
#include "model/sampler.h"

namespace perennial {

StreamOracle::StreamOracle(std::shared_ptr<FakeModelRunner> runner, const SessionSpec& spec,
                           std::vector<TokenId> end_tokens, std::vector<TokenId> reply_end)
    : runner_(std::move(runner)),
      shape_(spec.shape),
      eviction_(spec.eviction),
      end_tokens_(std::move(end_tokens)),
      reply_end_(std::move(reply_end)),
      first_turn_(spec.first_turn),
      cache_(*runner_->NewCache(spec.shape)),
      stream_(spec.opening),
      window_begin_(spec.shape.sink_tokens) {}

StreamOracle::StreamOracle(const FakeScript& script, const SessionSpec& spec, std::vector<TokenId> end_tokens,
                           std::vector<TokenId> reply_end)
    : StreamOracle(std::make_shared<FakeModelRunner>(FakeOptions{.script = script, .before_step = {}}), spec,
                   std::move(end_tokens), std::move(reply_end)) {}

StreamOracle::StreamOracle(const StreamOracle& other)
    : runner_(other.runner_),
      shape_(other.shape_),
      eviction_(other.eviction_),
      end_tokens_(other.end_tokens_),
      reply_end_(other.reply_end_),
      first_turn_(other.first_turn_),
      cache_(*runner_->Clone(*other.cache_)),
      stream_(other.stream_),
      num_fed_(other.num_fed_),
      turn_starts_(other.turn_starts_),
      window_begin_(other.window_begin_),
      highest_written_(other.highest_written_),
      notes_(other.notes_) {}

std::unique_ptr<StreamOracle> StreamOracle::Fork() {
  WriteNotesAt(num_fed_);
  return std::unique_ptr<StreamOracle>(new StreamOracle(*this));
}

void StreamOracle::WriteNotes(int64_t at, std::vector<TokenId> tokens) {
  PERENNIAL_CHECK(at >= shape_.sink_tokens && at >= num_fed_);
  notes_.emplace_back(at, std::move(tokens));
}

void StreamOracle::WriteNotesAt(int64_t num_fed) {
  while (!notes_.empty() && notes_.front().first == num_fed) {
    const StepInput input = {.cache = cache_.get(),
                             .part = Part::kNotes,
                             .tokens = notes_.front().second,
                             .window_begin = {},
                             .rows = LogitRows::kNone};
    PERENNIAL_CHECK(runner_->Step(absl::MakeConstSpan(&input, 1), output_).ok());
    notes_.pop_front();
  }
}

int64_t StreamOracle::NextWindowBegin(int64_t t) const {
  const int64_t window = shape_.window_tokens;
  const int64_t oldest = t - window + 1;
  if (t < shape_.sink_tokens || oldest <= window_begin_) return window_begin_;
  if (eviction_ == EvictionPolicy::kTurnWise) {
    const auto start = std::lower_bound(turn_starts_.begin(), turn_starts_.end(), oldest);
    const bool found = start != turn_starts_.end() && *start <= t;
    if (found && static_cast<double>(t - *start + 1) >= static_cast<double>(window) / 2.0) return *start;
  }
  return oldest;
}

absl::Span<const float> StreamOracle::Feed(const std::vector<TokenId>& stream, int64_t index) {
  WriteNotesAt(index);
  window_begin_ = NextWindowBegin(index);
  highest_written_ = std::max(highest_written_, index);
  const StepInput input = {.cache = cache_.get(),
                           .part = Part::kStream,
                           .tokens = absl::MakeConstSpan(stream).subspan(static_cast<size_t>(index), 1),
                           .window_begin = absl::MakeConstSpan(&window_begin_, 1),
                           .rows = LogitRows::kLast};
  const absl::Status status = runner_->Step(absl::MakeConstSpan(&input, 1), output_);
  PERENNIAL_CHECK(status.ok());
  return output_.Row(0);
}

StreamOracle::Reply StreamOracle::Say(const TurnSpec& turn, int64_t cut_after) {
  const std::vector<TokenId>& own = TokensOf(turn);
  turn_starts_.push_back(stream_tokens());
  stream_.insert(stream_.end(), own.begin(), own.end());
  Sampler sampler(turn.sampling);
  const auto contains = [](const std::vector<TokenId>& tokens, TokenId token) {
    return std::find(tokens.begin(), tokens.end(), token) != tokens.end();
  };
  std::vector<TokenId> enders = end_tokens_;
  enders.insert(enders.end(), turn.stop_tokens.begin(), turn.stop_tokens.end());
  std::vector<TokenId> banned;
  for (const TokenId token : end_tokens_) {
    if (turn.ignore_end_of_turn && !contains(turn.stop_tokens, token)) banned.push_back(token);
  }
  Reply reply;
  while (true) {
    absl::Span<const float> logits;
    while (num_fed_ < stream_tokens()) logits = Feed(stream_, num_fed_++);
    if (!turn.reply) break;
    const TokenId token = sampler.Sample({.logits = logits,
                                          .recent = stream_,
                                          .banned = reply.generated < turn.min_tokens ? enders : banned,
                                          .allowed = {},
                                          .breakers = enders});
    ++reply.generated;
    const bool stops = contains(turn.stop_tokens, token);
    if (contains(end_tokens_, token)) {
      reply.reason = stops ? FinishReason::kStopToken : FinishReason::kEndOfTurn;
      break;
    }
    stream_.push_back(token);
    if (stops) {
      reply.reason = FinishReason::kStopToken;
      break;
    }
    if (token < 128) reply.text.push_back(static_cast<char>(token));
    if (!turn.stop_strings.empty() && reply.text.find(turn.stop_strings[0]) != std::string::npos) {
      reply.text.resize(reply.text.find(turn.stop_strings[0]));
      reply.reason = FinishReason::kStop;
      break;
    }
    if (reply.generated == turn.max_tokens) {
      reply.reason = FinishReason::kMaxTokens;
      break;
    }
    if (reply.generated == cut_after) {
      reply.cut = true;
      break;
    }
  }
  stream_.insert(stream_.end(), reply_end_.begin(), reply_end_.end());
  return reply;
}

void StreamOracle::Undo(const TurnSpec& turn, int64_t fed) {
  const std::vector<TokenId>& own = TokensOf(turn);
  std::vector<TokenId> stream = stream_;
  stream.insert(stream.end(), own.begin(), own.end());
  const int64_t back_to = num_fed_;
  turn_starts_.push_back(stream_tokens());
  for (int64_t i = 0; i < fed; ++i) Feed(stream, back_to + i);
  WriteNotesAt(back_to + fed);
  turn_starts_.pop_back();
  if (fed > 0) GoBack(back_to);
}

void StreamOracle::Rewind(int64_t turns) {
  if (turns == num_turns()) return;
  WriteNotesAt(num_fed_);
  const int64_t num_tokens = turn_starts_[static_cast<size_t>(turns)];
  turn_starts_.resize(static_cast<size_t>(turns));
  stream_.resize(static_cast<size_t>(num_tokens));
  num_fed_ = num_tokens;
  GoBack(num_tokens);
}

void StreamOracle::GoBack(int64_t num_tokens) {
  PERENNIAL_CHECK(runner_->Truncate(*cache_, num_tokens).ok());
  if (num_tokens <= shape_.sink_tokens) {
    window_begin_ = shape_.sink_tokens;
  } else {
    window_begin_ = std::min(num_tokens, std::max(window_begin_, highest_written_ - shape_.window_tokens + 1));
  }
  // Nothing windowed is left that could be overwritten.
  if (window_begin_ >= num_tokens) highest_written_ = num_tokens - 1;
}

std::vector<TokenId> StreamOracle::TokensOfTurn(int64_t turn) const {
  const auto begin = static_cast<std::ptrdiff_t>(turn_starts_[static_cast<size_t>(turn) - 1]);
  const std::ptrdiff_t end = turn == num_turns() ? static_cast<std::ptrdiff_t>(stream_.size())
                                                 : static_cast<std::ptrdiff_t>(turn_starts_[static_cast<size_t>(turn)]);
  return {stream_.begin() + begin, stream_.begin() + end};
}

}  // namespace perennial
