// One Attach call: follows a turn that exists.

#ifndef PERENNIAL_SERVER_ATTACH_REACTOR_H_
#define PERENNIAL_SERVER_ATTACH_REACTOR_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "perennial/v1/chat_service.pb.h"
#include "server/service_parts.h"
#include "server/turn_reactor.h"

namespace perennial {

// A TurnReactor whose turn another call has made: it reads along and never ends the turn, unless it is the turn's last
// reader and nobody comes back (detach_timeout). How many may read a turn is the engine's to say (QUEUE_FULL).
class AttachReactor final : public TurnReactor<v1::AttachResponse> {
 public:
  // Begins the call on gRPC's thread; the result is for gRPC, and owns itself until the call is over. A request that is
  // wrong (INVALID_FIELD) or names no turn that can be replayed ends the call with that status. `parts` outlives the
  // call; `request` is read before this returns.
  static grpc::ServerWriteReactor<v1::AttachResponse>* Start(const ServiceParts* parts,
                                                             grpc::CallbackServerContext* context,
                                                             const v1::AttachRequest& request);

 private:
  using TurnReactor::TurnReactor;
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ATTACH_REACTOR_H_
