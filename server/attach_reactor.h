// One Attach call: follows a turn that exists.

#ifndef PERENNIAL_SERVER_ATTACH_REACTOR_H_
#define PERENNIAL_SERVER_ATTACH_REACTOR_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "perennial/v1/chat_service.pb.h"
#include "server/service_parts.h"
#include "server/turn_reactor.h"

namespace perennial {

class AttachReactor final : public TurnReactor<v1::AttachResponse> {
 public:
  // Begins the call; the result is for gRPC. `parts` outlives the call.
  static grpc::ServerWriteReactor<v1::AttachResponse>* Start(const ServiceParts* parts,
                                                             grpc::CallbackServerContext* context,
                                                             const v1::AttachRequest& request);

 private:
  using TurnReactor::TurnReactor;
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ATTACH_REACTOR_H_
