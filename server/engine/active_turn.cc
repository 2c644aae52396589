#include "server/engine/active_turn.h"

#include <string>
#include <utility>

#include "model/check.h"
#include "server/engine/eviction_notice.h"
#include "server/engine/note_rewrite.h"

namespace perennial {

ActiveTurn::ActiveTurn(SubmittedTurn submitted, LiveSession* session, const EngineModel* model,
                       const EngineOptions* options, int64_t service, absl::Time now)
    : submitted_(std::move(submitted)),
      session_(session),
      model_(model),
      options_(options),
      turn_(session->last_turn + 1),
      admitted_(now),
      time_end_(TimeEndOf(now, submitted_.spec, session->budget, session->used)),
      begin_(session->window.num_tokens()),
      horizon_before_(session->window.horizon()),
      noticed_before_(session->noticed_horizon),
      to_feed_(session->unfed),
      own_begin_(begin_ + static_cast<int64_t>(to_feed_.size())),
      last_service_(service),
      sampler_(submitted_.spec, model),
      text_(submitted_.spec.stop_strings, model->trim_leading_space),
      repetition_(submitted_.spec.on_repetition == OnRepetition::kIgnore ? nullptr
                                                                         : std::make_unique<RepetitionDetector>()) {
  PERENNIAL_CHECK(session->admissible());
  TurnSpec& spec = submitted_.spec;
  // From here on the prompt is in to_feed_ only: a long one is not kept twice.
  const UserTurn message = std::move(spec.message);
  const std::vector<TokenId>& own =
      FirstTurnTokens(message, session->turns == 0 ? session->first_turn : FirstTurn::kUsual);
  to_feed_.insert(to_feed_.end(), own.begin(), own.end());
  prompt_size_ = static_cast<int64_t>(to_feed_.size());
  usage_.prompt_tokens = static_cast<int64_t>(own.size());
  timing_.queue = now - submitted_.submitted;

  const PromptAhead prompt = {.unfed_tokens = own_begin_ - begin_, .own_tokens = usage_.prompt_tokens, .turn = turn_};
  const SessionMemory memory_before = session->Memory();
  session->leased = true;
  ++session->turns;
  session->last_turn = turn_;
  session->last_used = now;
  session->stream_tokens += usage_.prompt_tokens;
  usage_.reused_tokens = memory_before.visible_tokens + memory_before.note_tokens;
  record().SetAdmitted(turn_);
  record().Send(TurnStarted{session->id, turn_, prompt_size_, memory_before}, now);
  if (options_->evict_notice_tokens == 0) return;
  std::optional<TurnWillEvict> notice = NoticeEviction(session->window, session->turn_starts, prompt,
                                                       options_->evict_notice_tokens, session->noticed_horizon);
  if (notice.has_value()) record().Send(*notice, now);
}

TurnDemand ActiveTurn::Demand() const {
  return {.tokens = std::min(static_cast<int64_t>(to_feed_.size() - num_fed_), TokensBeforeNotes(*session_)),
          .decoding = committed_,
          .paused = record().paused(),
          .last_service = last_service_,
          .priority = spec().priority,
          .tenant = submitted_.tenant.number()};
}

ActiveTurn::Chunk ActiveTurn::BeginChunk(int32_t count, int64_t service) {
  PERENNIAL_CHECK(chunk_size_ == 0 && count >= 1 && count <= Demand().tokens);
  chunk_size_ = static_cast<size_t>(count);
  last_service_ = service;

  SinkWindow& window = session_->window;
  const int64_t before_own = own_begin_ - window.num_tokens();
  if (committed_ || before_own < 0 || before_own >= count) {
    window_begin_ = window.Advance(count);
  } else {
    // The turn starts inside this chunk: what lies before closes the last turn's reply.
    window_begin_ = window.Advance(before_own);
    window.BeginTurn();
    session_->turn_starts.Add(turn_, own_begin_);
    const std::vector<int64_t> own = window.Advance(count - before_own);
    window_begin_.insert(window_begin_.end(), own.begin(), own.end());
  }
  return {.tokens = absl::MakeConstSpan(to_feed_).subspan(num_fed_, chunk_size_),
          .window_begin = window_begin_,
          .samples = spec().reply && num_fed_ + chunk_size_ == to_feed_.size()};
}

void ActiveTurn::EndChunk(absl::Time now) {
  PERENNIAL_CHECK(chunk_size_ > 0);
  num_fed_ += chunk_size_;
  usage_.fed_tokens += static_cast<int64_t>(chunk_size_);
  chunk_size_ = 0;
  if (num_fed_ < to_feed_.size()) return;
  // A prompt's tokens become recent all at once, when nothing can fail any more before the turn's first token.
  session_->recent.Add(to_feed_);
  if (!committed_) timing_.prefill = now - admitted_;
}

TokenId ActiveTurn::Sample(absl::Span<const float> logits, std::vector<TokenId>& recent) {
  return sampler_.Sample(logits, session_->recent, usage_.generated_tokens, recent);
}

void ActiveTurn::Commit() {
  committed_ = true;
  usage_.readable_prompt_tokens = ReadablePromptTokens();
  session_->unfed = std::vector<TokenId>();  // a long opening's memory goes too
  std::vector<Message> said = std::move(submitted_.spec.messages);
  if (spec().reply) said.push_back({Role::kAssistant, ""});
  session_->transcript.BeginTurn(turn_, std::move(said));
}

std::optional<ActiveTurn::End> ActiveTurn::AcceptPrompt(absl::Time now) {
  if (spec().reply || num_fed_ < to_feed_.size()) return std::nullopt;
  Commit();
  reply_ended_ = true;
  usage_.evicted_tokens = session_->window.horizon() - horizon_before_;
  ReportEviction(EvictionReason::kWindowFull, now);
  NoticeNextEviction(now);
  return EndFor(FinishReason::kEndOfTurn);
}

std::optional<ActiveTurn::End> ActiveTurn::AcceptToken(TokenId token, absl::Time now) {
  PERENNIAL_CHECK(num_fed_ == to_feed_.size());
  if (!committed_) {
    Commit();
    first_token_at_ = now;
    timing_.first_token = now - submitted_.submitted;
  }
  timing_.decode = now - first_token_at_;
  ++usage_.generated_tokens;
  ++session_->used.generated_tokens;
  record().CountToken();
  usage_.evicted_tokens = session_->window.horizon() - horizon_before_;
  ReportEviction(EvictionReason::kWindowFull, now);
  NoticeNextEviction(now);

  sampler_.AddLogprobs(token, untold_logprobs_);
  reply_ended_ = sampler_.IsEnd(token);
  if (!reply_ended_) {
    // A new vector: the prompt's memory goes.
    to_feed_ = std::vector<TokenId>{token};
    num_fed_ = 0;
    ++session_->stream_tokens;
  }
  if (reply_ended_ || sampler_.IsStop(token)) {
    SendText(text_.Finish(), now);
    return EndFor(sampler_.IsStop(token) ? FinishReason::kStopToken : FinishReason::kEndOfTurn);
  }
  ++untold_tokens_;
  if (repetition_ != nullptr) repetition_->Add(token);

  std::string text = text_.Add(model_->token_bytes(token));
  std::optional<End> end;
  if (text_.stopped_by().has_value()) {
    end = EndFor(FinishReason::kStop);
  } else if (absl::Status status = sampler_.Accept(token); !status.ok() || sampler_.Exhausted()) {
    text += text_.Finish();
    end = EndFor(FinishReason::kEndOfTurn);
    end->status = std::move(status);
  } else if (const std::optional<FinishReason> reason = WhyFull()) {
    text += text_.Finish();
    end = EndFor(*reason);
  }
  SendText(std::move(text), now);
  return end;
}

std::optional<FinishReason> ActiveTurn::WhyFull() const {
  if (spec().on_repetition == OnRepetition::kFinish && repetition_->found().has_value()) {
    return FinishReason::kRepetition;
  }
  if (IsUsedUp(session_->budget, session_->used)) return FinishReason::kSessionBudget;
  if (spec().max_tokens > 0 && usage_.generated_tokens == spec().max_tokens) return FinishReason::kMaxTokens;
  return std::nullopt;
}

ActiveTurn::End ActiveTurn::EndFor(FinishReason reason) const {
  // A stop string that had to wait for a longer one may come out only when the reply ends for another reason.
  if (const std::optional<int32_t> index = text_.stopped_by(); index.has_value()) {
    return {FinishReason::kStop, spec().stop_strings[static_cast<size_t>(*index)]};
  }
  return {reason};
}

TurnResult ActiveTurn::Finish(const End& end) {
  CloseReply();
  TurnResult result = Result(end.status);
  result.reason = end.reason;
  result.stop = end.stop;
  return result;
}

TurnResult ActiveTurn::EndEarly(EarlyEnd why, ModelRunner& runner, absl::Time now) {
  PERENNIAL_CHECK(chunk_size_ == 0);
  if (committed_) {
    SendText(text_.Finish(), now);  // what was held back is in the stream, so readers get to see it
    CloseReply();
  } else if (absl::Status undone = Undo(runner, now); !undone.ok()) {
    if (model_->on_failure) model_->on_failure(undone);
    why.status = MakeError(ErrorReason::kModelFailure, "the model failed; the session is lost");
  }
  TurnResult result = Result(std::move(why.status));
  result.reason = why.reason;
  return result;
}

TurnResult ActiveTurn::Drop(absl::Status status) { return Result(std::move(status)); }

void ActiveTurn::SendHeartbeat(absl::Time now) {
  TurnHeartbeat heartbeat;
  heartbeat.prompt_tokens_fed = committed_ ? prompt_size_ : static_cast<int64_t>(num_fed_);
  heartbeat.prompt_tokens = prompt_size_;
  record().SendHeartbeat(heartbeat, now);
}

int64_t ActiveTurn::ReadablePromptTokens() const {
  const SinkWindow& window = session_->window;
  const int64_t end = own_begin_ + usage_.prompt_tokens;
  // Where the opening is shorter than the sinks, the message's first tokens are sinks and stay.
  const int64_t sinks = std::max<int64_t>(std::min<int64_t>(window.shape().sink_tokens, end) - own_begin_, 0);
  const int64_t windowed = std::max<int64_t>(end - std::max(own_begin_, window.horizon()), 0);
  return sinks + windowed;
}

void ActiveTurn::NoticeNextEviction(absl::Time now) {
  if (options_->evict_notice_tokens == 0 || record().paused()) return;
  std::optional<TurnWillEvict> notice =
      NoticeEviction(session_->window, session_->turn_starts, options_->evict_notice_tokens, session_->noticed_horizon);
  if (notice.has_value()) record().Send(*notice, now);
}

void ActiveTurn::ReportEviction(EvictionReason reason, absl::Time now) {
  const int64_t reported = session_->reported_horizon;
  const int64_t horizon = session_->window.horizon();
  const TurnStarts& starts = session_->turn_starts;
  if (starts.TurnOf(horizon) > starts.TurnOf(reported)) {
    const TurnEvicted evicted = {.first_token = reported,
                                 .end_token = horizon,
                                 .first_turn = starts.TurnOf(reported),
                                 .last_turn = starts.TurnOf(horizon - 1),
                                 .reason = reason,
                                 .memory = session_->Memory()};
    session_->reported_horizon = horizon;
    record().Send(evicted, now);
  }
  // Between the two there is no boundary now, so that at most one start per windowed token is left.
  session_->turn_starts.ForgetBefore(session_->reported_horizon);
}

void ActiveTurn::SendText(std::string text, absl::Time now) {
  if (text.empty() && untold_logprobs_.empty()) return;
  session_->transcript.AddReply(text);
  TurnDelta delta;
  delta.tokens = text.empty() ? 0 : std::exchange(untold_tokens_, 0);
  delta.text = std::move(text);
  delta.logprobs = std::exchange(untold_logprobs_, {});
  record().Send(std::move(delta), now);
}

void ActiveTurn::CloseReply() {
  std::vector<TokenId>& unfed = session_->unfed;
  unfed.clear();
  if (!reply_ended_) unfed = std::move(to_feed_);
  unfed.insert(unfed.end(), model_->reply_end.begin(), model_->reply_end.end());
  session_->stream_tokens += static_cast<int64_t>(model_->reply_end.size());
}

absl::Status ActiveTurn::Undo(ModelRunner& runner, absl::Time now) {
  --session_->turns;
  session_->stream_tokens -= usage_.prompt_tokens;
  session_->noticed_horizon = noticed_before_;
  if (num_fed_ == 0) return absl::OkStatus();
  session_->turn_starts.Rewind(own_begin_);
  if (begin_ < session_->window.shape().sink_tokens) session_->notes.SinksWereTakenBack();
  usage_.evicted_tokens = session_->window.Undo(begin_, horizon_before_);
  ReportEviction(EvictionReason::kUndoneTurn, now);
  return runner.Truncate(*session_->cache, begin_);
}

TurnResult ActiveTurn::Result(absl::Status status) {
  session_->leased = false;
  TurnResult result;
  result.status = std::move(status);
  result.session_id = session_->id;
  result.turn = turn_;
  result.usage = usage_;
  result.timing = timing_;
  result.memory = session_->Memory();
  if (repetition_ != nullptr) result.repetition = repetition_->found();
  return result;
}

}  // namespace perennial
