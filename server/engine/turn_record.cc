#include "server/engine/turn_record.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/check.h"
#include "server/engine/error.h"

namespace perennial {
namespace {

int64_t BytesOf(const TurnLogprob& token) { return static_cast<int64_t>(sizeof(TurnLogprob) + token.bytes.size()); }

int64_t BytesOf(const TurnLogprobs& logprobs) {
  int64_t bytes = BytesOf(logprobs.chosen);
  for (const TurnLogprob& token : logprobs.top) bytes += BytesOf(token);
  return bytes;
}

// What an event costs to keep.
int64_t BytesOf(const TurnEventPayload& event) {
  auto bytes = static_cast<int64_t>(sizeof(TurnEvent));
  const auto* delta = std::get_if<TurnDelta>(&event);
  if (delta == nullptr) return bytes;
  for (const TurnLogprobs& logprobs : delta->logprobs) bytes += BytesOf(logprobs);
  return bytes + static_cast<int64_t>(delta->text.size());
}

}  // namespace

TurnRecord::TurnRecord(TurnReader starter, OnDisconnect on_disconnect, const EngineOptions* options, absl::Time now)
    : options_(options), last_sent_(now), on_disconnect_(on_disconnect) {
  followers_.push_back(Follower{.reader = std::move(starter), .next = 1, .starter = true});
}

TurnRecord::~TurnRecord() { PERENNIAL_CHECK(followers_.empty()); }

void TurnRecord::SetAdmitted(int64_t turn) {
  PERENNIAL_CHECK(phase_ == TurnPhase::kWaiting && turn > 0);
  phase_ = TurnPhase::kRunning;
  turn_ = turn;
}

void TurnRecord::Send(TurnEventPayload event, absl::Time now) {
  PERENNIAL_CHECK(!ended());
  last_sent_ = now;
  const int64_t bytes = BytesOf(event);
  events_.push_back({{++sequence_, std::move(event)}, total_bytes_});
  total_bytes_ += bytes;
  for (auto it = followers_.begin(); it != followers_.end();) Pump(it++);
  Trim(now);
}

void TurnRecord::SendHeartbeat(const TurnHeartbeat& heartbeat, absl::Time now) {
  PERENNIAL_CHECK(!ended());
  last_sent_ = now;
  for (Follower& follower : followers_) {
    if (follower.next > sequence_ && follower.reader.Ready()) follower.reader.Deliver({sequence_, heartbeat});
  }
}

bool TurnRecord::HeartbeatDue(absl::Time now) const {
  return !ended() && now - last_sent_ >= options_->heartbeat_interval &&
         std::any_of(followers_.begin(), followers_.end(),
                     [](const Follower& follower) { return follower.slow_since == absl::InfiniteFuture(); });
}

void TurnRecord::Finish(TurnResult result) {
  PERENNIAL_CHECK(!ended());
  phase_ = TurnPhase::kEnded;
  result.sequence = sequence_ + 1;
  result_ = std::move(result);
  for (auto it = followers_.begin(); it != followers_.end();) {
    const FollowerRef here = it++;
    if (here->lost) here->next = sequence_ + 1;  // it will not read the rest
    Pump(here);
  }
}

bool TurnRecord::RequestCancel() {
  if (ended() || cancel_requested_) return false;
  cancel_requested_ = true;
  return true;
}

void TurnRecord::Attach(TurnReader reader, int64_t from_sequence, bool from_oldest, bool paces) {
  const int64_t first = from_oldest ? FirstReplayable() : from_sequence;
  if (absl::Status status = CheckAttach(first); !status.ok()) return reader.Finish(EndFor(std::move(status), first));
  const FollowerRef follower =
      followers_.insert(paces ? followers_.begin() : followers_.end(),
                        Follower{.reader = std::move(reader), .next = std::min(first, sequence_ + 1)});
  follower->reader.Deliver({Newest(), State()});
  Pump(follower);
}

void TurnRecord::Rejoin(TurnReader reader, OnDisconnect on_disconnect) {
  if (absl::Status status = CheckAttach(1); !status.ok()) return reader.Finish(EndFor(std::move(status), 1));
  for (Follower& other : followers_) other.starter = false;
  on_disconnect_ = on_disconnect;
  Pump(followers_.insert(followers_.begin(), Follower{.reader = std::move(reader), .next = 1, .starter = true}));
}

TurnReader TurnRecord::ReleaseStarter() {
  PERENNIAL_CHECK(followers_.size() == 1 && sequence_ == 0 && !ended());
  TurnReader starter = std::move(followers_.front().reader);
  followers_.clear();
  return starter;
}

absl::Status TurnRecord::Poll(absl::Time now) {
  absl::Status turn_ends;
  for (auto it = followers_.begin(); it != followers_.end();) {
    const FollowerRef here = it++;
    absl::Status why = here->reader.WhyGone(now);
    if (why.ok() && Pump(here)) continue;
    if (why.ok()) why = WhySlow(*here, now);
    if (why.ok()) continue;
    if (!ended() && here->starter && on_disconnect_ == OnDisconnect::kCancel) {
      here->lost = true;
      turn_ends = std::move(why);
    } else {
      Cut(here, std::move(why), now);
    }
  }
  if (detached() && now - detached_since_ >= options_->detach_timeout) {
    turn_ends = absl::CancelledError(
        absl::StrCat("nobody has followed the turn for ", absl::FormatDuration(options_->detach_timeout)));
  }
  const bool pacer_is_slow = !followers_.empty() && followers_.front().slow_since != absl::InfiniteFuture();
  paused_ = !ended() && (pacer_is_slow || UnreadBytes() >= options_->replay_bytes / 2);
  return turn_ends;
}

absl::Status TurnRecord::WhySlow(Follower& follower, absl::Time now) {
  // Nothing waits for the reader of a turn that waits: no need to ask, thousands of times, whether it reads.
  const bool waiting = phase_ == TurnPhase::kWaiting;
  const bool reads = (waiting && follower.next > sequence_) || follower.reader.Ready();
  follower.slow_since = reads ? absl::InfiniteFuture() : std::min(follower.slow_since, now);
  if (waiting || now - follower.slow_since < options_->slow_reader_timeout) return absl::OkStatus();
  return MakeError(ErrorReason::kSlowReader,
                   absl::StrCat("the client took no text for ", absl::FormatDuration(options_->slow_reader_timeout)));
}

void TurnRecord::CutReaders(const absl::Status& status, absl::Time now) {
  while (!followers_.empty()) Cut(followers_.begin(), status, now);
}

absl::Time TurnRecord::NextWakeTime() const {
  absl::Time next = detached() ? detached_since_ + options_->detach_timeout : absl::InfiniteFuture();
  for (const Follower& follower : followers_) {
    next = std::min(next, follower.reader.deadline());
    if (follower.slow_since == absl::InfiniteFuture()) {
      if (!ended()) next = std::min(next, last_sent_ + options_->heartbeat_interval);
    } else if (phase_ != TurnPhase::kWaiting) {
      next = std::min(next, follower.slow_since + options_->slow_reader_timeout);
    }
  }
  return next;
}

void TurnRecord::DropEvents() {
  PERENNIAL_CHECK(ended() && followers_.empty());
  events_.clear();
  events_.shrink_to_fit();
}

bool TurnRecord::Pump(FollowerRef follower) {
  while (follower->next <= sequence_ && follower->reader.Ready()) {
    const size_t index = static_cast<size_t>(follower->next - FirstReplayable());
    ++follower->next;
    follower->reader.Deliver(events_[index].event);
  }
  if (!ended() || follower->next <= sequence_) return false;
  TurnReader reader = std::move(follower->reader);
  followers_.erase(follower);
  reader.Finish(*result_);
  return true;
}

void TurnRecord::Cut(FollowerRef follower, absl::Status status, absl::Time now) {
  TurnReader reader = std::move(follower->reader);
  const int64_t next = follower->next;
  followers_.erase(follower);
  if (followers_.empty()) {
    detached_since_ = now;
    detached_from_ = next;
  }
  reader.Finish(EndFor(std::move(status), next));
}

TurnResult TurnRecord::EndFor(absl::Status status, int64_t next) const {
  TurnResult end = result_.value_or(TurnResult());
  end.status = std::move(status);
  end.sequence = next;
  end.session_id = session_id_;
  end.turn = turn_;
  return end;
}

void TurnRecord::Trim(absl::Time now) {
  const int64_t floor = Floor();
  while (bytes() > options_->replay_bytes && FirstReplayable() < floor) events_.pop_front();
  for (auto it = followers_.begin(); it != followers_.end();) {
    const FollowerRef here = it++;
    if (here->next >= FirstReplayable()) continue;
    Cut(here, MakeError(ErrorReason::kSlowReader, "the client fell too far behind the turn; attach again to go on"),
        now);
  }
}

absl::Status TurnRecord::CheckAttach(int64_t first) const {
  if (followers_.size() >= static_cast<size_t>(options_->max_readers_per_turn)) {
    return MakeError(ErrorReason::kQueueFull,
                     absl::StrCat("the turn has ", options_->max_readers_per_turn, " readers, the most that it may"),
                     options_->retry_after);
  }
  if (first > Newest() + 1) {
    return MakeError(ErrorReason::kBeyondReplay,
                     absl::StrCat("from_sequence: ", first, " has not been sent; the newest event is ", Newest()));
  }
  if (first >= FirstReplayable()) return absl::OkStatus();
  const TurnState state = State();
  return MakeError(ErrorReason::kBeyondReplay,
                   state.oldest_sequence == 0
                       ? absl::StrCat("from_sequence: the turn's events, ", first, " included, are no longer kept")
                       : absl::StrCat("from_sequence: ", first, " is no longer kept; ", state.oldest_sequence, " … ",
                                      state.newest_sequence, " are"));
}

int64_t TurnRecord::UnreadBytes() const {
  const int64_t floor = Floor();
  if (floor > sequence_) return 0;
  const size_t index = static_cast<size_t>(floor - FirstReplayable());
  return total_bytes_ - events_[index].bytes_before;
}

TurnState TurnRecord::State() const {
  const int64_t newest = Newest();
  // The end is an event too, and it is always kept.
  const int64_t oldest = !events_.empty() ? FirstReplayable() : newest > sequence_ ? newest : 0;
  return {.session_id = session_id_,
          .turn = turn_,
          .phase = phase_,
          .oldest_sequence = oldest,
          .newest_sequence = newest,
          .generated_tokens = generated_tokens_};
}

}  // namespace perennial
