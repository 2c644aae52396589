// The engine's values as messages of the public API. Pure functions; any thread.

#ifndef PERENNIAL_SERVER_TO_PROTO_H_
#define PERENNIAL_SERVER_TO_PROTO_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "model/sampler.h"
#include "perennial/v1/chat_service.pb.h"
#include "perennial/v1/session.pb.h"
#include "perennial/v1/turn.pb.h"
#include "server/engine/engine_stats.h"
#include "server/engine/session.h"
#include "server/engine/transcript.h"
#include "server/engine/turn.h"

namespace perennial {

// Infinite and out-of-range values become the nearest that the message type can hold.
google::protobuf::Duration ToProto(absl::Duration duration);
google::protobuf::Timestamp ToProto(absl::Time time);

v1::SessionState ToProto(SessionState state);
v1::TurnPhase ToProto(TurnPhase phase);
v1::EvictionPolicy ToProto(EvictionPolicy eviction);
v1::Usage ToProto(const TurnUsage& usage);
v1::Notes ToProto(const SessionNotes& notes);
v1::OnRepetition ToProto(OnRepetition action);
v1::SessionMemory ToProto(const SessionMemory& memory);
v1::Session ToProto(const SessionSummary& session);
v1::TranscriptTurn ToProto(const TranscriptTurn& turn);
v1::Stats ToProto(const EngineStats& stats);

// All fields but the seed, which has no default.
v1::Sampling ToProto(const SamplingParams& sampling);

// `session_id` and `turn`: known once TurnState or TurnStarted has come ("" and 0 before).
v1::TurnEvent ToProto(const TurnEvent& event, const std::string& session_id, int64_t turn);

// The `finished` event. REQUIRES: result.status.ok().
v1::TurnEvent ToFinishedEvent(const TurnResult& result);

// SESSION_STATE_UNSPECIFIED and unknown values: no state.
std::optional<SessionState> FromProto(v1::SessionState state);

// Negative, infinite and over-long values are kept as they come: the caller checks the range.
absl::Duration FromProto(const google::protobuf::Duration& duration);

}  // namespace perennial

#endif  // PERENNIAL_SERVER_TO_PROTO_H_
