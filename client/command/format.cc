#include "client/command/format.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/command/utf8.h"

namespace perennial {

absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

absl::Time FromProto(const google::protobuf::Timestamp& timestamp) {
  return absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos());
}

google::protobuf::Duration ToProto(absl::Duration duration) {
  google::protobuf::Duration proto;
  proto.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &duration));
  proto.set_nanos(static_cast<int32_t>(absl::IDivDuration(duration, absl::Nanoseconds(1), &duration)));
  return proto;
}

std::string CountText(int64_t count) {
  std::string digits = absl::StrCat(count);
  const int first = count < 0 ? 1 : 0;
  for (int place = static_cast<int>(digits.size()) - 3; place > first; place -= 3) digits.insert(place, ",");
  return digits;
}

std::string CountText(int64_t count, absl::string_view singular, absl::string_view plural) {
  return absl::StrCat(CountText(count), " ", count == 1 ? singular : plural);
}

std::string BytesText(int64_t bytes) {
  constexpr absl::string_view kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  if (unit == 0 || value == std::floor(value)) return absl::StrFormat("%.0f %s", value, kUnits[unit]);
  return absl::StrFormat("%.1f %s", value, kUnits[unit]);
}

std::string RoughDuration(absl::Duration duration) {
  const int64_t seconds = std::max<int64_t>(0, absl::ToInt64Seconds(duration));
  const int64_t minutes = seconds / 60, hours = minutes / 60, days = hours / 24;
  const auto two = [](int64_t large, const char* large_unit, int64_t small, const char* small_unit) {
    return small == 0 ? absl::StrCat(large, large_unit) : absl::StrCat(large, large_unit, " ", small, small_unit);
  };
  if (days > 0) return two(days, "d", hours % 24, "h");
  if (hours > 0) return two(hours, "h", minutes % 60, "m");
  return minutes > 0 ? absl::StrCat(minutes, "m") : absl::StrCat(seconds, "s");
}

std::string FineDuration(absl::Duration duration) {
  if (duration < absl::Milliseconds(1)) return absl::StrFormat("%.0f µs", absl::ToDoubleMicroseconds(duration));
  if (duration < absl::Seconds(1)) return absl::StrFormat("%.1f ms", absl::ToDoubleMilliseconds(duration));
  if (duration < absl::Minutes(1)) return absl::StrFormat("%.2f s", absl::ToDoubleSeconds(duration));
  return RoughDuration(duration);
}

std::string TurnsText(int64_t first_turn, int64_t last_turn) {
  if (last_turn <= 0) return "the opening";
  const int64_t first_numbered = std::max<int64_t>(first_turn, 1);
  std::string turns = first_numbered >= last_turn
                          ? absl::StrCat("turn ", CountText(last_turn))
                          : absl::StrCat("turns ", CountText(first_numbered), "–", CountText(last_turn));
  return first_turn <= 0 ? absl::StrCat("the opening and ", turns) : turns;
}

double DecodeTokensPerSecond(int64_t generated_tokens, absl::Duration decode) {
  if (generated_tokens < 2 || decode <= absl::ZeroDuration()) return 0;
  return static_cast<double>(generated_tokens - 1) / absl::ToDoubleSeconds(decode);
}

double PrefillTokensPerSecond(int64_t prompt_tokens, absl::Duration prefill) {
  if (prompt_tokens < 1 || prefill <= absl::ZeroDuration()) return 0;
  return static_cast<double>(prompt_tokens) / absl::ToDoubleSeconds(prefill);
}

std::string MemoryText(const v1::SessionMemory& memory) {
  std::string text =
      absl::StrCat("seen ", CountText(memory.stream_tokens()), " · cached ", CountText(memory.visible_tokens()),
                   " · forgotten ", CountText(memory.forgotten_tokens()));
  // The horizon's own turn may be cut; the ones before it are gone for certain.
  if (memory.forgotten_tokens() > 0 && memory.horizon_turn() > 1) {
    absl::StrAppend(&text, " (through turn ", CountText(memory.horizon_turn() - 1), ")");
  }
  return text;
}

std::string FinishText(const v1::Finished& finished) {
  switch (finished.reason()) {
    case v1::FINISH_REASON_MAX_TOKENS:
      return "cut at max_tokens";
    case v1::FINISH_REASON_STOP:
      return absl::StrCat("stopped at \"", finished.stop(), "\"");
    case v1::FINISH_REASON_STOP_TOKEN:
      return "stopped at a stop token";
    case v1::FINISH_REASON_CANCELLED:
      return "stopped";
    case v1::FINISH_REASON_REPETITION:
      return absl::StrCat("ended: it repeated ", CountText(finished.repetition().period_tokens(), "token", "tokens"),
                          " ", CountText(finished.repetition().times(), "time", "times"));
    case v1::FINISH_REASON_TURN_BUDGET:
      return "ended: its time was up";
    case v1::FINISH_REASON_SESSION_BUDGET:
      return "ended: the session's budget is used up";
    default:
      return "";
  }
}

std::string StatusLine(const v1::Finished& finished, int reconnects) {
  std::string text = CountText(finished.usage().generated_tokens(), "token", "tokens");
  const double rate = DecodeTokensPerSecond(finished.usage().generated_tokens(), FromProto(finished.timing().decode()));
  if (rate > 0) absl::StrAppend(&text, absl::StrFormat(", %.1f/s", rate));
  if (finished.timing().has_first_token()) {
    absl::StrAppend(&text, " · first after ", FineDuration(FromProto(finished.timing().first_token())));
  }
  if (const std::string end = FinishText(finished); !end.empty()) absl::StrAppend(&text, " · ", end);
  if (reconnects > 0) {
    absl::StrAppend(&text, " · connected again", reconnects > 1 ? absl::StrCat(" ", reconnects, " times") : "");
  }
  return absl::StrCat(text, " · ", MemoryText(finished.memory()));
}

std::string StateText(v1::SessionState state) {
  switch (state) {
    case v1::SESSION_STATE_IDLE:
      return "idle";
    case v1::SESSION_STATE_WAITING:
      return "waiting";
    case v1::SESSION_STATE_RUNNING:
      return "running";
    default:
      return "unknown";
  }
}

std::string Table(const std::vector<std::vector<std::string>>& rows, const std::vector<bool>& right) {
  std::vector<size_t> widths(right.size(), 0);
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], CountCharacters(row[i]));
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - CountCharacters(row[i]), ' ');
      absl::StrAppend(&line, i == 0 ? "" : "  ", right[i] ? padding : "", row[i], right[i] ? "" : padding);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    absl::StrAppend(&text, line, "\n");
  }
  return text;
}

std::string Fields(const std::vector<std::pair<std::string, std::string>>& fields) {
  size_t width = 0;
  for (const auto& [name, value] : fields) width = std::max(width, CountCharacters(name));
  std::string text;
  for (const auto& [name, value] : fields) {
    absl::StrAppend(&text, "  ", name, std::string(width - CountCharacters(name) + 2, ' '), value, "\n");
  }
  return text;
}

}  // namespace perennial
