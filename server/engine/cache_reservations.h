// Admission is arithmetic: how many sessions may live, so that each of them can always get its cache once enough turns
// have ended, and none is ever dropped to make room.
//
// A session reserves R = ModelRunner::CacheBytes(shape) for its life. Its cache is in device memory (of D bytes, where
// it takes R) or parked (in a store of P bytes, where it takes at most R). To bring in a session A, others are parked
// one by one until R_A bytes of D are free. So whenever the free part of D is less than R_A, one more cache B must fit
// into what the parked ones have left of P. With `used` bytes of D taken (a multiple of g, the greatest common divisor
// of all reservations):
//
//   used > D - R_A, and both sides but D are multiples of g, so used + R_A >= U, the smallest multiple of g above D;
//   the parked take at most  sum - used  <=  sum - U + R_A;
//   B fits if  sum - U + R_A + R_B <= P.
//
// A and B are two sessions, so it is enough that  sum + largest + second largest <= U + P.  Sessions of one size R, of
// which D holds d and P holds p, may thus be d + p - 1: one place stays free to pass caches through. If sum <= D
// nothing is ever parked, and no such place is needed. A set that fits still does when a session leaves it: g, and with
// it U, can only grow, the other terms only fall.

#ifndef PERENNIAL_SERVER_ENGINE_CACHE_RESERVATIONS_H_
#define PERENNIAL_SERVER_ENGINE_CACHE_RESERVATIONS_H_

#include <cstdint>
#include <map>

namespace perennial {

// A value. Not thread-safe.
class CacheReservations {
 public:
  // `cache_bytes`: D, device memory that caches can have. `parked_bytes`: P, 0 where nothing can be parked.
  CacheReservations(int64_t cache_bytes, int64_t parked_bytes)
      : cache_bytes_(cache_bytes), parked_bytes_(parked_bytes) {}

  // True if a session of `bytes` > 0 may join those that are there.
  bool Fits(int64_t bytes) const;

  void Add(int64_t bytes);
  void Remove(int64_t bytes);  // REQUIRES: it was added

  int64_t total_bytes() const { return total_bytes_; }
  int64_t cache_bytes() const { return cache_bytes_; }
  int64_t parked_bytes() const { return parked_bytes_; }

 private:
  const int64_t cache_bytes_;
  const int64_t parked_bytes_;
  std::map<int64_t, int64_t> sessions_;  // by reservation
  int64_t total_bytes_ = 0;
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_CACHE_RESERVATIONS_H_
