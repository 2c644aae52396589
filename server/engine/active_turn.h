// A turn that runs: it has its session's lease, feeds the session's unfed tokens and its own, then samples the reply.
//
//   prefill ── BeginChunk, EndChunk … ──> AcceptToken (the first) ── BeginChunk, EndChunk, AcceptToken … ──> Finish
//      └── EndEarly: undone                                          └── EndEarly: partial reply, closed
//
// Until the first sampled token the session's own record is untouched but for its window and its cache, and both can go
// back. That token commits the turn.

#ifndef PERENNIAL_SERVER_ENGINE_ACTIVE_TURN_H_
#define PERENNIAL_SERVER_ENGINE_ACTIVE_TURN_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "model/model_runner.h"
#include "model/repetition_detector.h"
#include "model/text/text_stream.h"
#include "model/token.h"
#include "server/engine/budgets.h"
#include "server/engine/engine.h"
#include "server/engine/live_session.h"
#include "server/engine/reply_sampler.h"
#include "server/engine/scheduler.h"
#include "server/engine/submitted_turn.h"
#include "server/engine/turn.h"

namespace perennial {

// Engine thread only. Owns the turn's request, shares its record, points to its session, whose `leased` it holds true
// from construction until one of the three endings. The caller sends the result it gets to the record.
class ActiveTurn {
 public:
  // What the turn feeds in the next step. Valid until EndChunk.
  struct Chunk {
    absl::Span<const TokenId> tokens;
    absl::Span<const int64_t> window_begin;
    bool samples = false;  // the last token's logits give the next sampled token
  };

  // How a reply ended by itself.
  struct End {
    FinishReason reason;
    std::string stop = "";                   // kStop: the stop string that was met
    absl::Status status = absl::OkStatus();  // not OK: instead of `reason`, why the reply cannot go on
  };

  // Admits: takes the lease and sends TurnStarted. `service`: number of the last service of any turn (scheduler.h).
  // `model` and `options` must outlive the turn. REQUIRES: session->admissible().
  ActiveTurn(SubmittedTurn submitted, LiveSession* session, const EngineModel* model, const EngineOptions* options,
             int64_t service, absl::Time now);

  const TurnSpec& spec() const { return submitted_.spec; }
  LiveSession* session() const { return session_; }
  const SubmittedTurn& submitted() const { return submitted_; }
  TurnRecord& record() const { return *submitted_.record; }
  const TurnUsage& usage() const { return usage_; }
  bool decoding() const { return committed_; }
  absl::Time admitted() const { return admitted_; }
  // When its time is used up, and what it then finishes with.
  const TimeEnd& time_end() const { return time_end_; }

  TurnDemand Demand() const;

  // Feeds the next `count` tokens, 1 … Demand().tokens, in service number `service`: moves the session's window on.
  Chunk BeginChunk(int32_t count, int64_t service);

  // The step succeeded: the chunk is in the cache.
  void EndChunk(absl::Time now);

  // Samples from the logits of a chunk that `samples`. `recent`: scratch. kNoToken: the model is broken.
  TokenId Sample(absl::Span<const float> logits, std::vector<TokenId>& recent);

  // A turn without a reply has been fed: it is committed, and to be finished as from AcceptToken.
  std::optional<End> AcceptPrompt(absl::Time now);

  // Takes a sampled token, tells the client, and says whether that was the reply's end.
  std::optional<End> AcceptToken(TokenId token, absl::Time now);

  // ---- Endings: each gives the lease back; exactly one, once. ----

  // AcceptToken said that the reply ended.
  TurnResult Finish(const End& end);

  // The turn ends for a reason outside (cancelled, deadline, …) at a token boundary: it is undone before its first
  // token, closed after it. If undoing fails the result's status is MODEL_FAILURE, and the session must be dropped.
  TurnResult EndEarly(EarlyEnd why, ModelRunner& runner, absl::Time now);

  // The session is lost.
  TurnResult Drop(absl::Status status);

  // Prefill progress, or just a sign of life.
  void SendHeartbeat(absl::Time now);

 private:
  // Nothing is undone any more.
  void Commit();
  // Tells the client if the horizon has passed a turn boundary since it was last told.
  void ReportEviction(EvictionReason reason, absl::Time now);
  // Tells the client if it will soon.
  void NoticeNextEviction(absl::Time now);
  // Tokens of the message that can be read now.
  int64_t ReadablePromptTokens() const;
  // Sends text, and log-probabilities that were not sent yet, if there are any.
  void SendText(std::string text, absl::Time now);
  // The stream after a reply: what was sampled last and not fed (none after an end token), and what closes the reply.
  void CloseReply();
  End EndFor(FinishReason reason) const;
  // Why the reply ends with the token that was sampled last, which ends nothing by itself.
  std::optional<FinishReason> WhyFull() const;
  absl::Status Undo(ModelRunner& runner, absl::Time now);
  TurnResult Result(absl::Status status);

  SubmittedTurn submitted_;
  LiveSession* const session_;
  const EngineModel* const model_;
  const EngineOptions* const options_;
  const int64_t turn_;  // number in its session, from 1; not used again if the turn is undone
  const absl::Time admitted_;
  const TimeEnd time_end_;
  const int64_t begin_;           // stream index where the turn began to feed; an undo goes back to it
  const int64_t horizon_before_;  // then
  const int64_t noticed_before_;  // LiveSession::noticed_horizon then

  std::vector<TokenId> to_feed_;  // the prompt (unfed and own tokens); while decoding, the last sampled token
  size_t num_fed_ = 0;            // of to_feed_
  size_t chunk_size_ = 0;         // of the step under way, 0 between steps
  std::vector<int64_t> window_begin_;
  int64_t own_begin_;        // stream index of the turn's first own token
  int64_t prompt_size_ = 0;  // unfed and own tokens
  int64_t last_service_;
  bool committed_ = false;    // the first token was sampled: the turn can no longer be undone
  bool reply_ended_ = false;  // an end token was sampled, or the reply was given: reply_end is fed next

  ReplySampler sampler_;
  TextStream text_;
  const std::unique_ptr<RepetitionDetector> repetition_;  // nullptr: not looked for
  int32_t untold_tokens_ = 0;                             // sampled since the last text
  std::vector<TurnLogprobs> untold_logprobs_;
  TurnUsage usage_;
  TurnTiming timing_;
  absl::Time first_token_at_;
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_ACTIVE_TURN_H_
