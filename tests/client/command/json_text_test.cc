#include "client/command/json_text.h"

#include "client/error_text.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/client/fake_chat_service.h"

namespace perennial {
namespace {

using Json = nlohmann::json;

TEST(JsonTextTest, AReplyHasTheDocumentedShape) {
  EXPECT_EQ(Json::parse(ReplyJson("Hi \"you\"\n", "beef", 20, ForgetfulFinishedEvent().finished())), Json::parse(R"({
    "text": "Hi \"you\"\n", "session": "beef", "finish_reason": "END_OF_TURN",
    "usage": {"fed_tokens": 30, "generated_tokens": 11, "evicted_tokens": 7},
    "timing": {"queue_seconds": 0.25, "prefill_tokens_per_second": 40.0, "first_token_seconds": 0.75,
               "decode_tokens_per_second": 5.0}})"));
}

TEST(JsonTextTest, FinishReasonsHaveNoPrefix) {
  const auto reason = [](v1::FinishReason reason) {
    return Json::parse(ReplyJson("", "", 0, FinishedEvent(reason).finished()))["finish_reason"].get<std::string>();
  };
  EXPECT_EQ(reason(v1::FINISH_REASON_MAX_TOKENS), "MAX_TOKENS");
  EXPECT_EQ(reason(v1::FINISH_REASON_STOP), "STOP");
}

TEST(JsonTextTest, ASessionHasAllItsFields) {
  v1::Session session;
  session.set_session_id("beef");
  session.set_state(v1::SESSION_STATE_RUNNING);
  session.set_turns(3);
  session.set_last_turn(5);
  session.set_parked(true);
  session.mutable_notes()->set_text("Ada");
  session.mutable_notes()->add_pinned_turns(2);
  session.mutable_notes()->add_pinned_turns(3);
  session.mutable_notes()->set_tokens(9);
  session.mutable_notes()->set_budget_tokens(128);
  session.set_cache_bytes(4096);
  session.set_route("r");
  session.mutable_create_time()->set_seconds(1'700'000'000);
  session.mutable_last_use_time()->set_seconds(1'700'000'001);
  session.mutable_last_use_time()->set_nanos(500'000'000);
  session.mutable_expire_time()->set_seconds(1'700'003'600);
  session.mutable_idle_timeout()->set_seconds(3600);
  (*session.mutable_labels())["owner"] = "Ada";
  *session.mutable_memory() = ForgetfulFinishedEvent().finished().memory();
  const Json expected = Json::parse(R"({
    "session": "beef", "state": "running", "turns": 3, "last_turn": 5, "create_time": "2023-11-14T22:13:20.000Z",
    "last_use_time": "2023-11-14T22:13:21.500Z", "expire_time": "2023-11-14T23:13:20.000Z",
    "idle_timeout_seconds": 3600.0, "route": "r", "labels": {"owner": "Ada"}, "cache_bytes": 4096, "parked": true,
    "memory": {"stream_tokens": 5120, "visible_tokens": 512, "forgotten_tokens": 4608, "horizon_token": 4612,
               "horizon_turn": 12, "sink_tokens": 4, "window_tokens": 508, "window_tokens_used": 0, "note_tokens": 0},
    "notes": {"text": "Ada", "pinned_turns": [2, 3], "tokens": 9, "budget_tokens": 128}})");
  EXPECT_EQ(Json::parse(SessionJson(session)), expected);
  EXPECT_EQ(Json::parse(SessionsJson({session, session})), Json({{"sessions", {expected, expected}}}));
  EXPECT_EQ(Json::parse(SessionsJson({})), Json::parse(R"({"sessions": []})"));
}

TEST(JsonTextTest, NotesAndTranscriptsAreObjects) {
  EXPECT_EQ(Json::parse(NotesJson({})),
            Json::parse(R"({"text": "", "pinned_turns": [], "tokens": 0, "budget_tokens": 0})"));
  v1::TranscriptTurn turn;
  turn.set_turn(3);
  turn.set_forgotten(true);
  turn.add_messages()->set_role(v1::ROLE_ASSISTANT);
  turn.mutable_messages(0)->set_text("Hi");
  EXPECT_EQ(Json::parse(TranscriptJson({turn})), Json::parse(R"({"turns": [{"turn": 3,
    "messages": [{"role": "assistant", "text": "Hi"}], "truncated": false, "forgotten": true}]})"));
}

TEST(JsonTextTest, FiguresAppearUnderTheirNames) {
  v1::Stats stats;
  stats.set_evicted_tokens(7);
  stats.set_draining(true);
  stats.mutable_step_time()->set_nanos(250'000'000);
  const Json json = Json::parse(StatsJson(stats));
  EXPECT_EQ(json["evicted_tokens"], 7);
  EXPECT_EQ(json["draining"], true);
  EXPECT_EQ(json["step_time_seconds"], 0.25);
  EXPECT_EQ(json["sessions"], 0) << "zero is a figure, too";

  v1::GetModelResponse model;
  model.set_model("m");
  model.mutable_defaults()->mutable_sampling()->set_temperature(0);
  model.mutable_limits()->set_max_sessions(40);
  const Json model_json = Json::parse(ModelJson(model));
  EXPECT_EQ(model_json["model"], "m");
  EXPECT_EQ(model_json["defaults"]["sampling"],
            Json::parse(R"({"temperature": 0.0, "min_tokens": 0, "json_schema": ""})"))
      << "what is unset and can be has no default";
  EXPECT_EQ(model_json["limits"]["max_sessions"], 40);
}

TEST(JsonTextTest, CountsAndErrorsAreObjects) {
  EXPECT_EQ(Json::parse(CountJson(12)), Json::parse(R"({"tokens": 12})"));
  const absl::Status status = FromGrpcStatus(PerennialError(grpc::StatusCode::NOT_FOUND, "SESSION_NOT_FOUND", "gone"));
  EXPECT_EQ(Json::parse(ErrorJson(status, "here:1")),
            Json::parse(R"({"error": {"code": "NOT_FOUND", "reason": "SESSION_NOT_FOUND",
                                      "message": "gone [SESSION_NOT_FOUND]"}})"));
}

}  // namespace
}  // namespace perennial
