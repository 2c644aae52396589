// Words and figures for people: counts, times, sizes, the status line, tables. Pure functions; tests know them exactly.

#ifndef PERENNIAL_CLIENT_COMMAND_FORMAT_H_
#define PERENNIAL_CLIENT_COMMAND_FORMAT_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "perennial/v1/session.pb.h"
#include "perennial/v1/turn.pb.h"

namespace perennial {

absl::Duration FromProto(const google::protobuf::Duration& duration);
absl::Time FromProto(const google::protobuf::Timestamp& timestamp);
google::protobuf::Duration ToProto(absl::Duration duration);

// 1234567 → "1,234,567".
std::string CountText(int64_t count);

// 1 token, 2 tokens: "1 token", "1,000 tokens".
std::string CountText(int64_t count, absl::string_view singular, absl::string_view plural);

// 1610612736 → "1.5 GiB".
std::string BytesText(int64_t bytes);

// Rough, at most two units: "0s", "45s", "12m", "3h 5m", "2d 4h". Negative counts as zero.
std::string RoughDuration(absl::Duration duration);

// For measurements: "412 µs", "37.2 ms", "1.24 s", then as RoughDuration.
std::string FineDuration(absl::Duration duration);

// "the opening", "turn 1", "turns 1–3", "the opening and turns 1–3"; turn 0 is the session's opening.
std::string TurnsText(int64_t first_turn, int64_t last_turn);

// Tokens after the first, per second of decoding; 0 when too short to say.
double DecodeTokensPerSecond(int64_t generated_tokens, absl::Duration decode);

// Tokens fed per second; 0 when too short to say.
double PrefillTokensPerSecond(int64_t prompt_tokens, absl::Duration prefill);

// "seen 5,120 · cached 512 · forgotten 4,608 (through turn 11)": tokens of the session's stream, how many of them the
// model can read now, and how many it never will again.
std::string MemoryText(const v1::SessionMemory& memory);

// The line after a reply: the reply's figures, then MemoryText.
//   "57 tokens, 41.3/s · first after 210.0 ms · seen 5,120 · cached 512 · forgotten 4,608 (through turn 11)"
// with " · cut at max_tokens", " · stopped at "…"" and the like where the reply did not end by itself, and " ·
// connected again" where its connection was lost `reconnects` times.
std::string StatusLine(const v1::Finished& finished, int reconnects = 0);

// Why a reply did not end by itself, for the status line: "cut at max_tokens"; empty where it did.
std::string FinishText(const v1::Finished& finished);

// "idle", "waiting", "running".
std::string StateText(v1::SessionState state);

// A table of left- (or, where `right[column]`, right-) aligned columns, two spaces apart. The first row is the heading.
std::string Table(const std::vector<std::vector<std::string>>& rows, const std::vector<bool>& right);

// Lines of "  name  value" with the values in one column.
std::string Fields(const std::vector<std::pair<std::string, std::string>>& fields);

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_COMMAND_FORMAT_H_
