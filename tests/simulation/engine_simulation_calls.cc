// The calls about sessions that the storm makes.

#include <memory>
#include <utility>

#include "gtest/gtest.h"
#include "server/engine/error.h"
#include "tests/simulation/engine_simulation.h"

namespace perennial {

void EngineSimulation::CallAboutSession() {
  const std::shared_ptr<Client> client = AnyClient();
  if (client == nullptr) return;
  const auto expect_known = [](absl::StatusOr<SessionSummary> session) {
    // Or the inbox, which is small here, is full.
    if (ReasonOf(session.status()) == ErrorReason::kQueueFull) return;
    if (!session.ok()) {
      EXPECT_EQ(ReasonOf(session.status()), ErrorReason::kSessionNotFound) << session.status();
    }
  };
  switch (Random(0, 5)) {
    case 0:
      engine_->DeleteSession(client->session_id, expect_known);
      std::erase(clients_, client);
      break;
    case 1:
      engine_->UpdateSession(client->session_id, {.idle_timeout = absl::Seconds(Random(1, 200)), .labels = {}},
                             expect_known);
      break;
    case 2:
      ForkSession(client);
      break;
    case 3:
    case 4:
      RewindSession(client);
      break;
    default:
      engine_->GetSession(client->session_id, expect_known);
  }
}

void EngineSimulation::ForkSession(const std::shared_ptr<Client>& parent) {
  engine_->ForkSession({.session_id = parent->session_id, .labels = {}, .request = {}},
                       [this, parent](absl::StatusOr<SessionSummary> session) {
                         if (!session.ok()) {
                           // INVALID_ARGUMENT and the like would be our own mistake.
                           EXPECT_FALSE(absl::IsInvalidArgument(session.status())) << session.status();
                           return;
                         }
                         auto fork = std::make_shared<Client>();
                         fork->session_id = session->id;
                         EXPECT_FALSE(parent->running) << "it was to wait";
                         if (parent->oracle != nullptr) fork->oracle = parent->oracle->Fork();
                         clients_.push_back(std::move(fork));
                       });
}

void EngineSimulation::RewindSession(const std::shared_ptr<Client>& client) {
  engine_->RewindSession(
      {.session_id = client->session_id, .to_turn = Random(0, 8), .expected_turn = {}, .request = {}},
      [client](absl::StatusOr<SessionSummary> session) {
        if (!session.ok() || client->oracle == nullptr) return;
        client->oracle->Rewind(session->turns);
        EXPECT_EQ(session->memory.stream_tokens, client->oracle->stream_tokens());
      });
}

}  // namespace perennial
