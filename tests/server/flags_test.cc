#include "server/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/flags/reflection.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace perennial {
namespace {

using ::testing::HasSubstr;

const HostLimits kHost = {
    .threads = 3, .memory_bytes = int64_t{4} << 30, .threads_source = "cgroup quota", .memory_source = "cgroup limit"};

void SetFlag(absl::string_view name, absl::string_view value) {
  std::string error;
  ASSERT_TRUE(absl::FindCommandLineFlag(name)->ParseFrom(value, &error)) << error;
}

TEST(FlagsTest, UnsetFlagsGiveTheDefaultsOfTheStructs) {
  const ServerOptions options = OptionsFromFlags(kHost);
  const ServerOptions defaults;
  EXPECT_EQ(options.listen, defaults.listen);
  EXPECT_EQ(options.cache_tokens, defaults.cache_tokens);
  EXPECT_EQ(options.sampling.top_p, defaults.sampling.top_p);
  EXPECT_EQ(options.engine.max_sessions, defaults.engine.max_sessions);
  EXPECT_EQ(options.engine.retry_after, defaults.engine.retry_after);
  EXPECT_TRUE(ValidateServerOptions(options).ok());
}

TEST(FlagsTest, ThreadsAndCacheMemoryComeFromTheHostUnlessTheyAreSet) {
  const absl::FlagSaver saver;
  EXPECT_EQ(OptionsFromFlags(kHost).threads, 3);
  EXPECT_EQ(OptionsFromFlags(kHost).cache_memory, int64_t{1} << 30);
  SetFlag("threads", "7");
  EXPECT_EQ(OptionsFromFlags(kHost).engine.parked_memory, int64_t{1} << 29);
  SetFlag("cache_memory", "2GiB");
  SetFlag("parked_memory", "0");
  EXPECT_EQ(OptionsFromFlags(kHost).engine.parked_memory, 0) << "none is not unset";
  EXPECT_EQ(OptionsFromFlags(kHost).threads, 7);
  EXPECT_EQ(OptionsFromFlags(kHost).cache_memory, int64_t{2} << 30);
}

TEST(FlagsTest, CacheMemoryOnAGpuIsNotTheHosts) {
  const absl::FlagSaver saver;
  SetFlag("device", "cuda:1");
  EXPECT_EQ(OptionsFromFlags(kHost).cache_memory, 0);
  EXPECT_TRUE(ValidateServerOptions(OptionsFromFlags(kHost)).ok());
  SetFlag("cache_memory", "2GiB");
  EXPECT_EQ(OptionsFromFlags(kHost).cache_memory, int64_t{2} << 30);
}

TEST(FlagsTest, EveryFlagIsInTheHelpWithItsMeaning) {
  const std::string help = HelpText(kHost);
  int count = 0;
  for (const auto& [name, flag] : absl::GetAllFlags()) {
    if (!absl::EndsWith(flag->Filename(), "server/flags.cc")) continue;
    ++count;
    EXPECT_THAT(help, HasSubstr(absl::StrCat("\n  --", name)));
    EXPECT_THAT(help, HasSubstr(flag->Help()));
  }
  EXPECT_GT(count, 40);
  EXPECT_THAT(help, HasSubstr("--threads  (3, from the cgroup quota)"));
  EXPECT_THAT(help, HasSubstr("--cache_memory  (1GiB, from the cgroup limit)"));
  EXPECT_THAT(help, HasSubstr("--parked_memory  (512MiB, from the cgroup limit)"));
}

// Sets one flag after another to a value of its own and looks whether anything in the options changes: a flag that
// nobody reads would be a lie.
TEST(FlagsTest, EveryFlagIsRead) {
  const auto fingerprint = [](const ServerOptions& o) {
    const EngineOptions& e = o.engine;
    const SamplingParams& s = o.sampling;
    return absl::StrCat(
        absl::StrCat(o.model, "|", o.chat_template, "|", o.device, "|", o.dtype, "|", o.threads, "|",
                     o.allow_untrained_length, "|", o.template_fuel, "|", o.listen, "|", o.insecure, "|", o.port_file),
        absl::StrCat("|", o.cache_tokens, "|", o.sink_tokens.value_or(-1), "|", absl::FormatDuration(o.idle_timeout),
                     "|", o.cache_memory, "|", o.max_tokens, "|", o.max_text_bytes, "|", o.inline_text_bytes, "|",
                     o.max_waiting_texts, "|", o.max_unread_bytes, "|", o.rpc_memory),
        absl::StrCat("|", o.max_streams_per_connection, "|", absl::FormatDuration(o.drain_timeout), "|", o.log_level,
                     "|", s.temperature, "|", s.top_k, "|", s.top_p, "|", s.min_p, "|", s.repetition_penalty, "|",
                     s.repetition_window),
        absl::StrCat("|", s.typical_p, "|", s.presence_penalty, "|", s.frequency_penalty, "|", e.max_stop_tokens, "|",
                     e.max_logit_biases, "|", e.max_top_logprobs, "|", o.max_json_schema_bytes),
        absl::StrCat("|", e.max_sessions, "|", e.max_waiting_turns, "|", e.max_turns_per_session, "|",
                     e.max_running_turns, "|", e.max_step_tokens, "|", e.prefill_chunk_tokens, "|",
                     e.max_opening_tokens, "|", e.max_prompt_tokens, "|", e.max_generated_tokens),
        absl::StrCat("|", o.pinned_head, "|", o.eviction, "|", o.max_pinned_tokens, "|", o.min_window_tokens, "|",
                     e.max_note_tokens, "|", e.evict_notice_tokens),
        absl::StrCat("|", e.max_stop_strings, "|", e.max_stop_string_bytes, "|", e.max_page_size, "|", e.max_labels,
                     "|", e.max_label_bytes, "|", absl::FormatDuration(e.max_idle_timeout), "|",
                     absl::FormatDuration(e.heartbeat_interval), "|", absl::FormatDuration(e.slow_reader_timeout), "|",
                     absl::FormatDuration(e.retry_after)),
        absl::StrCat("|", o.on_repetition, "|", e.max_session_tokens, "|", absl::FormatDuration(e.max_turn_time), "|",
                     e.max_tenants),
        absl::StrCat("|", absl::FormatDuration(e.detach_timeout), "|", e.replay_bytes, "|", e.kept_replay_bytes, "|",
                     e.max_readers_per_turn, "|", absl::FormatDuration(e.request_id_ttl), "|", e.max_request_ids),
        absl::StrCat("|", e.transcript_turns, "|", e.transcript_bytes, "|", e.parked_memory, "|",
                     e.copy_bytes_per_step));
  };
  const std::string defaults = fingerprint(OptionsFromFlags(kHost));
  for (const auto& [name, flag] : absl::GetAllFlags()) {
    if (!absl::EndsWith(flag->Filename(), "server/flags.cc")) continue;
    const absl::FlagSaver saver;
    std::string error;
    bool changed = false;
    for (const char* value : {"77", "0.25", "77s", "true"}) {
      if (flag->ParseFrom(value, &error)) changed |= fingerprint(OptionsFromFlags(kHost)) != defaults;
    }
    EXPECT_TRUE(changed) << name;
  }
}

}  // namespace
}  // namespace perennial
