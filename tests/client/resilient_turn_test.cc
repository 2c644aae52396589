// Turns over bad networks, against the fake service: cut at every event, by the server and on the wire.
#include "client/resilient_turn.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "client/error_text.h"
#include "tests/client/resilient_turn_fixture.h"
#include "tests/client/tcp_relay.h"

namespace perennial {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

TEST_F(ResilientTurnTest, EveryTurnGetsItsOwnRequestIdAndGoesOnAlone) {
  ASSERT_TRUE(Chat().ok());
  ASSERT_TRUE(Chat().ok());
  const auto chats = service().chats();
  ASSERT_THAT(chats, SizeIs(2));
  EXPECT_THAT(chats[0].request_id(), SizeIs(22));
  EXPECT_NE(chats[0].request_id(), chats[1].request_id());
  EXPECT_EQ(chats[0].on_disconnect(), v1::ON_DISCONNECT_CONTINUE);
  EXPECT_EQ(losses.lost, 0);
}

TEST_F(ResilientTurnTest, ACutAtAnyEventLosesAndDoublesNothing) {
  for (int64_t cut = 0; cut <= 6; ++cut) {
    SCOPED_TRACE(absl::StrCat("cut after event ", cut));
    const int generated_before = service().generated_turns();
    losses = {};
    service().SetFaults(CutsAfter({cut}));
    const auto finished = Chat();
    ASSERT_TRUE(finished.ok()) << finished.status();
    EXPECT_EQ(text, "One two three.");
    EXPECT_THAT(cases, SizeIs(6)) << "every event once";
    EXPECT_EQ(service().generated_turns(), generated_before + 1);
    // After its finished event a turn is complete, whatever becomes of the stream.
    EXPECT_EQ(losses.lost, cut == 6 ? 0 : 1);
    EXPECT_EQ(losses.found, losses.lost);
  }
}

TEST_F(ResilientTurnTest, SoDoTwoCutsAnywhere) {
  for (int64_t first = 0; first <= 5; ++first) {
    for (int64_t second = 0; second <= 5; ++second) {
      SCOPED_TRACE(absl::StrCat("cut after events ", first, " and ", second));
      const int generated_before = service().generated_turns();
      service().SetFaults(CutsAfter({first, second}));
      ASSERT_TRUE(Chat().ok());
      EXPECT_EQ(text, "One two three.");
      EXPECT_THAT(cases, SizeIs(6));
      EXPECT_EQ(service().generated_turns(), generated_before + 1);
    }
  }
}

TEST_F(ResilientTurnTest, MergedDeltasAreGoneOnWithAfterTheirLastEvent) {
  for (int64_t cut = 0; cut <= 6; ++cut) {
    FakeStreamFaults faults = CutsAfter({cut});
    faults.merge_deltas = true;
    service().SetFaults(std::move(faults));
    ASSERT_TRUE(Chat().ok());
    EXPECT_EQ(text, "One two three.") << "cut after event " << cut;
  }
}

TEST_F(ResilientTurnTest, AsksForTheFirstUnreadEvent) {
  service().SetFaults(CutsAfter({3}));
  ASSERT_TRUE(Chat().ok());
  const auto attaches = service().attaches();
  ASSERT_THAT(attaches, SizeIs(1));
  EXPECT_EQ(attaches[0].from_sequence(), 4);
  EXPECT_EQ(attaches[0].request_id(), service().chats()[0].request_id());
}

TEST_F(ResilientTurnTest, ARequestThatNeverArrivedIsSentAgain) {
  int refused = 0;
  service().SetOnArrival([&refused](const v1::ChatRequest&) -> std::optional<grpc::Status> {
    if (++refused > 3) return std::nullopt;
    return kBroken;
  });
  ASSERT_TRUE(Chat().ok());
  EXPECT_EQ(text, "One two three.");
  const auto chats = service().chats();
  ASSERT_THAT(chats, SizeIs(4));
  for (const v1::ChatRequest& chat : chats) EXPECT_EQ(chat.SerializeAsString(), chats[0].SerializeAsString());
  EXPECT_EQ(service().generated_turns(), 1);
}

TEST_F(ResilientTurnTest, ATurnThatWaitedAndIsUnknownIsSentAgain) {
  // The turn is lost while it waits, as with a server that is started anew.
  int arrivals = 0;
  service().SetOnChat([&arrivals](const v1::ChatRequest& request) {
    if (++arrivals > 1) return Reply(request);
    return FakeTurn{.events = {QueuedEvent(1)}, .end = std::nullopt};
  });
  service().SetFaults({.after_event = [this, lost = std::make_shared<std::atomic<bool>>(false)](
                                          int64_t written) -> std::optional<grpc::Status> {
                         if (written != 1 || lost->exchange(true)) return std::nullopt;
                         service().ForgetTurns();
                         return kBroken;
                       },
                       .merge_deltas = false});
  const auto finished = Chat();
  ASSERT_TRUE(finished.ok()) << finished.status();
  EXPECT_EQ(text, "One two three.");
  EXPECT_THAT(service().attaches(), SizeIs(1));
  EXPECT_THAT(service().chats(), SizeIs(2));
}

TEST_F(ResilientTurnTest, OneThatHadBegunIsNot) {
  service().SetFaults({.after_event = [this](int64_t written) -> std::optional<grpc::Status> {
                         if (written != 2) return std::nullopt;
                         service().ForgetTurns();
                         return kBroken;
                       },
                       .merge_deltas = false});
  EXPECT_EQ(ErrorReason(Chat().status()), "BEYOND_REPLAY");
  EXPECT_EQ(text, "One ");
  EXPECT_EQ(service().generated_turns(), 1);
}

TEST_F(ResilientTurnTest, ConnectionsCutOnTheWireLoseAndDoubleNothing) {
  TcpRelay relay(server_.address());
  UseServer(relay.address());
  for (int64_t cut = 0; cut <= 6; ++cut) {
    SCOPED_TRACE(absl::StrCat("cut after event ", cut));
    const int generated_before = service().generated_turns();
    auto done = std::make_shared<std::atomic<bool>>(false);
    service().SetFaults({.after_event = [&relay, cut, done](int64_t written) -> std::optional<grpc::Status> {
                           if (written == cut && !done->exchange(true)) relay.Cut();
                           return std::nullopt;
                         },
                         .merge_deltas = false});
    const auto finished = Chat();
    ASSERT_TRUE(finished.ok()) << finished.status();
    EXPECT_EQ(text, "One two three.");
    EXPECT_THAT(cases, SizeIs(6));
    EXPECT_EQ(service().generated_turns(), generated_before + 1);
  }
  EXPECT_GT(relay.connections(), 5);
}

TEST_F(ResilientTurnTest, WhoDoesNotWaitForAServerIsToldAtOnceThatThereIsNone) {
  UseServer("127.0.0.1:1", absl::Hours(1), /*waits_for_server=*/false);
  EXPECT_EQ(ClassifyError(Chat().status()), ErrorClass::kUnreachable);
  EXPECT_EQ(losses.lost, 0);
}

TEST_F(ResilientTurnTest, ButLooksForATurnWhoseRequestWasSent) {
  TcpRelay relay(server_.address());
  for (int64_t cut = 0; cut <= 6; ++cut) {
    SCOPED_TRACE(absl::StrCat("cut after event ", cut));
    UseServer(relay.address(), absl::Seconds(20), /*waits_for_server=*/false);
    const int generated_before = service().generated_turns();
    // On the wire, and then the next stream by the server: before an event of it has come.
    service().SetFaults({.after_event = [&relay, cut, cuts = std::make_shared<std::atomic<int>>(0)](
                                            int64_t written) -> std::optional<grpc::Status> {
                           if (written == cut && cuts->load() == 0) {
                             ++*cuts;
                             relay.Cut();
                           } else if (cuts->load() == 1) {
                             ++*cuts;
                             return kBroken;
                           }
                           return std::nullopt;
                         },
                         .merge_deltas = false});
    const auto finished = Chat();
    ASSERT_TRUE(finished.ok()) << finished.status();
    EXPECT_EQ(text, "One two three.");
    EXPECT_EQ(service().generated_turns(), generated_before + 1);
  }
}

TEST_F(ResilientTurnTest, BreaksThatProxiesMakeAreBreaks) {
  for (const grpc::StatusCode code :
       {grpc::StatusCode::INTERNAL, grpc::StatusCode::UNKNOWN, grpc::StatusCode::CANCELLED, grpc::StatusCode::OK}) {
    service().SetFaults(CutsAfter({3}, grpc::Status(code, code == grpc::StatusCode::OK ? "" : "RST_STREAM")));
    ASSERT_TRUE(Chat().ok()) << code;
    EXPECT_EQ(text, "One two three.");
  }
}

TEST_F(ResilientTurnTest, ButNotForEver) {
  service().SetFaults({.after_event = [](int64_t) { return grpc::Status(grpc::StatusCode::INTERNAL, "broken"); },
                       .merge_deltas = false});
  EXPECT_EQ(Chat().status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(losses.lost, 3);
}

TEST_F(ResilientTurnTest, PatienceEnds) {
  UseServer("127.0.0.1:1", absl::Milliseconds(50));
  const auto finished = Chat();
  EXPECT_EQ(ClassifyError(finished.status()), ErrorClass::kUnreachable);
  EXPECT_GE(losses.lost, 1);
  EXPECT_EQ(losses.found, 0);
}

TEST_F(ResilientTurnTest, ATurnsOwnEndIsFinalAlsoWhenReplayed) {
  service().SetOnChat([](const v1::ChatRequest&) {
    return FakeTurn{.events = {StartedEvent(20), DeltaEvent("One ")},
                    .end = PerennialError(grpc::StatusCode::UNAVAILABLE, "SHUTTING_DOWN", "the server shuts down")};
  });
  const auto finished = Chat();
  EXPECT_EQ(ErrorReason(finished.status()), "SHUTTING_DOWN");
  EXPECT_EQ(text, "One ");
  EXPECT_THAT(service().attaches(), SizeIs(1)) << "it was looked whether the turn goes on";
}

TEST_F(ResilientTurnTest, WhatIsNoLongerKeptIsAClearError) {
  service().SetReplayEvents(2);
  service().SetFaults(CutsAfter({2}));
  const auto finished = Chat();
  EXPECT_EQ(finished.status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(
      ErrorText(finished.status(), "server"),
      "from_sequence: the oldest event that is kept is 5; the missed part of the reply is in the session, but can "
      "no longer be shown [BEYOND_REPLAY]");
}

TEST_F(ResilientTurnTest, AFollowerThatWasTooSlowComesAgain) {
  service().SetFaults(
      {.after_event = [broken = std::make_shared<std::set<int64_t>>()](int64_t written) -> std::optional<grpc::Status> {
         if (!broken->insert(written).second) return std::nullopt;
         if (written == 2) return kBroken;
         if (written == 4) return PerennialError(grpc::StatusCode::ABORTED, "SLOW_READER", "too slow");
         return std::nullopt;
       },
       .merge_deltas = false});
  service().SetOnChat([](const v1::ChatRequest& request) {
    FakeTurn turn = Reply(request);
    turn.events.pop_back();
    turn.end.reset();  // it still runs when its follower is cut
    return turn;
  });
  const auto session = client_->CreateSession({});
  v1::ChatRequest request;
  request.set_session_id(session->session_id());
  request.set_message("Count.");
  const auto finished = client_->Chat(request, [&](const v1::TurnEvent& event) {
    Note(event);
    if (text == "One two three." && cases.back() == v1::TurnEvent::kDelta) {
      v1::CancelTurnRequest cancel;
      cancel.set_session_id(session->session_id());
      EXPECT_EQ(*client_->CancelTurn(cancel), 1);
    }
  });
  ASSERT_TRUE(finished.ok()) << finished.status();
  EXPECT_EQ(text, "One two three.");
}

TEST_F(ResilientTurnTest, AttachShowsTheStateAndThenTheTurnAgain) {
  const auto session = client_->CreateSession({});
  v1::ChatRequest request;
  request.set_session_id(session->session_id());
  ASSERT_TRUE(Chat(request).ok());
  text.clear();
  cases.clear();
  service().SetFaults(CutsAfter({2, 4}));
  v1::AttachRequest attach;
  attach.set_session_id(session->session_id());
  attach.set_turn(1);
  ASSERT_TRUE(client_
                  ->Attach(
                      attach, [this](const v1::TurnEvent& event) { Note(event); }, nullptr, &losses)
                  .ok());
  EXPECT_EQ(text, "One two three.");
  EXPECT_THAT(cases,
              ElementsAre(v1::TurnEvent::kState, v1::TurnEvent::kStarted, v1::TurnEvent::kDelta, v1::TurnEvent::kDelta,
                          v1::TurnEvent::kDelta, v1::TurnEvent::kDelta, v1::TurnEvent::kFinished));
  EXPECT_EQ(losses.found, 2);
  EXPECT_EQ(service().generated_turns(), 1);
}

TEST_F(ResilientTurnTest, AttachFromTheOldestThatIsKept) {
  service().SetReplayEvents(3);
  const auto session = client_->CreateSession({});
  v1::ChatRequest request;
  request.set_session_id(session->session_id());
  ASSERT_TRUE(Chat(request).ok());
  text.clear();
  v1::AttachRequest attach;
  attach.set_session_id(session->session_id());
  attach.set_turn(1);
  EXPECT_EQ(ErrorReason(client_->Attach(attach, [](const v1::TurnEvent&) {}).status()), "BEYOND_REPLAY");
  attach.set_from_oldest(true);
  ASSERT_TRUE(client_->Attach(attach, [this](const v1::TurnEvent& event) { Note(event); }).ok());
  EXPECT_EQ(text, "three.");
}

TEST_F(ResilientTurnTest, SendingTwiceGeneratesOnce) {
  v1::ChatRequest request;
  request.set_request_id("mine");
  ASSERT_TRUE(Chat(request).ok());
  ASSERT_TRUE(Chat(request).ok());
  EXPECT_EQ(text, "One two three.");
  EXPECT_EQ(service().generated_turns(), 1);
  request.set_max_tokens(3);
  EXPECT_EQ(ErrorReason(Chat(request).status()), "REQUEST_ID_REUSED");
}

}  // namespace
}  // namespace perennial
