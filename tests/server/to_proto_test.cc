#include "server/to_proto.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace perennial {
namespace {

// Every field of a message is set: a field of ours that is forgotten shows. `zero`: fields whose value is 0 on purpose.
void ExpectAllFieldsSet(const google::protobuf::Message& message) {
  const google::protobuf::Descriptor* descriptor = message.GetDescriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const google::protobuf::FieldDescriptor* field = descriptor->field(i);
    const bool is_set = field->is_repeated() ? message.GetReflection()->FieldSize(message, field) > 0
                                             : message.GetReflection()->HasField(message, field);
    EXPECT_TRUE(is_set) << field->full_name();
  }
}

SessionMemory Memory() {
  return {.stream_tokens = 1,
          .visible_tokens = 2,
          .forgotten_tokens = 3,
          .horizon_token = 4,
          .horizon_turn = 5,
          .sink_tokens = 6,
          .window_tokens = 7,
          .window_tokens_used = 8,
          .note_tokens = 9};
}

TEST(ToProtoTest, DurationsKeepTheirSignAndNanoseconds) {
  EXPECT_EQ(ToProto(absl::Milliseconds(1500)).seconds(), 1);
  EXPECT_EQ(ToProto(absl::Milliseconds(1500)).nanos(), 500'000'000);
  EXPECT_EQ(ToProto(-absl::Milliseconds(1500)).seconds(), -1);
  EXPECT_EQ(ToProto(-absl::Milliseconds(1500)).nanos(), -500'000'000);
  EXPECT_EQ(ToProto(absl::InfiniteDuration()).seconds(), 315'576'000'000);
  EXPECT_EQ(FromProto(ToProto(absl::Nanoseconds(1234567890123))), absl::Nanoseconds(1234567890123));
}

TEST(ToProtoTest, TimesBeforeTheEpochRoundDown) {
  const google::protobuf::Timestamp time = ToProto(absl::UnixEpoch() - absl::Milliseconds(250));
  EXPECT_EQ(time.seconds(), -1);
  EXPECT_EQ(time.nanos(), 750'000'000);
  EXPECT_EQ(ToProto(absl::InfiniteFuture()).seconds(), 253'402'300'799);
}

TEST(ToProtoTest, EveryFieldOfASessionArrives) {
  SessionSummary session;
  session.id = "id";
  session.state = SessionState::kRunning;
  session.created = absl::FromUnixSeconds(1);
  session.last_used = absl::FromUnixSeconds(2);
  session.expires = absl::FromUnixSeconds(3);
  session.idle_timeout = absl::Seconds(4);
  session.route = "route";
  session.labels = {{"a", "b"}};
  session.turns = 5;
  session.last_turn = 6;
  session.cache_bytes = 6;
  session.parked = true;
  session.memory = Memory();
  session.notes = {.text = "n", .pinned_turns = {1}, .tokens = 2, .budget_tokens = 3};
  session.budget = {.generated_tokens = 7, .time = absl::Seconds(8)};
  session.used = {.generated_tokens = 9, .time = absl::Seconds(10)};
  const v1::Session message = ToProto(session);
  ExpectAllFieldsSet(message);
  ExpectAllFieldsSet(message.memory());
  ExpectAllFieldsSet(message.notes());
  ExpectAllFieldsSet(message.budget());
  EXPECT_EQ(message.used().generated_tokens(), 9);
  EXPECT_EQ(message.used().time().seconds(), 10);
  EXPECT_EQ(message.state(), v1::SESSION_STATE_RUNNING);
  EXPECT_EQ(message.expire_time().seconds(), 3);
  EXPECT_EQ(message.memory().horizon_turn(), 5);
}

TEST(ToProtoTest, StatesGoBothWays) {
  for (const SessionState state : {SessionState::kIdle, SessionState::kWaiting, SessionState::kRunning}) {
    EXPECT_EQ(FromProto(ToProto(state)), state);
  }
  EXPECT_EQ(FromProto(v1::SESSION_STATE_UNSPECIFIED), std::nullopt);
  EXPECT_EQ(FromProto(static_cast<v1::SessionState>(99)), std::nullopt);
}

TEST(ToProtoTest, EveryKindOfEventArrives) {
  const auto convert = [](auto event) { return ToProto(TurnEvent{.sequence = 9, .event = event}, "id", 3); };
  const v1::TurnEvent state = convert(TurnState{.session_id = "id",
                                                .turn = 3,
                                                .phase = TurnPhase::kEnded,
                                                .oldest_sequence = 1,
                                                .newest_sequence = 2,
                                                .generated_tokens = 3});
  ExpectAllFieldsSet(state.state());
  EXPECT_EQ(state.state().phase(), v1::TURN_PHASE_ENDED);
  EXPECT_EQ(convert(TurnQueued{.position = 2}).queued().position(), 2);
  TurnStarted started;
  started.prompt_tokens = 4;
  started.memory = Memory();
  EXPECT_EQ(convert(started).started().prompt_tokens(), 4);
  EXPECT_EQ(convert(started).started().memory().window_tokens(), 7);
  EXPECT_EQ(convert(TurnDelta{.text = "t", .tokens = 1, .logprobs = {}}).delta().text(), "t");
  TurnDelta delta;
  delta.logprobs.push_back({.chosen = {7, "a", -0.5f}, .top = {{8, "b", -0.25f}, {7, "a", -0.5f}}});
  const v1::TurnEvent logprobs = convert(delta);
  ASSERT_EQ(logprobs.delta().logprobs_size(), 1);
  EXPECT_EQ(logprobs.delta().logprobs(0).token(), 7);
  EXPECT_EQ(logprobs.delta().logprobs(0).token_bytes(), "a");
  EXPECT_EQ(logprobs.delta().logprobs(0).logprob(), -0.5f);
  ASSERT_EQ(logprobs.delta().logprobs(0).top_size(), 2);
  EXPECT_EQ(logprobs.delta().logprobs(0).top(0).token_bytes(), "b");
  const v1::TurnEvent evicted = convert(TurnEvicted{.first_token = 1,
                                                    .end_token = 2,
                                                    .first_turn = 3,
                                                    .last_turn = 4,
                                                    .reason = EvictionReason::kUndoneTurn,
                                                    .memory = Memory()});
  EXPECT_EQ(evicted.evicted().reason(), v1::EVICTION_REASON_UNDONE_TURN);
  ExpectAllFieldsSet(convert(TurnWillEvict{.in_tokens = 1, .first_turn = 2, .last_turn = 3}).will_evict());
  ExpectAllFieldsSet(evicted.evicted());
  const v1::TurnEvent heartbeat =
      convert(TurnHeartbeat{.queue_position = 1, .prompt_tokens_fed = 2, .prompt_tokens = 3});
  ExpectAllFieldsSet(heartbeat.heartbeat());
  const v1::TurnEvent go_away = convert(TurnGoAway{.time_left = absl::Seconds(8)});
  EXPECT_EQ(go_away.go_away().time_left().seconds(), 8);
  EXPECT_EQ(go_away.session_id(), "id");
  EXPECT_EQ(go_away.turn(), 3);
  EXPECT_EQ(go_away.first_sequence(), 9);
  EXPECT_EQ(go_away.sequence(), 9);
}

TEST(ToProtoTest, FinishedHasAllOfUsageTimingAndMemory) {
  TurnResult result;
  result.reason = FinishReason::kStop;
  result.stop = "b";
  result.usage = {.prompt_tokens = 1,
                  .fed_tokens = 2,
                  .generated_tokens = 3,
                  .evicted_tokens = 4,
                  .readable_prompt_tokens = 5,
                  .reused_tokens = 6};
  result.timing = {.queue = absl::Seconds(1),
                   .prefill = absl::Seconds(2),
                   .first_token = absl::Seconds(3),
                   .decode = absl::Seconds(4)};
  result.memory = Memory();
  result.repetition = {.period_tokens = 1, .times = 2, .exact = true, .after_tokens = 3};
  const v1::Finished finished = ToFinishedEvent(result).finished();
  ExpectAllFieldsSet(finished);
  ExpectAllFieldsSet(finished.usage());
  ExpectAllFieldsSet(finished.timing());
  ExpectAllFieldsSet(finished.memory());
  ExpectAllFieldsSet(finished.repetition());
  EXPECT_EQ(finished.stop(), "b");
  result.repetition.reset();
  EXPECT_FALSE(ToFinishedEvent(result).finished().has_repetition());
  result.reason = FinishReason::kMaxTokens;
  EXPECT_EQ(ToFinishedEvent(result).finished().reason(), v1::FINISH_REASON_MAX_TOKENS);
  result.reason = FinishReason::kCancelled;
  EXPECT_EQ(ToFinishedEvent(result).finished().reason(), v1::FINISH_REASON_CANCELLED);
}

TEST(ToProtoTest, EveryCounterHasItsOwnField) {
  EngineStats stats;
  int64_t next = 1;
  for (int64_t* field : {&stats.sessions,           &stats.max_sessions,     &stats.cache_bytes,
                         &stats.cache_memory_bytes, &stats.sessions_created, &stats.sessions_expired,
                         &stats.sessions_deleted,   &stats.sessions_failed,  &stats.waiting_turns,
                         &stats.max_waiting_turns,  &stats.running_turns,    &stats.paused_turns,
                         &stats.turns_started,      &stats.turns_finished,   &stats.turns_cancelled,
                         &stats.turns_failed,       &stats.turns_rejected,   &stats.prefill_tokens,
                         &stats.generated_tokens,   &stats.evicted_tokens,   &stats.steps,
                         &stats.step_tokens,        &stats.step_sessions}) {
    *field = next++;
  }
  for (absl::Duration* field : {&stats.step_time, &stats.last_step_time, &stats.max_step_time, &stats.uptime}) {
    *field = absl::Seconds(next++);
  }
  stats.draining = true;
  next = v1::Stats::kDetachedTurnsFieldNumber;
  for (int64_t* field : {&stats.detached_turns, &stats.kept_turns, &stats.replay_bytes, &stats.request_ids}) {
    *field = next++;
  }
  stats.turns_rejoined = v1::Stats::kTurnsRejoinedFieldNumber;
  next = v1::Stats::kParkedSessionsFieldNumber;
  for (int64_t* field :
       {&stats.parked_sessions, &stats.parked_bytes, &stats.parked_memory_bytes, &stats.sessions_parked,
        &stats.sessions_resumed, &stats.sessions_forked, &stats.sessions_rewound, &stats.copied_bytes}) {
    *field = next++;
  }
  stats.note_tokens = v1::Stats::kNoteTokensFieldNumber;
  const v1::Stats message = ToProto(stats);
  ExpectAllFieldsSet(message);
  // The fields of the message are numbered in the same order.
  const google::protobuf::Descriptor* descriptor = message.GetDescriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const google::protobuf::FieldDescriptor* field = descriptor->field(i);
    if (field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_INT64) continue;
    EXPECT_EQ(message.GetReflection()->GetInt64(message, field), field->number()) << field->full_name();
  }
}

TEST(ToProtoTest, DefaultsOfSamplingAreAllSetButTheSeed) {
  const v1::Sampling sampling = ToProto(SamplingParams{});
  EXPECT_TRUE(sampling.has_temperature() && sampling.has_top_k() && sampling.has_top_p() && sampling.has_min_p() &&
              sampling.has_repetition_penalty() && sampling.has_repetition_window());
  EXPECT_FALSE(sampling.has_seed());
}

}  // namespace
}  // namespace perennial
