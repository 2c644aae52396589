// Sessions as people read them: the table of `perennial sessions`, the page of one, and the server's and model's
// figures.

#ifndef PERENNIAL_CLIENT_COMMAND_SESSION_TEXT_H_
#define PERENNIAL_CLIENT_COMMAND_SESSION_TEXT_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "perennial/v1/chat_service.pb.h"

namespace perennial {

// One row per session: id, state, turns, tokens seen, cached and forgotten, idle since, expires in. `now` is the local
// clock; the times are the server's, so that clocks that differ show (an idle time is never negative).
std::string SessionTable(const std::vector<v1::Session>& sessions, absl::Time now);

// Everything about one session, a line per field.
std::string SessionFields(const v1::Session& session, absl::Time now);

// Sections: sessions, parked ones, turns, tokens, steps.
std::string StatsText(const v1::Stats& stats);

// Model, defaults, limits.
std::string ModelText(const v1::GetModelResponse& model);

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_COMMAND_SESSION_TEXT_H_
