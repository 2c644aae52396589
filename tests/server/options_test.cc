#include "server/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>

namespace perennial {
namespace {

using ::testing::StartsWith;

TEST(OptionsTest, DefaultsAreValid) { EXPECT_TRUE(ValidateServerOptions({}).ok()); }

TEST(OptionsTest, EveryBadFlagIsNamed) {
  struct Case {
    std::string flag;
    std::function<void(ServerOptions&)> spoil;
  };
  const Case cases[] = {
      {"listen", [](ServerOptions& o) { o.listen = "127.0.0.1"; }},
      {"listen", [](ServerOptions& o) { o.listen = ":1"; }},
      {"listen", [](ServerOptions& o) { o.listen = "127.0.0.1:65536"; }},
      {"listen", [](ServerOptions& o) { o.listen = "10.0.0.1:1"; }},
      {"device", [](ServerOptions& o) { o.device = "cuda:x"; }},
      {"dtype", [](ServerOptions& o) { o.dtype = "int3"; }},
      {"threads", [](ServerOptions& o) { o.threads = 0; }},
      {"template_fuel", [](ServerOptions& o) { o.template_fuel = 0; }},
      {"cache_tokens", [](ServerOptions& o) { o.cache_tokens = 0; }},
      {"sink_tokens", [](ServerOptions& o) { o.sink_tokens = -1; }},
      {"sink_tokens", [](ServerOptions& o) { o.sink_tokens = o.cache_tokens; }},
      {"pinned_head", [](ServerOptions& o) { o.pinned_head = "all"; }},
      {"eviction", [](ServerOptions& o) { o.eviction = "turnwise"; }},
      {"max_pinned_tokens", [](ServerOptions& o) { o.max_pinned_tokens = 0; }},
      {"min_window_tokens", [](ServerOptions& o) { o.min_window_tokens = 0; }},
      {"cache_memory", [](ServerOptions& o) { o.cache_memory = 0; }},
      {"max_idle_timeout", [](ServerOptions& o) { o.engine.max_idle_timeout = absl::ZeroDuration(); }},
      {"idle_timeout", [](ServerOptions& o) { o.idle_timeout = o.engine.max_idle_timeout + absl::Seconds(1); }},
      {"top_p", [](ServerOptions& o) { o.sampling.top_p = std::nanf(""); }},
      {"max_generated_tokens", [](ServerOptions& o) { o.engine.max_generated_tokens = 0; }},
      {"max_tokens", [](ServerOptions& o) { o.max_tokens = o.engine.max_generated_tokens + 1; }},
      {"on_repetition", [](ServerOptions& o) { o.on_repetition = "stop"; }},
      {"max_session_tokens", [](ServerOptions& o) { o.engine.max_session_tokens = -1; }},
      {"max_turn_time", [](ServerOptions& o) { o.engine.max_turn_time = -absl::Seconds(1); }},
      {"max_text_bytes", [](ServerOptions& o) { o.max_text_bytes = 0; }},
      {"inline_text_bytes", [](ServerOptions& o) { o.inline_text_bytes = -1; }},
      {"max_waiting_texts", [](ServerOptions& o) { o.max_waiting_texts = 0; }},
      {"max_json_schema_bytes", [](ServerOptions& o) { o.max_json_schema_bytes = -1; }},
      {"typical_p", [](ServerOptions& o) { o.sampling.typical_p = 0; }},
      {"presence_penalty", [](ServerOptions& o) { o.sampling.presence_penalty = 3; }},
      {"replay_bytes", [](ServerOptions& o) { o.engine.replay_bytes = 8 * o.max_unread_bytes - 1; }},
      {"max_unread_bytes", [](ServerOptions& o) { o.max_unread_bytes = 1023; }},
      {"rpc_memory", [](ServerOptions& o) { o.rpc_memory = 1; }},
      {"max_streams_per_connection", [](ServerOptions& o) { o.max_streams_per_connection = 0; }},
      {"drain_timeout", [](ServerOptions& o) { o.drain_timeout = -absl::Seconds(1); }},
      {"log_level", [](ServerOptions& o) { o.log_level = "Info"; }},
  };
  for (const Case& bad : cases) {
    ServerOptions options;
    bad.spoil(options);
    const absl::Status status = ValidateServerOptions(options);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << bad.flag;
    EXPECT_THAT(std::string(status.message()), StartsWith("--" + bad.flag + ": "));
  }
}

TEST(OptionsTest, InsecureAllowsAnyAddress) {
  ServerOptions options;
  options.listen = "0.0.0.0:50051";
  EXPECT_FALSE(ValidateServerOptions(options).ok());
  options.insecure = true;
  EXPECT_TRUE(ValidateServerOptions(options).ok());
}

TEST(OptionsTest, OnlyRealLoopbackAddressesCount) {
  for (const char* listen : {"127.0.0.1:0", "127.9.9.9:1", "localhost:1", "[::1]:1", "unix:/run/perennial"}) {
    EXPECT_TRUE(IsLoopback(listen)) << listen;
  }
  for (const char* listen : {"0.0.0.0:1", "[::]:1", "127.example.com:1", "localhost.example.com:1", "128.0.0.1:1",
                             "[::ffff:10.0.0.1]:1", "127.0.0.1.:1"}) {
    EXPECT_FALSE(IsLoopback(listen)) << listen;
  }
}

}  // namespace
}  // namespace perennial
