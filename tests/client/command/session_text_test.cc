#include "client/command/session_text.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/fake_chat_service.h"

namespace perennial {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kNow = 1'700'000'000;

v1::Session ForgetfulSession() {
  v1::Session session;
  session.set_session_id("beef");
  session.set_state(v1::SESSION_STATE_IDLE);
  session.set_turns(1234);
  session.set_last_turn(1234);
  session.set_cache_bytes(12 << 20);
  session.set_route("r");
  session.mutable_create_time()->set_seconds(kNow - 7200);
  session.mutable_last_use_time()->set_seconds(kNow - 180);
  session.mutable_expire_time()->set_seconds(kNow + 3420);
  session.mutable_idle_timeout()->set_seconds(3600);
  *session.mutable_memory() = ForgetfulFinishedEvent().finished().memory();
  return session;
}

TEST(SessionTextTest, TheTableTellsWhatIsForgotten) {
  v1::Session running = ForgetfulSession();
  running.set_session_id("cafe\033[2J");
  running.set_state(v1::SESSION_STATE_RUNNING);
  EXPECT_EQ(SessionTable({ForgetfulSession(), running}, absl::FromUnixSeconds(kNow)),
            "SESSION   STATE    TURNS   SEEN  CACHED  FORGOTTEN  IDLE  EXPIRES IN\n"
            "beef      idle     1,234  5,120     512      4,608    3m         57m\n"
            "cafe\xEF\xBF\xBD[2J  running  1,234  5,120     512      4,608     –           –\n");
}

TEST(SessionTextTest, ASessionSaysFromWhereOnItRemembers) {
  v1::Session session = ForgetfulSession();
  (*session.mutable_labels())["owner"] = "Ada";
  const absl::Time now = absl::FromUnixSeconds(kNow);
  EXPECT_EQ(SessionFields(session, now),
            "  session    beef\n"
            "  state      idle\n"
            "  turns      1,234\n"
            "  seen       5,120 tokens\n"
            "  cached     512 tokens, at most 4 sinks + 508 in the window (12 MiB)\n"
            "  forgotten  4,608 tokens\n"
            "  remembers  from within turn 12 (token 4,612) on\n"
            "  notes      –\n"
            "  kept       ready\n"
            "  created    2h ago\n"
            "  last used  3m ago\n"
            "  expires    in 57m, when idle for 1h\n"
            "  route      r\n"
            "  label      owner=Ada\n");
  session.mutable_memory()->set_forgotten_tokens(0);
  EXPECT_THAT(SessionFields(session, now), HasSubstr("  remembers  everything\n"));
  session.set_last_turn(1240);
  session.set_parked(true);
  session.mutable_notes()->set_tokens(7);
  session.mutable_notes()->set_budget_tokens(128);
  EXPECT_THAT(SessionFields(session, now), HasSubstr("  turns      1,234 (the newest is turn 1,240)\n"));
  EXPECT_THAT(SessionFields(session, now), HasSubstr("  notes      7 of 128 tokens\n"));
  EXPECT_THAT(SessionFields(session, now), HasSubstr("  kept       parked"));
}

TEST(SessionTextTest, StatsDivideByNothingSafely) {
  EXPECT_THAT(StatsText({}), HasSubstr("tokens each    –\n"));
  v1::Stats stats;
  stats.set_sessions(3);
  stats.set_max_sessions(1000);
  stats.set_steps(4);
  stats.set_step_tokens(10);
  stats.mutable_step_time()->set_seconds(2);
  stats.set_draining(true);
  stats.set_detached_turns(2);
  stats.set_kept_turns(5);
  stats.set_replay_bytes(2048);
  stats.set_request_ids(1);
  stats.set_parked_bytes(1024);
  stats.set_parked_memory_bytes(1 << 20);
  stats.set_sessions_forked(6);
  const std::string text = StatsText(stats);
  EXPECT_THAT(text, HasSubstr("Server: up for 0s, shutting down\n"));
  EXPECT_THAT(text, HasSubstr("now           3 of 1,000\n"));
  EXPECT_THAT(text, HasSubstr("detached   2 (nobody reads them)\n"));
  EXPECT_THAT(text, HasSubstr("kept       5 for replay, 2 KiB, 1 request id\n"));
  EXPECT_THAT(text, HasSubstr("memory   1 KiB of 1 MiB\n"));
  EXPECT_THAT(text, HasSubstr("forked        6\n"));
  EXPECT_THAT(text, HasSubstr("tokens each    2.5\n"));
  EXPECT_THAT(text, HasSubstr("time each      500.0 ms\n"));
  EXPECT_THAT(text, HasSubstr("tokens/s       5.0\n"));
}

TEST(SessionTextTest, TheModelsDefaultsAreThoseThatAreSet) {
  v1::GetModelResponse model;
  model.set_model("m");
  model.mutable_defaults()->mutable_sampling()->set_temperature(0.25F);
  model.mutable_defaults()->mutable_sampling()->set_top_k(40);
  model.mutable_limits()->set_cache_memory_bytes(int64_t{2} << 30);
  model.mutable_limits()->set_default_size_sessions(93);
  model.mutable_limits()->set_max_note_tokens(256);
  model.mutable_defaults()->set_eviction(v1::EVICTION_POLICY_TURN_WISE);
  model.mutable_limits()->set_cache_bytes_per_token(23040);
  const std::string text = ModelText(model);
  EXPECT_THAT(text, HasSubstr("sampling       temperature 0.25, top_k 40\n"));
  EXPECT_THAT(text, HasSubstr("eviction       turn_wise\n"));
  EXPECT_THAT(text, HasSubstr("max_note_tokens        256\n"));
  EXPECT_THAT(text, HasSubstr("2 GiB: 93 sessions of default size, 22.5 KiB per token\n"));
}

}  // namespace
}  // namespace perennial
