#include "tests/server/engine/reply_oracle.h"

#include <algorithm>
#include <utility>

#include "absl/memory/memory.h"
#include "model/check.h"
#include "model/sampler.h"

namespace perennial {

ReplyOracle::ReplyOracle(const FakeScript& script, const SessionSpec& spec, std::vector<TokenId> end_tokens,
                         std::vector<TokenId> reply_end)
    : runner_(std::make_shared<FakeModelRunner>(FakeOptions{.script = script, .before_step = {}})),
      shape_(spec.shape),
      end_tokens_(std::move(end_tokens)),
      reply_end_(std::move(reply_end)),
      cache_(*runner_->NewCache(spec.shape)),
      stream_(spec.opening),
      first_turn_(spec.first_turn),
      oldest_row_(spec.shape.sink_tokens) {}

void ReplyOracle::WriteNotes(int64_t at, std::vector<TokenId> tokens) {
  PERENNIAL_CHECK(at >= shape_.sink_tokens && at >= num_fed_);
  notes_.emplace_back(at, std::move(tokens));
}

void ReplyOracle::WriteNotesAt(int64_t num_fed) {
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

ReplyOracle::ReplyOracle(const ReplyOracle& other)
    : runner_(other.runner_),
      shape_(other.shape_),
      end_tokens_(other.end_tokens_),
      reply_end_(other.reply_end_),
      cache_(*runner_->Clone(*other.cache_)),
      stream_(other.stream_),
      num_fed_(other.num_fed_),
      first_turn_(other.first_turn_),
      num_turns_(other.num_turns_),
      turn_starts_(other.turn_starts_),
      oldest_row_(other.oldest_row_),
      notes_(other.notes_) {}

std::unique_ptr<ReplyOracle> ReplyOracle::Fork() const { return absl::WrapUnique(new ReplyOracle(*this)); }

absl::Span<const float> ReplyOracle::Feed(const std::vector<TokenId>& stream, int64_t index) {
  WriteNotesAt(index);
  const int64_t sinks = shape_.sink_tokens;
  const int64_t window_begin = index < sinks ? sinks : std::max({sinks, index - shape_.window_tokens + 1, oldest_row_});
  const StepInput input = {.cache = cache_.get(),
                           .part = Part::kStream,
                           .tokens = absl::MakeConstSpan(stream).subspan(static_cast<size_t>(index), 1),
                           .window_begin = absl::MakeConstSpan(&window_begin, 1),
                           .rows = LogitRows::kLast};
  const absl::Status status = runner_->Step(absl::MakeConstSpan(&input, 1), output_);
  PERENNIAL_CHECK(status.ok());
  return output_.Row(0);
}

ReplyOracle::Reply ReplyOracle::Say(const TurnSpec& turn, int64_t cut_after) {
  const std::vector<TokenId>& own = TokensOf(turn);
  ++num_turns_;
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

void ReplyOracle::Rewind(int64_t turns) {
  if (turns == num_turns_) return;
  const int64_t num_tokens = turn_starts_[static_cast<size_t>(turns)];
  PERENNIAL_CHECK(runner_->Truncate(*cache_, num_tokens).ok());
  oldest_row_ =
      num_tokens <= shape_.sink_tokens ? shape_.sink_tokens : std::max(oldest_row_, num_fed_ - shape_.window_tokens);
  stream_.resize(static_cast<size_t>(num_tokens));
  num_fed_ = num_tokens;
  num_turns_ = turns;
  turn_starts_.resize(static_cast<size_t>(turns));
}

void ReplyOracle::Undo(const TurnSpec& turn, int64_t fed) {
  const std::vector<TokenId>& own = TokensOf(turn);
  std::vector<TokenId> stream = stream_;
  stream.insert(stream.end(), own.begin(), own.end());
  const int64_t back_to = num_fed_;
  for (int64_t i = 0; i < fed; ++i) Feed(stream, back_to + i);
  WriteNotesAt(back_to + fed);
  PERENNIAL_CHECK(runner_->Truncate(*cache_, back_to).ok());
  if (back_to <= shape_.sink_tokens) {
    oldest_row_ = shape_.sink_tokens;
  } else if (fed > 0) {
    oldest_row_ = std::max(oldest_row_, std::min(back_to, back_to + fed - shape_.window_tokens));
  }
}

}  // namespace perennial
