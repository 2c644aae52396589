#include "server/options.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"

namespace perennial {
namespace {

// An event costs up to three times as much to keep as it has bytes; half of the replay buffer may hold what came after
// the break.
constexpr int64_t kReplayPerUnread = 8;
constexpr absl::string_view kLogLevels[] = {"trace", "debug", "info", "warn", "error", "off"};
constexpr absl::string_view kPinnedHeads[] = {"system_prompt", "system_prompt_start", "sinks_only"};
constexpr absl::string_view kEvictions[] = {"turn_wise", "token_wise"};
constexpr absl::string_view kOnRepetition[] = {"ignore", "report", "finish"};
constexpr absl::string_view kDtypes[] = {"auto", "float32", "bfloat16", "float16"};

absl::Status Bad(absl::string_view flag, absl::string_view complaint) {
  return absl::InvalidArgumentError(absl::StrCat("--", flag, ": ", complaint));
}

absl::Status CheckOneOf(absl::string_view flag, absl::string_view value, absl::Span<const absl::string_view> allowed) {
  if (std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return absl::OkStatus();
  return Bad(flag, absl::StrCat("\"", value, "\" is not one of ", absl::StrJoin(allowed, ", ")));
}

absl::Status CheckRange(absl::string_view flag, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return Bad(flag, absl::StrCat(value, " is not in ", least, " … ", most));
}

absl::Status CheckDuration(absl::string_view flag, absl::Duration value, absl::Duration least, absl::Duration most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return Bad(flag, absl::StrCat(absl::FormatDuration(value), " is not in ", absl::FormatDuration(least), " … ",
                                absl::FormatDuration(most)));
}

// The host of "HOST:PORT"; brackets of IPv6 removed.
absl::string_view HostOf(absl::string_view listen) {
  const size_t colon = listen.rfind(':');
  absl::string_view host = listen.substr(0, colon == absl::string_view::npos ? listen.size() : colon);
  if (absl::ConsumePrefix(&host, "[")) absl::ConsumeSuffix(&host, "]");
  return host;
}

absl::Status CheckListen(const ServerOptions& options) {
  if (absl::StartsWith(options.listen, "unix:")) return absl::OkStatus();
  const size_t colon = options.listen.rfind(':');
  int32_t port = -1;
  if (colon == std::string::npos || colon == 0 ||
      !absl::SimpleAtoi(absl::string_view(options.listen).substr(colon + 1), &port) || port < 0 || port > 65535) {
    return Bad("listen", absl::StrCat("\"", options.listen, "\" is not HOST:PORT with a port of 0 … 65535"));
  }
  if (!options.insecure && !IsLoopback(options.listen)) {
    return Bad("listen", absl::StrCat("\"", options.listen, "\" can be reached from other machines, and there is no ",
                                      "encryption: listen on 127.0.0.1 or [::1], or add --insecure"));
  }
  return absl::OkStatus();
}

absl::Status CheckDevice(absl::string_view device) {
  absl::string_view rest = device;
  int32_t index = 0;
  if (device == "cpu" || device == "cuda") return absl::OkStatus();
  if (absl::ConsumePrefix(&rest, "cuda:") && absl::SimpleAtoi(rest, &index) && index >= 0) return absl::OkStatus();
  return Bad("device", absl::StrCat("\"", device, "\" is not cpu, cuda or cuda:N"));
}

}  // namespace

bool IsLoopback(absl::string_view listen) {
  if (absl::StartsWith(listen, "unix:")) return true;
  const absl::string_view host = HostOf(listen);
  if (host == "localhost") return true;
  in_addr v4{};
  in6_addr v6{};
  const std::string text(host);
  // Only a real address counts: a name such as 127.example.com may lead anywhere.
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  return inet_pton(AF_INET6, text.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

bool UsesCuda(const ServerOptions& options) { return absl::StartsWith(options.device, "cuda"); }

absl::Status ValidateServerOptions(const ServerOptions& options) {
  absl::Status status = CheckListen(options);
  const auto check = [&status](absl::Status next) {
    if (status.ok()) status = std::move(next);
  };
  check(CheckDevice(options.device));
  check(CheckOneOf("dtype", options.dtype, kDtypes));
  check(CheckRange("threads", options.threads, 1, 1024));
  check(CheckRange("template_fuel", options.template_fuel, 1000, int64_t{1} << 40));
  check(CheckRange("cache_tokens", options.cache_tokens, 1, int64_t{1} << 30));
  if (options.sink_tokens.has_value()) {
    check(CheckRange("sink_tokens", *options.sink_tokens, 0, options.cache_tokens - 1));
  }
  check(CheckOneOf("pinned_head", options.pinned_head, kPinnedHeads));
  check(CheckOneOf("eviction", options.eviction, kEvictions));
  check(CheckRange("max_pinned_tokens", options.max_pinned_tokens, 1, 1 << 30));
  check(CheckRange("min_window_tokens", options.min_window_tokens, 1, 1 << 30));
  check(CheckRange("cache_memory", options.cache_memory, UsesCuda(options) ? 0 : 1, int64_t{1} << 50));
  check(CheckDuration("max_idle_timeout", options.engine.max_idle_timeout, absl::Seconds(1), absl::Hours(24 * 36500)));
  check(CheckDuration("idle_timeout", options.idle_timeout, absl::Seconds(1), options.engine.max_idle_timeout));
  if (absl::Status sampling = ValidateSamplingParams(options.sampling); !sampling.ok()) {
    // "sampling.top_p: 2 is not in (0, 1]": the flags are named like the fields.
    check(absl::InvalidArgumentError(absl::StrCat("--", absl::StripPrefix(sampling.message(), "sampling."))));
  }
  check(CheckRange("max_generated_tokens", options.engine.max_generated_tokens, 1, int64_t{1} << 40));
  check(CheckRange("max_tokens", options.max_tokens, 1, options.engine.max_generated_tokens));
  check(CheckOneOf("on_repetition", options.on_repetition, kOnRepetition));
  check(CheckRange("max_session_tokens", options.engine.max_session_tokens, 0, int64_t{1} << 50));
  check(CheckDuration("max_turn_time", options.engine.max_turn_time, absl::ZeroDuration(), absl::Hours(24 * 36500)));
  check(CheckRange("max_text_bytes", options.max_text_bytes, 1, 1 << 28));
  check(CheckRange("inline_text_bytes", options.inline_text_bytes, 0, 1 << 28));
  check(CheckRange("max_waiting_texts", options.max_waiting_texts, 1, 1 << 20));
  check(CheckRange("max_json_schema_bytes", options.max_json_schema_bytes, 0, 1 << 24));
  check(CheckRange("max_unread_bytes", options.max_unread_bytes, 1024, int64_t{1} << 30));
  // What the server holds for a client, and what is on its way to it, must be replayable when the connection breaks.
  check(CheckRange("replay_bytes", options.engine.replay_bytes, kReplayPerUnread * options.max_unread_bytes,
                   int64_t{1} << 40));
  check(CheckRange("rpc_memory", options.rpc_memory, int64_t{16} << 20, int64_t{1} << 50));
  check(CheckRange("max_streams_per_connection", options.max_streams_per_connection, 1, 1 << 20));
  check(CheckDuration("drain_timeout", options.drain_timeout, absl::ZeroDuration(), absl::Hours(24)));
  check(CheckOneOf("log_level", options.log_level, kLogLevels));
  return status;
}

}  // namespace perennial
