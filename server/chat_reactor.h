// One Chat call: turns a request into a turn of the engine, and follows it.

#ifndef PERENNIAL_SERVER_CHAT_REACTOR_H_
#define PERENNIAL_SERVER_CHAT_REACTOR_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "perennial/v1/chat_service.pb.h"
#include "server/chat_request.h"
#include "server/service_parts.h"
#include "server/turn_reactor.h"

namespace perennial {

// Short requests are checked, rendered and submitted on gRPC's thread, within Start; long ones (--inline_text_bytes)
// are rendered and submitted on the text thread, unless the client has left by then. What comes after is TurnReactor's.
class ChatReactor final : public TurnReactor<v1::ChatResponse> {
 public:
  // Begins the call; the result is for gRPC, and owns itself until the call is over. A request that cannot be served
  // ends the stream with its status: INVALID_FIELD, or QUEUE_FULL where too many long texts wait. `parts` outlives the
  // call; `request` is read before this returns.
  static grpc::ServerWriteReactor<v1::ChatResponse>* Start(const ServiceParts* parts,
                                                           grpc::CallbackServerContext* context,
                                                           const v1::ChatRequest& request);

 private:
  using TurnReactor::TurnReactor;

  // On either thread.
  void RenderAndSubmit(CheckedChat chat);
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_CHAT_REACTOR_H_
