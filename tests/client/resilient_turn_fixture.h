// Turns that lose their streams, against the fake service: for resilient_turn_test.cc and resilient_refusals_test.cc.

#ifndef PERENNIAL_TESTS_CLIENT_RESILIENT_TURN_FIXTURE_H_
#define PERENNIAL_TESTS_CLIENT_RESILIENT_TURN_FIXTURE_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/chat_client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/fake_chat_service.h"

namespace perennial {

// How a full server refuses a stream.
inline const grpc::Status kQueueFull =
    PerennialError(grpc::StatusCode::RESOURCE_EXHAUSTED, "QUEUE_FULL", "too many readers");

// Six events: started, four deltas, finished.
inline FakeTurn Reply(const v1::ChatRequest&) {
  return {.events = {StartedEvent(20), DeltaEvent("One "), DeltaEvent("two "), DeltaEvent("thr"), DeltaEvent("ee."),
                     FinishedEvent()}};
}

class CountedLosses : public ConnectionObserver {
 public:
  void OnLost(const absl::Status&, absl::Duration) override { ++lost; }
  void OnFound() override { ++found; }
  int lost = 0, found = 0;
};

class ResilientTurnTest : public testing::Test {
 protected:
  ResilientTurnTest() {
    service().SetOnChat(Reply);
    UseServer(server_.address());
  }

  void UseServer(const std::string& address, absl::Duration patience = absl::Seconds(20),
                 bool waits_for_server = true) {
    client_ = *ChatClient::Create({.server = address,
                                   .turns_survive = true,
                                   .reconnect = {.first_wait = absl::Milliseconds(5), .patience = patience},
                                   .waits_for_server = waits_for_server});
  }

  // Runs a turn; `text` is what its deltas said, `cases` what events came.
  absl::StatusOr<v1::Finished> Chat(v1::ChatRequest request = {}) {
    text.clear();
    cases.clear();
    request.set_message("Count.");
    return client_->Chat(
        request, [this](const v1::TurnEvent& event) { Note(event); }, nullptr, &losses);
  }

  void Note(const v1::TurnEvent& event) {
    text += event.delta().text();
    cases.push_back(event.event_case());
  }

  FakeChatService& service() { return server_.service(); }

  FakeChatServer server_;
  std::unique_ptr<ChatClient> client_;
  std::string text;
  std::vector<int> cases;
  CountedLosses losses;
};

}  // namespace perennial

#endif  // PERENNIAL_TESTS_CLIENT_RESILIENT_TURN_FIXTURE_H_
