// The calls about sessions, and what can be read. Calls that change a stream are in stream_calls.cc and cache_calls.cc,
// those about turns in turn_requests.cc, the phases in turn_phases.cc and turn_steps.cc.

#include "server/engine/turn_loop.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "model/check.h"
#include "server/engine/error.h"
#include "server/engine/host_memory_store.h"

namespace perennial {

TurnLoop::TurnLoop(const EngineOptions& options, EngineModel model, const Clock* clock,
                   std::function<uint64_t()> random_bits)
    : options_(options),
      model_(std::move(model)),
      clock_(clock),
      started_(clock->Now()),
      tenants_(options.max_tenants),
      own_store_(model_.parked_store == nullptr ? std::make_unique<HostMemoryStore>(options.parked_memory) : nullptr),
      store_(model_.parked_store == nullptr ? own_store_.get() : model_.parked_store),
      sessions_(options.max_sessions, options.retry_after,
                Transcript(options.transcript_turns, options.transcript_bytes), store_->capacity_bytes(), model_.runner,
                std::move(random_bits)),
      request_ids_(options.max_request_ids, options.request_id_ttl, options.retry_after),
      records_(&options_),
      queue_(options.max_waiting_turns, options.max_turns_per_session, options.retry_after),
      supply_(model_.runner, store_, &queue_, options.copy_bytes_per_step, options.retry_after) {}

TurnLoop::~TurnLoop() {
  PERENNIAL_CHECK(running_.empty() && queue_.size() == 0 && arrivals_.empty() && deletions_.empty() &&
                  open_forks_.empty() && new_readers_.empty() && !records_.has_readers());
}

void TurnLoop::Take(InboxItem item) {
  std::visit([this](auto& call) { TakeCall(std::move(call)); }, item);
}

void TurnLoop::TakeCall(CreateSessionCall call) {
  if (!call.check.ok()) return call.done(std::move(call.check));
  if (draining_) return call.done(ShuttingDown());
  const RequestTag request = call.spec.request;
  if (AnswerRetry(/*scope=*/"", request, call.done)) return;
  const absl::Time now = clock_->Now();
  absl::StatusOr<LiveSession*> session = sessions_.Create(std::move(call.spec), /*ephemeral=*/false, now);
  if (!session.ok()) return call.done(session.status());
  ++stats_.sessions_created;
  RememberSession(/*scope=*/"", request, **session, now);
  call.done((*session)->Describe(now));
}

void TurnLoop::TakeCall(const GetSessionCall& call) {
  const LiveSession* session = sessions_.Find(call.id);
  if (session == nullptr) return call.done(NoSuchSession());
  call.done(session->Describe(clock_->Now()));
}

void TurnLoop::TakeCall(UpdateSessionCall call) {
  if (!call.check.ok()) return call.done(std::move(call.check));
  LiveSession* session = sessions_.Find(call.id);
  if (session == nullptr) return call.done(NoSuchSession());
  const absl::Time now = clock_->Now();
  if (call.update.labels.has_value()) session->labels = *std::move(call.update.labels);
  if (call.update.idle_timeout.has_value()) {
    session->idle_timeout = *call.update.idle_timeout;
    sessions_.UpdateExpiry(session, now);
  }
  call.done(session->Describe(now));
}

void TurnLoop::TakeCall(ListSessionsCall call) {
  if (!call.check.ok()) return call.done(std::move(call.check));
  call.done(sessions_.List(call.spec, clock_->Now()));
}

void TurnLoop::TakeCall(DeleteSessionCall call) {
  LiveSession* session = sessions_.Find(call.id);
  if (session == nullptr) return call.done(NoSuchSession());
  session->deleted = true;
  sessions_.UpdateExpiry(session, clock_->Now());
  deletions_.push_back({session, std::move(call.done)});
}

void TurnLoop::TakeCall(SetNotesCall call) {
  if (!call.check.ok()) return call.done(std::move(call.check));
  LiveSession* session = sessions_.Find(call.id);
  if (session == nullptr) return call.done(NoSuchSession());
  if (absl::Status status = session->notes.Write(std::move(call.notes)); !status.ok()) {
    return call.done(std::move(status));
  }
  note_rewrites_.Add(session, std::move(call.done));
}

void TurnLoop::TakeCall(PinTurnCall call) {
  LiveSession* session = sessions_.Find(call.id);
  if (session == nullptr) return call.done(NoSuchSession());
  absl::StatusOr<std::vector<TokenId>> tokens = TokensOfTurn(*session, call.turn);
  if (!tokens.ok()) return call.done(tokens.status());
  if (absl::Status status = session->notes.Pin(call.turn, *std::move(tokens)); !status.ok()) {
    return call.done(std::move(status));
  }
  note_rewrites_.Add(session, std::move(call.done));
}

void TurnLoop::TakeCall(DrainCall call) {
  if (call.done) drained_.push_back(std::move(call.done));
  if (!draining_ || call.deadline < drain_deadline_) {
    drain_deadline_ = call.deadline;
    announce_drain_ = true;
  }
  draining_ = true;
}

void TurnLoop::StopAll() {
  draining_ = true;
  drain_deadline_ = absl::InfinitePast();
  announce_drain_ = false;  // they end at once: nothing to announce
  Reap();
  while (!open_forks_.empty()) AnswerFork(open_forks_.back().fork, nullptr, ShuttingDown(), clock_->Now());
  Admit();  // refuses what has just come
  note_rewrites_.ForgetAll(ShuttingDown());
  AnswerDrained();
}

absl::Time TurnLoop::NextWakeTime() const {
  absl::Time next =
      std::min({sessions_.next_expiry(), queue_.NextWakeTime(), records_.NextWakeTime(), request_ids_.next_expiry()});
  for (const std::unique_ptr<ActiveTurn>& turn : running_) {
    next = std::min({next, turn->record().NextWakeTime(), turn->time_end().at});
  }
  if (draining_ && (!running_.empty() || records_.has_readers())) next = std::min(next, drain_deadline_);
  return next;
}

EngineStats TurnLoop::Stats() const {
  EngineStats stats = stats_;
  stats.sessions = sessions_.size();
  stats.max_sessions = options_.max_sessions;
  stats.cache_bytes = sessions_.reservations().cache_bytes() - model_.runner->FreeCacheBytes();
  stats.parked_sessions = supply_.counts().parked_sessions;
  stats.parked_bytes = store_->used_bytes();
  stats.parked_memory_bytes = store_->capacity_bytes();
  stats.sessions_parked = supply_.counts().parked;
  stats.sessions_resumed = supply_.counts().resumed;
  stats.copied_bytes = supply_.copied_bytes();
  stats.cache_memory_bytes = model_.runner->limits().cache_memory_bytes;
  stats.waiting_turns = queue_.size();
  stats.max_waiting_turns = options_.max_waiting_turns;
  stats.running_turns = static_cast<int64_t>(running_.size());
  stats.detached_turns = queue_.num_detached();
  stats.replay_bytes = queue_.replay_bytes() + records_.kept_bytes();
  for (const std::unique_ptr<ActiveTurn>& turn : running_) {
    const TurnRecord& record = turn->record();
    stats.paused_turns += record.paused() ? 1 : 0;
    stats.detached_turns += record.detached() ? 1 : 0;
    stats.replay_bytes += record.bytes();
  }
  stats.kept_turns = records_.kept_turns();
  stats.request_ids = request_ids_.size();
  stats.uptime = clock_->Now() - started_;
  stats.draining = draining_;
  return stats;
}

absl::Status TurnLoop::NoSuchSession() {
  return MakeError(ErrorReason::kSessionNotFound, "there is no such session; it may have expired or been deleted");
}

absl::Status TurnLoop::ShuttingDown() const {
  return MakeError(ErrorReason::kShuttingDown, "the server is shutting down", options_.retry_after);
}

}  // namespace perennial
