// A stream of events from the server, read by one thread that waits. As gRPC's own blocking reader, but it knows
// whether the request left this machine.

#ifndef PERENNIAL_CLIENT_EVENT_STREAM_H_
#define PERENNIAL_CLIENT_EVENT_STREAM_H_

#include <grpcpp/completion_queue.h>
#include <grpcpp/support/async_stream.h>

#include <memory>

#include "absl/functional/function_ref.h"

namespace perennial {

// One for each call; one thread. Response is ChatResponse or AttachResponse.
template <typename Response>
class EventStream {
 public:
  using Start = absl::FunctionRef<std::unique_ptr<grpc::ClientAsyncReader<Response>>(grpc::CompletionQueue* queue)>;

  // `start` begins the call, with any tag. Waits until there is a connection and the request is sent, or cannot be.
  explicit EventStream(Start start) : reader_(start(&queue_)), sent_(Wait()) {}

  ~EventStream() {
    queue_.Shutdown();
    Wait();
  }
  EventStream(const EventStream&) = delete;
  EventStream& operator=(const EventStream&) = delete;

  // False: the server cannot have seen the request (gRPC's `ok` of a call's start). Finish tells why.
  bool sent() const { return sent_; }

  // Waits for the next event; false when none will come. Then, or after cancelling the call, Finish.
  bool Read(Response* response) {
    reader_->Read(response, nullptr);
    return Wait();
  }

  // Waits for the call's end. Once.
  grpc::Status Finish() {
    grpc::Status status;
    reader_->Finish(&status, nullptr);
    Wait();
    return status;
  }

 private:
  // The `ok` of the one operation on its way; false once the queue is shut down and empty.
  bool Wait() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }

  grpc::CompletionQueue queue_;  // outlives the reader
  std::unique_ptr<grpc::ClientAsyncReader<Response>> reader_;
  const bool sent_;
};

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_EVENT_STREAM_H_
