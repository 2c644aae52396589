// Writes a FakeTurnRecord's events to one Chat or Attach call.

#ifndef PERENNIAL_TESTS_CLIENT_FAKE_TURN_REACTOR_H_
#define PERENNIAL_TESTS_CLIENT_FAKE_TURN_REACTOR_H_

#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "tests/client/fake_turn.h"

namespace perennial {

// What a test can do to streams.
struct FakeStreamFaults {
  // Called after the event with this number was written (0: before the first): a status ends the stream with it and
  // leaves the turn alone.
  std::function<std::optional<grpc::Status>(int64_t written)> after_event;

  // Deltas that follow each other are sent as one.
  bool merge_deltas = false;
};

// How a stream ends whose connection breaks.
inline const grpc::Status kBroken(grpc::StatusCode::UNAVAILABLE, "Socket closed");

// Ends a stream with `status` after each of these events, once each.
inline FakeStreamFaults CutsAfter(std::multiset<int64_t> events, const grpc::Status& status = kBroken) {
  auto left = std::make_shared<std::multiset<int64_t>>(std::move(events));
  auto mutex = std::make_shared<absl::Mutex>();
  return {.after_event = [=](int64_t written) -> std::optional<grpc::Status> {
            absl::MutexLock lock(mutex.get());
            const auto found = left->find(written);
            if (found == left->end()) return std::nullopt;
            left->erase(found);
            return status;
          },
          .merge_deltas = false};
}

// Response is ChatResponse or AttachResponse. Deletes itself when gRPC is done with it.
template <typename Response>
class FakeTurnReactor : public grpc::ServerWriteReactor<Response>, public FakeTurnRecord::Reader {
 public:
  // `first`, if any, is sent before everything. `on_cancel` is called when the client leaves before the end.
  FakeTurnReactor(std::shared_ptr<FakeTurnRecord> record, int64_t after, std::optional<v1::TurnEvent> first,
                  FakeStreamFaults faults, std::function<void()> on_cancel)
      : record_(std::move(record)), faults_(std::move(faults)), on_cancel_(std::move(on_cancel)), written_(after) {
    if (first.has_value()) {
      *response_.mutable_event() = *std::move(first);
      this->StartWrite(&response_);
    } else {
      GoOn(0);
    }
  }

  void OnWriteDone(bool ok) override {
    if (!ok) {
      this->Finish(grpc::Status::CANCELLED);
      return;
    }
    const v1::TurnEvent& event = response_.event();
    if (!event.has_state()) written_ = event.sequence();
    GoOn(event.has_state() ? 0 : written_);
  }

  void Wake(FakeTurnRecord::Next next) override { Send(std::move(next)); }

  void OnCancel() override {
    cancelled_.store(true);
    on_cancel_();
    if (record_->Leave(*this)) this->Finish(grpc::Status::CANCELLED);
  }

  void OnDone() override { delete this; }

 private:
  // Whoever takes the reader out of the record's waiting ones goes on; so there is one flow at a time and no lock.
  void GoOn(int64_t position) {
    if (faults_.after_event) {
      if (const auto cut = faults_.after_event(position)) {
        this->Finish(*cut);
        return;
      }
    }
    FakeTurnRecord::Next next = record_->Read(written_, faults_.merge_deltas, *this);
    if (next.event.has_value() || next.end.has_value()) {
      Send(std::move(next));
    } else if (cancelled_.load() && record_->Leave(*this)) {
      this->Finish(grpc::Status::CANCELLED);
    }
  }

  void Send(FakeTurnRecord::Next next) {
    if (next.event.has_value()) {
      *response_.mutable_event() = *std::move(next.event);
      this->StartWrite(&response_);
    } else {
      this->Finish(*next.end);
    }
  }

  const std::shared_ptr<FakeTurnRecord> record_;
  const FakeStreamFaults faults_;
  const std::function<void()> on_cancel_;
  std::atomic<bool> cancelled_{false};
  int64_t written_;    // number of the last event; one flow at a time
  Response response_;  // in flight or free
};

// A call that ends at once.
template <typename Response>
class FakeRefusal : public grpc::ServerWriteReactor<Response> {
 public:
  explicit FakeRefusal(const grpc::Status& status) { this->Finish(status); }
  void OnDone() override { delete this; }
};

}  // namespace perennial

#endif  // PERENNIAL_TESTS_CLIENT_FAKE_TURN_REACTOR_H_
