// When a call's client stops waiting, on the engine's clock.

#ifndef PERENNIAL_SERVER_CALL_DEADLINE_H_
#define PERENNIAL_SERVER_CALL_DEADLINE_H_

#include <grpc/support/time.h>
#include <grpcpp/server_context.h>

#include "absl/time/time.h"

namespace perennial {

// InfiniteFuture where the client set none.
inline absl::Time DeadlineOf(const grpc::CallbackServerContext& context) {
  const gpr_timespec deadline = gpr_convert_clock_type(context.raw_deadline(), GPR_CLOCK_REALTIME);
  if (gpr_time_cmp(deadline, gpr_inf_future(GPR_CLOCK_REALTIME)) == 0) return absl::InfiniteFuture();
  return absl::FromUnixSeconds(deadline.tv_sec) + absl::Nanoseconds(deadline.tv_nsec);
}

}  // namespace perennial

#endif  // PERENNIAL_SERVER_CALL_DEADLINE_H_
