#include "server/engine/batching_engine.h"

#include <utility>
#include <variant>
#include <vector>

#include "model/check.h"
#include "server/engine/budgets.h"
#include "server/engine/error.h"
#include "server/engine/spec_checks.h"

namespace perennial {

BatchingEngine::BatchingEngine(const EngineOptions& options, EngineModel model, const Clock* clock,
                               std::function<uint64_t()> random_bits)
    : options_(options),
      runner_limits_(model.runner->limits()),
      clock_(clock),
      inbox_(options.max_waiting_turns, options.max_waiting_turns),
      loop_(options, std::move(model), clock, std::move(random_bits)) {
  PublishStats();
}

BatchingEngine::~BatchingEngine() { Stop(); }

void BatchingEngine::CreateSession(SessionSpec spec, Done<SessionSummary> done) {
  absl::Status check = CheckSessionSpec(spec, options_, runner_limits_);
  spec.budget = LimitedBudget(spec.budget, options_);
  Put(CreateSessionCall{std::move(spec), std::move(check), std::move(done)});
}

void BatchingEngine::GetSession(std::string id, Done<SessionSummary> done) {
  Put(GetSessionCall{std::move(id), std::move(done)});
}

void BatchingEngine::UpdateSession(std::string id, SessionUpdate update, Done<SessionSummary> done) {
  absl::Status check = CheckSessionUpdate(update, options_);
  Put(UpdateSessionCall{std::move(id), std::move(update), std::move(check), std::move(done)});
}

void BatchingEngine::ListSessions(ListSpec spec, Done<SessionPage> done) {
  absl::Status check = CheckListSpec(spec, options_);
  Put(ListSessionsCall{std::move(spec), std::move(check), std::move(done)});
}

void BatchingEngine::DeleteSession(std::string id, Done<SessionSummary> done) {
  Put(DeleteSessionCall{std::move(id), std::move(done)});
}

void BatchingEngine::SetNotes(std::string id, NotesSpec notes, Done<SessionNotes> done) {
  absl::Status check = CheckNotesSpec(notes, options_, runner_limits_);
  Put(SetNotesCall{std::move(id), std::move(notes), std::move(check), std::move(done)});
}

void BatchingEngine::PinTurn(std::string id, int64_t turn, Done<SessionNotes> done) {
  Put(PinTurnCall{std::move(id), turn, std::move(done)});
}

void BatchingEngine::ForkSession(ForkSpec spec, Done<SessionSummary> done) {
  absl::Status check = CheckForkSpec(spec, options_);
  Put(ForkSessionCall{std::move(spec), std::move(check), std::move(done)});
}

void BatchingEngine::RewindSession(RewindSpec spec, Done<SessionSummary> done) {
  absl::Status check = CheckRewindSpec(spec);
  Put(RewindSessionCall{std::move(spec), std::move(check), std::move(done)});
}

void BatchingEngine::GetTranscript(std::string id, Done<std::vector<TranscriptTurn>> done) {
  Put(GetTranscriptCall{std::move(id), std::move(done)});
}

std::shared_ptr<TurnTicket> BatchingEngine::Submit(TurnSpec spec, TurnSink* sink) {
  absl::Status check = CheckTurnSpec(spec, options_, runner_limits_);
  spec.max_time = LimitedMaxTime(spec.max_time, options_);
  if (spec.ephemeral.has_value()) spec.ephemeral->budget = LimitedBudget(spec.ephemeral->budget, options_);
  SubmittedTurn turn(std::move(spec), sink, std::move(check), &options_, clock_->Now());
  std::shared_ptr<TurnTicket> ticket = turn.record->starter_ticket();
  Put(std::move(turn));
  return ticket;
}

std::shared_ptr<TurnTicket> BatchingEngine::Attach(AttachSpec spec, TurnSink* sink) {
  absl::Status check = CheckAttachSpec(spec);
  TurnReader reader(sink);
  std::shared_ptr<TurnTicket> ticket = reader.ticket();
  Put(AttachCall{std::move(spec), std::move(check), std::move(reader)});
  return ticket;
}

void BatchingEngine::CancelTurn(TurnAddress turn, Done<int32_t> done) {
  absl::Status check = CheckTurnAddress(turn);
  Put(CancelTurnCall{std::move(turn), std::move(check), std::move(done)});
}

void BatchingEngine::Drain(absl::Time deadline, std::function<void()> done) {
  Put(DrainCall{deadline, std::move(done)});
}

void BatchingEngine::Put(InboxItem item) {
  const Inbox::PutResult put = inbox_.Put(item);
  if (put != Inbox::PutResult::kTaken && std::holds_alternative<SubmittedTurn>(item)) {
    absl::MutexLock lock(&stats_mutex_);
    ++refused_turns_;
  }
  switch (put) {
    case Inbox::PutResult::kTaken:
      return;
    case Inbox::PutResult::kFull:
      return AnswerWith(
          MakeError(ErrorReason::kQueueFull, "the server has more calls than it can take up", options_.retry_after),
          std::move(item), clock_->Now());
    case Inbox::PutResult::kClosed:
      return AnswerWith(MakeError(ErrorReason::kShuttingDown, "the server is shutting down", options_.retry_after),
                        std::move(item), clock_->Now());
  }
}

void BatchingEngine::Wake() { inbox_.Wake(); }

EngineStats BatchingEngine::Stats() const {
  absl::MutexLock lock(&stats_mutex_);
  EngineStats stats = stats_;
  stats.turns_rejected += refused_turns_;
  return stats;
}

void BatchingEngine::PublishStats() {
  const EngineStats stats = loop_.Stats();
  absl::MutexLock lock(&stats_mutex_);
  stats_ = stats;
}

bool BatchingEngine::RunOnce() {
  bool worked = TakeInbox();
  worked |= loop_.Reap();
  worked |= loop_.Admit();
  worked |= loop_.Move();
  worked |= loop_.Step();
  worked |= loop_.Apply();
  PublishStats();
  return worked;
}

bool BatchingEngine::TakeInbox() {
  std::vector<InboxItem> items = inbox_.TakeAll();
  for (InboxItem& item : items) loop_.Take(std::move(item));
  return !items.empty();
}

absl::Time BatchingEngine::NextWakeTime() const { return loop_.NextWakeTime(); }

bool BatchingEngine::Woken() const { return inbox_.awake(); }

void BatchingEngine::Start() {
  absl::MutexLock lock(&thread_mutex_);
  PERENNIAL_CHECK(!thread_.joinable());
  thread_ = std::thread([this] { Run(); });
}

void BatchingEngine::Run() {
  while (!inbox_.closed()) {
    if (!RunOnce()) inbox_.Wait(NextWakeTime() - clock_->Now());
  }
}

void BatchingEngine::Stop() {
  inbox_.Close();
  absl::MutexLock lock(&thread_mutex_);
  if (thread_.joinable()) thread_.join();
  // The engine thread is gone, so the loop is ours; what is left ends here.
  TakeInbox();
  loop_.StopAll();
  PublishStats();
}

}  // namespace perennial
