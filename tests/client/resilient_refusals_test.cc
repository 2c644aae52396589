// Turns whose streams are refused: when the client asks again, and when it is told at once.
#include "absl/strings/str_cat.h"
#include "client/error_text.h"
#include "client/resilient_turn.h"
#include "tests/client/resilient_turn_fixture.h"

namespace perennial {
namespace {

using ::testing::SizeIs;

using ResilientRefusalsTest = ResilientTurnTest;

TEST_F(ResilientRefusalsTest, TheServersRefusalsAreFinal) {
  service().SetOnArrival([](const v1::ChatRequest&) { return kQueueFull; });
  EXPECT_EQ(ErrorReason(Chat().status()), "QUEUE_FULL");
  EXPECT_THAT(service().chats(), SizeIs(1));
}

TEST_F(ResilientRefusalsTest, AFullServerIsAskedAgainForATurnThatRuns) {
  service().SetFaults(CutsAfter({3}));
  service().RefuseAttaches(2, kQueueFull);  // as while the server still counts the reader whose connection was cut
  const auto finished = Chat();
  ASSERT_TRUE(finished.ok()) << finished.status();
  EXPECT_EQ(text, "One two three.");
  EXPECT_THAT(cases, SizeIs(6));
  EXPECT_THAT(service().attaches(), SizeIs(3));
  EXPECT_EQ(losses.lost, 3);
  EXPECT_EQ(losses.found, 1);
}

TEST_F(ResilientRefusalsTest, SoItIsForARequestThatMayHaveArrived) {
  int arrivals = 0;
  service().SetOnArrival([&arrivals](const v1::ChatRequest&) -> std::optional<grpc::Status> {
    ++arrivals;
    if (arrivals <= 2) return arrivals == 1 ? kBroken : kQueueFull;
    return std::nullopt;
  });
  const auto finished = Chat();
  ASSERT_TRUE(finished.ok()) << finished.status();
  EXPECT_EQ(text, "One two three.");
  EXPECT_EQ(service().generated_turns(), 1);
}

TEST_F(ResilientRefusalsTest, SoItIsWhereATurnIsFollowedAndLost) {
  ASSERT_TRUE(Chat().ok());
  v1::AttachRequest attach;
  attach.set_request_id(service().chats()[0].request_id());
  service().SetFaults({.after_event = [this, lost = std::make_shared<std::atomic<bool>>(false)](
                                          int64_t written) -> std::optional<grpc::Status> {
                         if (written != 3 || lost->exchange(true)) return std::nullopt;
                         service().RefuseAttaches(2, kQueueFull);
                         return kBroken;
                       },
                       .merge_deltas = false});
  ASSERT_TRUE(client_->Attach(attach, [this](const v1::TurnEvent& event) { Note(event); }).ok());
  EXPECT_EQ(text, "One two three.One two three.");
  EXPECT_THAT(service().attaches(), SizeIs(4));
}

TEST_F(ResilientRefusalsTest, OneReaderTooManyIsToldAtOnce) {
  ASSERT_TRUE(Chat().ok());
  v1::AttachRequest attach;
  attach.set_request_id(service().chats()[0].request_id());
  service().RefuseAttaches(1, kQueueFull);
  const auto finished = client_->Attach(
      attach, [](const v1::TurnEvent&) {}, nullptr, &losses);
  EXPECT_EQ(ErrorReason(finished.status()), "QUEUE_FULL");
  EXPECT_THAT(service().attaches(), SizeIs(1));
  EXPECT_EQ(losses.lost, 0);
}

TEST_F(ResilientRefusalsTest, PatienceWithAFullServerEnds) {
  UseServer(server_.address(), absl::Milliseconds(100));
  service().SetFaults(CutsAfter({3}));
  service().RefuseAttaches(1000, kQueueFull);
  EXPECT_EQ(ErrorReason(Chat().status()), "QUEUE_FULL");
}

TEST_F(ResilientRefusalsTest, OtherRefusalsAreFinalForATurnThatRuns) {
  service().SetFaults(CutsAfter({3}));
  service().RefuseAttaches(1, PerennialError(grpc::StatusCode::RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED", "too much"));
  EXPECT_EQ(ErrorReason(Chat().status()), "QUOTA_EXCEEDED");
  EXPECT_THAT(service().attaches(), SizeIs(1));
}

}  // namespace
}  // namespace perennial
