// What clients do, and what goes wrong around them.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/simulation/chaos_simulation.h"
#include "tests/simulation/simulated_model.h"

namespace perennial {
namespace {

constexpr size_t kMostRequests = 40;  // that clients remember

// Calls about sessions may find it gone, or the inbox, which is small here, full.
bool WasAnswered(const absl::Status& status) {
  if (status.ok()) return true;
  EXPECT_TRUE(ReasonOf(status) == ErrorReason::kSessionNotFound || ReasonOf(status) == ErrorReason::kQueueFull)
      << status;
  return false;
}

}  // namespace

void ChaosSimulation::Act() {
  const bool few = static_cast<int64_t>(sessions_.size()) < kLeastSessions;
  if (choice_.OneIn(few ? 2 : 20)) CreateSession();
  if (choice_.OneIn(3)) Ask();
  if (choice_.OneIn(12)) AskAgain();
  if (choice_.OneIn(4)) Attach();
  if (choice_.OneIn(20)) CallAboutSession();
  if (choice_.OneIn(15)) SetNotes();
  if (choice_.OneIn(25)) PinTurn();
  if (choice_.OneIn(25)) Fork();
  if (choice_.OneIn(20)) Rewind();
  if (choice_.OneIn(40)) GetTranscript();
  if (choice_.OneIn(5)) DisturbFollower();
  if (choice_.OneIn(30)) CancelTurn();
  if (choice_.OneIn(faulty_ ? 90 : 2000)) DisturbRunner();
  if (choice_.OneIn(8) || driver_->asleep()) PassTime();
}

void ChaosSimulation::PassTime() { clock_.Advance(absl::Milliseconds(choice_.Between(1, 5000))); }

std::shared_ptr<KnownSession> ChaosSimulation::AnySession() {
  return sessions_.empty() ? nullptr : choice_.Of(sessions_);
}

std::shared_ptr<TurnRequest> ChaosSimulation::AnyRequest() {
  return requests_.empty() ? nullptr : choice_.Of(requests_);
}

std::shared_ptr<Follower> ChaosSimulation::AnyFollower() {
  return followers_.empty() ? nullptr : choice_.Of(followers_);
}

void ChaosSimulation::CreateSession() {
  SessionSpec spec;
  spec.shape = {.sink_tokens = choice_.Between32(0, 5), .note_tokens = 0, .window_tokens = choice_.Between32(1, 40)};
  if (choice_.OneIn(2)) spec.shape.note_tokens = choice_.Between32(0, options_.max_note_tokens);
  spec.eviction = choice_.OneIn(2) ? EvictionPolicy::kTurnWise : EvictionPolicy::kTokenWise;
  for (int64_t i = choice_.Between(0, 12); i > 0; --i) spec.opening.push_back(choice_.Between32(0, 255));
  spec.first_turn = static_cast<FirstTurn>(choice_.Between(0, 2));
  spec.idle_timeout = choice_.OneIn(4) ? choice_.Seconds(1, 30) : choice_.Seconds(30, 600);
  if (choice_.OneIn(6)) spec.budget.generated_tokens = choice_.Between(1, 200);
  if (choice_.OneIn(10)) spec.budget.time = choice_.Seconds(1, 200);
  if (choice_.OneIn(2)) spec.request = {absl::StrCat("make", next_request_++), choice_.Bits()};
  auto session = std::make_shared<KnownSession>();
  engine_->CreateSession(spec, [this, spec, session](absl::StatusOr<SessionSummary> summary) {
    if (!summary.ok()) {
      EXPECT_TRUE(absl::IsResourceExhausted(summary.status())) << summary.status();
      if (const auto reason = ReasonOf(summary.status())) tally_.Count(ErrorReasonName(*reason));
      return;
    }
    session->id = summary->id;
    session->spec = spec;
    session->truth.Begin(MakeOracle(spec), /*last_turn=*/0);
    sessions_.push_back(session);
    if (!spec.request.empty() && choice_.OneIn(3)) CreateAgain(spec, session);
  });
}

void ChaosSimulation::CreateAgain(const SessionSpec& spec, const std::shared_ptr<KnownSession>& session) {
  const bool otherwise = choice_.OneIn(3);
  SessionSpec again = spec;
  if (otherwise) ++again.request.fingerprint;
  const absl::Time until = clock_.Now() + options_.request_id_ttl;
  tally_.Count(otherwise ? "create otherwise" : "create again");
  engine_->CreateSession(again, [this, otherwise, session, until](absl::StatusOr<SessionSummary> summary) {
    // Refused, or too late: then it is as good as new.
    if (ReasonOf(summary.status()) == ErrorReason::kQueueFull || clock_.Now() >= until) return;
    if (otherwise) {
      EXPECT_EQ(ReasonOf(summary.status()), ErrorReason::kRequestIdReused) << summary.status();
    } else if (summary.ok()) {
      EXPECT_EQ(summary->id, session->id) << "a session was made twice for one request";
    } else {
      EXPECT_EQ(ReasonOf(summary.status()), ErrorReason::kSessionNotFound) << summary.status();
    }
  });
}

TurnSpec ChaosSimulation::NewTurn() {
  TurnSpec spec;
  for (int64_t i = choice_.OneIn(5) ? choice_.Between(20, 120) : choice_.Between(1, 20); i > 0; --i) {
    spec.message.tokens.push_back(choice_.Between32(0, 255));
  }
  if (choice_.OneIn(2)) spec.message.tokens_if_first = std::vector<TokenId>{4, 5, 6};
  if (choice_.OneIn(2)) spec.message.tokens_if_first_after_system = std::vector<TokenId>{7, 8};
  spec.max_tokens = choice_.Between(1, 40);
  spec.ignore_end_of_turn = choice_.OneIn(5);
  if (spec.ignore_end_of_turn && choice_.OneIn(4)) spec.max_tokens = 0;
  spec.sampling.temperature = choice_.OneIn(2) ? 0.0f : 1.0f;
  spec.sampling.repetition_penalty = choice_.OneIn(3) ? 1.3f : 1.0f;
  if (choice_.OneIn(4)) spec.sampling.frequency_penalty = 0.5f;
  if (choice_.OneIn(4)) spec.sampling.dry.multiplier = 1.0f;
  if (choice_.OneIn(4)) spec.min_tokens = choice_.Between(0, spec.max_tokens > 0 ? spec.max_tokens : 40);
  if (choice_.OneIn(5)) spec.stop_tokens = {'a' + choice_.Between32(0, 6)};
  if (choice_.OneIn(5)) spec.top_logprobs = choice_.Between32(0, 3);
  spec.sampling.seed = choice_.Bits();
  if (choice_.OneIn(5)) spec.stop_strings = {std::string(1, static_cast<char>('a' + choice_.Between(0, 4))) + "b"};
  const int64_t busy = choice_.Between(1, 12);
  spec.if_busy = busy <= 2 ? IfBusy::kReject : busy == 3 ? IfBusy::kInterrupt : IfBusy::kWait;
  if (choice_.OneIn(8)) spec.deadline = clock_.Now() + choice_.Seconds(0, 60);
  if (choice_.OneIn(8)) spec.max_time = choice_.Seconds(1, 20);
  if (choice_.OneIn(8)) spec.on_repetition = OnRepetition::kFinish;
  if (mixed_) {
    spec.tenant = std::string(static_cast<size_t>(choice_.Between(0, 5)), 't');
    if (choice_.OneIn(3)) spec.priority = Priority::kBatch;
  }
  if (choice_.OneIn(2)) {
    spec.request = {absl::StrCat("turn", next_request_++), choice_.Bits()};
    if (choice_.OneIn(2)) spec.on_disconnect = OnDisconnect::kContinue;
  }
  if (choice_.OneIn(12)) {
    tally_.Count("append");
    spec.reply = false;
  }
  spec.messages = {{Role::kUser, "what is said"}};
  if (choice_.OneIn(80)) spec.message.tokens.clear();  // a bad field
  return spec;
}

void ChaosSimulation::Ask() {
  auto request = std::make_shared<TurnRequest>();
  request->spec = NewTurn();
  request->submitted = clock_.Now();
  request->session = AnySession();
  if (request->session == nullptr || choice_.OneIn(8)) {
    request->session = std::make_shared<KnownSession>();
    SessionSpec& session = request->session->spec;
    session.shape = {.sink_tokens = 2, .note_tokens = 0, .window_tokens = choice_.Between32(1, 30)};
    session.first_turn = static_cast<FirstTurn>(choice_.Between(0, 2));
    request->spec.ephemeral = session;
    request->session->truth.Begin(MakeOracle(session), /*last_turn=*/0);
  } else {
    request->spec.session_id = request->session->id;
    if (choice_.OneIn(10)) request->spec.expected_turn = request->session->last_turn - (choice_.OneIn(3) ? 1 : 0);
  }
  if (request->spec.if_busy == IfBusy::kInterrupt) tally_.Count("interrupt");
  requests_.push_back(request);
  if (requests_.size() > kMostRequests) requests_.erase(requests_.begin());
  Submit(request, Follower::Kind::kStarter);
}

// A client that has heard nothing sends its request again; or another client has the same idea of an id.
void ChaosSimulation::AskAgain() {
  std::shared_ptr<TurnRequest> request = AnyRequest();
  if (request == nullptr || request->spec.request.empty()) return;
  const bool otherwise = choice_.OneIn(4);
  tally_.Count(otherwise ? "ask otherwise" : "ask again");
  Submit(request, Follower::Kind::kRetry, otherwise);
}

std::shared_ptr<Follower> ChaosSimulation::Follow(Follower::Kind kind, const std::shared_ptr<TurnRequest>& request) {
  Listener* const listener = this;
  auto follower = std::make_shared<Follower>(kind, request, listener);
  followers_.push_back(follower);
  ++request->followers;
  ++request->following;
  follower->last_progress = follower->reading_since = driver_->passes();
  return follower;
}

void ChaosSimulation::Submit(const std::shared_ptr<TurnRequest>& request, Follower::Kind kind, bool otherwise) {
  const std::shared_ptr<Follower> follower = Follow(kind, request);
  ++submitted_;
  TurnSpec spec = request->spec;
  if (otherwise) ++spec.request.fingerprint;
  follower->fingerprint = spec.request.fingerprint;
  follower->ticket = engine_->Submit(spec, follower.get());
}

std::shared_ptr<TurnRequest> ChaosSimulation::AnyOrphan() {
  std::vector<std::shared_ptr<TurnRequest>> orphans;
  for (const std::shared_ptr<TurnRequest>& request : requests_) {
    if (request->following == 0 && !request->over() && !request->spec.request.empty()) orphans.push_back(request);
  }
  return orphans.empty() ? nullptr : choice_.Of(orphans);
}

void ChaosSimulation::Attach() {
  // Clients want to know what became of their turns; and some come back to others.
  std::shared_ptr<TurnRequest> request = choice_.OneIn(3) ? AnyRequest() : AnyOrphan();
  if (request == nullptr) return;
  AttachSpec spec;
  const std::shared_ptr<TurnStory> story = request->stories.empty() ? nullptr : request->stories.back();
  if (story != nullptr && choice_.OneIn(2)) {
    spec.turn = {.session_id = story->session_id, .turn = story->turn, .request_id = ""};
  } else if (!request->spec.request.empty()) {
    spec.turn = {.session_id = RequestScope(request->spec), .turn = 0, .request_id = request->spec.request.id};
  } else {
    return;
  }
  tally_.Count(spec.turn.turn > 0 ? "attach by number" : "attach by request id");
  const int64_t unseen = story == nullptr ? 1 : story->first_unseen();
  switch (choice_.Between(0, 3)) {
    case 0:
      spec.from_oldest = true;
      break;
    case 1:
      spec.from_sequence = choice_.Between(1, unseen + 1);
      break;
    default:
      spec.from_sequence = unseen;
  }
  const std::shared_ptr<Follower> follower = Follow(Follower::Kind::kAttached, request);
  follower->wanted = spec.from_oldest ? Follower::kOldest : spec.from_sequence;
  follower->ticket = engine_->Attach(spec, follower.get());
}

void ChaosSimulation::Leave(Follower& follower) {
  tally_.Count("leave");
  follower.left = true;
  follower.ticket->Leave();
  Wake();
}

void ChaosSimulation::DisturbFollower() {
  const std::shared_ptr<Follower> follower = AnyFollower();
  if (follower == nullptr) return;
  if (choice_.OneIn(3)) return Leave(*follower);
  follower->SetReads(!follower->reads());
  follower->last_progress = follower->reading_since = driver_->passes();
  tally_.Count(follower->reads() ? "read again" : "stall");
  if (follower->reads()) Wake();
}

void ChaosSimulation::CancelTurn() {
  const std::shared_ptr<TurnRequest> request = AnyRequest();
  if (request == nullptr) return;
  TurnAddress address{.session_id = RequestScope(request->spec), .turn = 0, .request_id = request->spec.request.id};
  if (!request->stories.empty() && choice_.OneIn(2)) {
    address = {
        .session_id = request->stories.back()->session_id, .turn = request->stories.back()->turn, .request_id = ""};
  }
  if (address.session_id.empty() && address.request_id.empty()) return;
  const bool all = address.turn == 0 && address.request_id.empty();
  tally_.Count(all ? "cancel all turns" : "cancel a turn");
  engine_->CancelTurn(address, [all](absl::StatusOr<int32_t> cancelled) {
    if (!WasAnswered(cancelled.status())) return;
    EXPECT_GE(*cancelled, 0);
    EXPECT_TRUE(all || *cancelled <= 1) << *cancelled << " turns were cancelled in place of one";
  });
}

void ChaosSimulation::CallAboutSession() {
  const std::shared_ptr<KnownSession> session = AnySession();
  if (session == nullptr) return;
  switch (choice_.Between(0, 4)) {
    case 0:
      tally_.Count("delete");
      engine_->DeleteSession(session->id, [this, session](absl::StatusOr<SessionSummary> summary) {
        // A full inbox has not heard of it: it lives on unknown.
        if (WasAnswered(summary.status())) CheckSession(session, *summary);
      });
      Forget(session);
      break;
    case 1:
      engine_->UpdateSession(session->id, {.idle_timeout = choice_.Seconds(1, 200), .labels = {}},
                             [](absl::StatusOr<SessionSummary> summary) { WasAnswered(summary.status()); });
      break;
    case 2:
      engine_->ListSessions({.page_size = 1000, .page_token = "", .state = {}},
                            [](absl::StatusOr<SessionPage> page) { WasAnswered(page.status()); });
      break;
    default:
      engine_->GetSession(session->id, [this, session](absl::StatusOr<SessionSummary> summary) {
        if (WasAnswered(summary.status())) CheckSession(session, *summary);
      });
  }
}

absl::Status ChaosSimulation::MayFail() {
  if (!choice_.OneIn(faulty_ ? 25 : 400)) return absl::OkStatus();
  tally_.Count("failed copy");
  return absl::InternalError("simulated");
}

void ChaosSimulation::DisturbRunner() {
  if (choice_.OneIn(2)) {
    tally_.Count("failed step");
    runner_->FailStep(choice_.Between(1, 10), absl::InternalError("simulated"));
  } else {
    tally_.Count("poisoned step");
    runner_->PoisonStep(choice_.Between(1, 10));
  }
}

}  // namespace perennial
