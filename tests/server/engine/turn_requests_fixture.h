// An engine whose replies are the alphabet, and the calls about turns that exist.

#ifndef PERENNIAL_TESTS_SERVER_ENGINE_TURN_REQUESTS_FIXTURE_H_
#define PERENNIAL_TESTS_SERVER_ENGINE_TURN_REQUESTS_FIXTURE_H_

#include <memory>
#include <string>
#include <utility>

#include "tests/server/engine/engine_fixture.h"

namespace perennial {

class TurnRequestsFixture : public EngineFixture {
 protected:
  TurnRequestsFixture() {
    fake_.script = [](const FakeSight& sight) { return static_cast<TokenId>('a' + sight.index % 26); };
  }

  TurnSpec Named(const std::string& session, const std::string& id, int64_t max_tokens = 10,
                 OnDisconnect on_disconnect = OnDisconnect::kContinue) {
    TurnSpec spec = Turn(session, "hi", max_tokens);
    spec.request = {.id = id, .fingerprint = 1};
    spec.on_disconnect = on_disconnect;
    return spec;
  }
  std::shared_ptr<TurnTicket> Submit(TurnSpec spec, RecordingTurnSink& sink) {
    return engine().Submit(std::move(spec), &sink);
  }
  std::shared_ptr<TurnTicket> Attach(const std::string& session, int64_t turn, RecordingTurnSink& sink,
                                     int64_t from = 1) {
    return engine().Attach({.turn = {.session_id = session, .turn = turn}, .from_sequence = from}, &sink);
  }
  std::shared_ptr<TurnTicket> AttachTo(const std::string& session, const std::string& request_id,
                                       RecordingTurnSink& sink) {
    return engine().Attach({.turn = {.session_id = session, .request_id = request_id}}, &sink);
  }
  absl::StatusOr<int32_t> CancelTurn(TurnAddress turn) {
    absl::StatusOr<int32_t> answer = absl::UnknownError("not called");
    engine().CancelTurn(std::move(turn), [&](absl::StatusOr<int32_t> count) { answer = std::move(count); });
    RunOnce();
    return answer;
  }
  // The client is gone, and the engine knows it.
  void Leave(const std::shared_ptr<TurnTicket>& ticket) {
    ticket->Leave();
    RunOnce();
  }
};

}  // namespace perennial

#endif  // PERENNIAL_TESTS_SERVER_ENGINE_TURN_REQUESTS_FIXTURE_H_
