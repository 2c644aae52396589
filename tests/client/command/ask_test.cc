#include <signal.h>

#include <optional>

#include "nlohmann/json.hpp"
#include "tests/client/command/command_fixture.h"

namespace perennial {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Json = nlohmann::json;

// A turn that says more than one word and then goes on until it is cancelled.
FakeTurn EndlessTurn(const v1::ChatRequest&) {
  FakeTurn turn{.events = {StartedEvent(20)}, .end = std::nullopt};
  for (int i = 0; i < 100; ++i) turn.events.push_back(DeltaEvent("word "));
  return turn;
}

using AskTest = CommandTest;

TEST_F(AskTest, PrintsTheReplyAndNothingElse) {
  const ChildResult result = Run({"ask", "Hello", "there"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out, "echo: Hello there\n");
  EXPECT_EQ(result.err, "");
}

TEST_F(AskTest, StandsAloneWithoutASession) {
  Run({"ask", "--system=Be brief.", "--cache_tokens=256", "Hello"});
  ASSERT_THAT(service().chats(), SizeIs(1));
  const v1::ChatRequest request = service().chats()[0];
  EXPECT_EQ(request.session_id(), "");
  EXPECT_EQ(request.config().cache_tokens(), 256);
  ASSERT_EQ(request.config().history_size(), 1);
  EXPECT_EQ(request.config().history(0).role(), v1::ROLE_SYSTEM);
  EXPECT_EQ(request.config().history(0).text(), "Be brief.");
  EXPECT_THAT(service().sessions(), IsEmpty());
}

TEST_F(AskTest, SendsOnlyTheSamplingThatWasGiven) {
  Run({"ask", "--temperature=0", "--seed=1", "--max_tokens", "60", "--stop=END", "--stop=###", "Hello"});
  ASSERT_THAT(service().chats(), SizeIs(1));
  const v1::ChatRequest request = service().chats()[0];
  EXPECT_TRUE(request.sampling().has_temperature());
  EXPECT_EQ(request.sampling().temperature(), 0);
  EXPECT_EQ(request.sampling().seed(), 1);
  EXPECT_FALSE(request.sampling().has_top_p());
  EXPECT_EQ(request.max_tokens(), 60);
  EXPECT_THAT(request.stop(), ElementsAre("END", "###"));
}

TEST_F(AskTest, ReadsStandardInputWithoutTextOrWithADash) {
  EXPECT_EQ(Run({"ask"}, "from a pipe\n").out, "echo: from a pipe\n");
  EXPECT_EQ(Run({"ask", "-"}, "from a pipe").out, "echo: from a pipe\n");
  EXPECT_EQ(Run({"ask", "Review this:", "-"}, "a diff\n").out, "echo: Review this:\na diff\n");
}

TEST_F(AskTest, PrintsJsonOfAFixedShape) {
  service().SetOnChat([](const v1::ChatRequest&) {
    return FakeTurn{.events = {StartedEvent(20), DeltaEvent("Hi"), DeltaEvent(" you"), ForgetfulFinishedEvent()}};
  });
  const ChildResult result = Run({"ask", "--json", "Hello"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(Json::parse(result.out), Json::parse(R"({
    "text": "Hi you", "session": "ephemeral", "finish_reason": "END_OF_TURN",
    "usage": {"fed_tokens": 30, "generated_tokens": 11, "evicted_tokens": 7},
    "timing": {"queue_seconds": 0.25, "prefill_tokens_per_second": 40.0, "first_token_seconds": 0.75,
               "decode_tokens_per_second": 5.0}})"));
}

TEST_F(AskTest, KeepsASessionAndGoesOnWithIt) {
  const ChildResult first = Run({"ask", "--keep", "My name is Ada."});
  EXPECT_EQ(first.exit_code, 0);
  EXPECT_EQ(first.out, "echo: My name is Ada.\n");
  ASSERT_THAT(service().sessions(), SizeIs(1));
  const std::string id = service().sessions()[0].session_id();
  EXPECT_EQ(first.err, "session: " + id + "\n");

  const ChildResult second = Run({"ask", "--session=" + id, "What is my name?"});
  EXPECT_EQ(second.exit_code, 0);
  EXPECT_EQ(service().chats()[1].session_id(), id);
  EXPECT_FALSE(service().chats()[1].has_config());
}

TEST_F(AskTest, UnknownSessionIsExitCodeFour) {
  const ChildResult result = Run({"ask", "--session=beef", "Hello"});
  EXPECT_EQ(result.exit_code, 4);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err, "perennial: session 'beef' is unknown [SESSION_NOT_FOUND]\n");
}

TEST_F(AskTest, AnErrorWithJsonIsAnObjectToo) {
  const ChildResult result = Run({"ask", "--json", "--session=beef", "Hello"});
  EXPECT_EQ(result.exit_code, 4);
  EXPECT_EQ(Json::parse(result.out), Json::parse(R"({"error": {"code": "NOT_FOUND", "reason": "SESSION_NOT_FOUND",
    "message": "session 'beef' is unknown [SESSION_NOT_FOUND]"}})"));
}

TEST_F(AskTest, CtrlCCancelsTheTurnAndIsExitCode130) {
  service().SetOnChat([](const v1::ChatRequest&) {
    return FakeTurn{.events = {StartedEvent(20), DeltaEvent("thinking")}, .end = std::nullopt};
  });
  ChildProcess child(Arguments({"ask", "Hello"}), ChildProcess::Streams::kPipes);
  ASSERT_TRUE(child.WaitFor("thinking"));
  child.Signal(SIGINT);
  const ChildResult result = child.Wait();
  EXPECT_EQ(result.exit_code, 130);
  EXPECT_EQ(result.out, "thinking\n");
  EXPECT_EQ(result.err, "perennial: interrupted\n");
  EXPECT_TRUE(service().WaitForCancelledTurns(1));
}

TEST_F(AskTest, CtrlCCancelsAlsoATurnThatNobodyCouldFindAgain) {
  service().SetOnChat(EndlessTurn);
  ChildProcess child(Arguments({"ask", "--patience=0", "Hello"}), ChildProcess::Streams::kPipes);
  ASSERT_TRUE(child.WaitFor("word"));
  child.Signal(SIGINT);
  EXPECT_EQ(child.Wait().exit_code, 130);
  EXPECT_TRUE(service().WaitForCancelledTurns(1));
}

TEST_F(AskTest, AReaderThatLeavesEndsTheTurn) {
  service().SetOnChat(EndlessTurn);
  int turns = 0;
  for (const char* const flag : {"--patience=2m", "--patience=0", "--request_id=mine"}) {
    SCOPED_TRACE(flag);
    ChildProcess child(Arguments({"ask", flag, "Hello"}), ChildProcess::Streams::kPipes);
    child.CloseOutput();  // as of `| head` that has read enough
    const ChildResult result = child.Wait();
    EXPECT_EQ(result.exit_code, 141);
    EXPECT_EQ(result.err, "") << "the reader wanted no more: no news";
    EXPECT_TRUE(service().WaitForCancelledTurns(++turns));
  }
  EXPECT_TRUE(service().WaitForCancelCalls(2)) << "closed properly where CancelTurn can name the turn";
}

TEST_F(AskTest, AFullDiskEndsTheTurnAndIsTold) {
  service().SetOnChat(EndlessTurn);
  const ChildResult result =
      RunChild({"/bin/sh", "-c", absl::StrCat(PERENNIAL_COMMAND, " --server=", address(), " ask Hello > /dev/full")});
  EXPECT_EQ(result.exit_code, 141);
  EXPECT_EQ(result.err, "perennial: standard output cannot be written: No space left on device\n");
  EXPECT_TRUE(service().WaitForCancelledTurns(1));
}

TEST_F(AskTest, AConnectionLostBeforeTheFirstEventIsFoundAgainToo) {
  service().SetFaults(CutsAfter({0}));
  const ChildResult result = Run({"ask", "Hello"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out, "echo: Hello\n");
  EXPECT_EQ(result.err, "perennial: the connection was lost; trying to go on …\n");
  EXPECT_EQ(service().generated_turns(), 1);
}

TEST_F(AskTest, GoesOnAfterALostConnection) {
  service().SetFaults(CutsAfter({2}));
  const ChildResult result = Run({"ask", "Hello"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out, "echo: Hello\n");
  EXPECT_EQ(result.err, "perennial: the connection was lost; trying to go on …\n");
  EXPECT_EQ(service().generated_turns(), 1);
  ASSERT_THAT(service().chats(), SizeIs(1));
  EXPECT_THAT(service().chats()[0].request_id(), SizeIs(22)) << "a random one";
  EXPECT_EQ(service().chats()[0].on_disconnect(), v1::ON_DISCONNECT_CONTINUE);
}

TEST_F(AskTest, WithoutPatienceALostConnectionIsTheEnd) {
  service().SetFaults({.after_event = [](int64_t written) -> std::optional<grpc::Status> {
                         if (written != 2) return std::nullopt;
                         return grpc::Status(grpc::StatusCode::UNAVAILABLE, "Socket closed");
                       },
                       .merge_deltas = false});
  EXPECT_EQ(Run({"ask", "--patience=0", "Hello"}).exit_code, 3);
  EXPECT_THAT(service().attaches(), IsEmpty());
  ASSERT_THAT(service().chats(), SizeIs(1));
  EXPECT_NE(service().chats()[0].on_disconnect(), v1::ON_DISCONNECT_CONTINUE) << "it would run on for nobody";
  EXPECT_EQ(service().chats()[0].request_id(), "");
}

TEST_F(AskTest, WithARequestIdItIsAskedOnce) {
  const ChildResult first = Run({"ask", "--request_id=mine", "Hello"});
  const ChildResult second = Run({"ask", "--request_id=mine", "Hello"});
  EXPECT_EQ(first.out, "echo: Hello\n");
  EXPECT_EQ(second.out, first.out);
  EXPECT_EQ(service().generated_turns(), 1);
  EXPECT_EQ(service().chats()[0].on_disconnect(), v1::ON_DISCONNECT_CONTINUE);
  const ChildResult kept = Run({"ask", "--keep", "--request_id=yours", "Hello"});
  EXPECT_EQ(Run({"ask", "--keep", "--request_id=yours", "Hello"}).err, kept.err) << "the same session";
  EXPECT_EQ(service().generated_turns(), 2);
  const ChildResult other = Run({"ask", "--request_id=mine", "Goodbye"});
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_THAT(other.err, HasSubstr("[REQUEST_ID_REUSED]"));
}

TEST_F(AskTest, WithARequestIdCtrlCClosesTheReply) {
  service().SetOnChat([](const v1::ChatRequest&) {
    return FakeTurn{.events = {StartedEvent(20), DeltaEvent("thinking")}, .end = std::nullopt};
  });
  ChildProcess child(Arguments({"ask", "--json", "--request_id=mine", "Hello"}), ChildProcess::Streams::kPipes);
  ASSERT_TRUE(service().WaitForTurns(1));
  child.Signal(SIGINT);
  const ChildResult result = child.Wait();
  EXPECT_EQ(result.exit_code, 130);
  EXPECT_EQ(Json::parse(result.out)["finish_reason"], "CANCELLED");
  EXPECT_EQ(result.err, "perennial: interrupted\n");
}

TEST_F(AskTest, AnotherRefusalIsExitCodeOneWithItsReason) {
  service().SetOnChat([](const v1::ChatRequest&) {
    return FakeTurn{.events = {},
                    .end = PerennialError(grpc::StatusCode::INVALID_ARGUMENT, "INVALID_FIELD",
                                          "sampling.top_p: 1.5 is not in (0, 1]")};
  });
  const ChildResult result = Run({"ask", "--top_p=1.5", "Hello"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.err, "perennial: sampling.top_p: 1.5 is not in (0, 1] [INVALID_FIELD]\n");
}

TEST_F(AskTest, TellsWhatWasForgottenOnStandardError) {
  service().SetOnChat([](const v1::ChatRequest&) {
    return FakeTurn{.events = {StartedEvent(20), EvictedEvent(1, 2), EvictedEvent(3, 3), DeltaEvent("Yes."),
                               ForgetfulFinishedEvent()}};
  });
  const ChildResult result = Run({"ask", "Hello"});
  EXPECT_EQ(result.out, "Yes.\n");
  EXPECT_EQ(result.err,
            "perennial: note: the cache is full: the model can no longer read all of turns 1–3. "
            "Its oldest tokens go as new ones come.\n");
}

TEST_F(AskTest, WrongUsageIsExitCodeTwoAndAsksNothing) {
  EXPECT_EQ(Run({"ask", "--temperatur=1", "Hello"}).exit_code, 2);
  EXPECT_EQ(Run({"ask", "--temperature=warm", "Hello"}).exit_code, 2);
  EXPECT_EQ(Run({"ask", "--session=beef", "--system=Be brief.", "Hello"}).exit_code, 2);
  EXPECT_EQ(Run({"ask", ""}).exit_code, 2);
  EXPECT_THAT(Run({"ask", "-"}, "\xff").err, HasSubstr("is not UTF-8: byte 0 is 0xff"));
  EXPECT_THAT(service().chats(), IsEmpty());
}

}  // namespace
}  // namespace perennial
