#include "server/engine/cache_reservations.h"

#include <algorithm>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace perennial {
namespace {

// How many sessions of `bytes` fit.
int64_t CountThatFit(CacheReservations reservations, int64_t bytes) {
  int64_t count = 0;
  for (; count < 1000 && reservations.Fits(bytes); ++count) reservations.Add(bytes);
  return count;
}

TEST(CacheReservationsTest, WithoutParkedMemoryTheCacheMemoryIsAll) {
  EXPECT_EQ(CountThatFit(CacheReservations(100, 0), 10), 10);
  EXPECT_EQ(CountThatFit(CacheReservations(109, 0), 10), 10);
  EXPECT_EQ(CountThatFit(CacheReservations(9, 0), 10), 0);
}

TEST(CacheReservationsTest, OnePlaceStaysFreeToPassCachesThrough) {
  EXPECT_EQ(CountThatFit(CacheReservations(100, 40), 10), 13);
  EXPECT_EQ(CountThatFit(CacheReservations(105, 45), 10), 13) << "what holds no whole cache does not count";
  EXPECT_EQ(CountThatFit(CacheReservations(10, 40), 10), 4);
  EXPECT_EQ(CountThatFit(CacheReservations(100, 10), 10), 10) << "never less than without";
  EXPECT_EQ(CountThatFit(CacheReservations(100, 5), 10), 10);
  EXPECT_EQ(CountThatFit(CacheReservations(100, 1000), 101), 0) << "a session that no cache memory could hold";
}

TEST(CacheReservationsTest, WhatLeavesMakesRoom) {
  CacheReservations reservations(20, 0);
  reservations.Add(10);
  reservations.Add(10);
  EXPECT_FALSE(reservations.Fits(1));
  reservations.Remove(10);
  EXPECT_TRUE(reservations.Fits(10));
  EXPECT_EQ(reservations.total_bytes(), 10);
}

// Where sessions are: a model of the engine that parks in a random order.
class Places {
 public:
  Places(int64_t cache, int64_t parked) : cache_free_(cache), parked_free_(parked) {}
  void Join(int64_t bytes) { sessions_.push_back({bytes, false, false}); }
  void Leave(size_t i) {
    if (sessions_[i].in_cache) cache_free_ += sessions_[i].bytes;
    if (sessions_[i].parked) parked_free_ += sessions_[i].bytes;
    sessions_.erase(sessions_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  size_t size() const { return sessions_.size(); }
  int64_t bytes(size_t i) const { return sessions_[i].bytes; }

  // Brings in session `i`; false if there is no way.
  bool Bring(size_t i, std::mt19937& random) {
    if (sessions_[i].in_cache) return true;
    while (cache_free_ < sessions_[i].bytes) {
      std::vector<Session*> held;
      for (Session& session : sessions_) {
        if (session.in_cache) held.push_back(&session);
      }
      if (held.empty()) return false;
      Session& victim = *held[random() % held.size()];
      if (victim.bytes > parked_free_) return false;
      parked_free_ -= victim.bytes;
      cache_free_ += victim.bytes;
      victim.in_cache = false;
      victim.parked = true;
    }
    cache_free_ -= sessions_[i].bytes;
    if (sessions_[i].parked) parked_free_ += sessions_[i].bytes;
    sessions_[i].in_cache = true;
    sessions_[i].parked = false;
    return true;
  }

 private:
  struct Session {
    int64_t bytes;
    bool in_cache;
    bool parked;
  };
  std::vector<Session> sessions_;
  int64_t cache_free_;
  int64_t parked_free_;
};

TEST(CacheReservationsTest, EverySessionThatWasAdmittedCanAlwaysBeBroughtIn) {
  std::mt19937 random(1);
  int64_t beyond_cache = 0;
  for (int world = 0; world < 3000; ++world) {
    const auto cache = static_cast<int64_t>(1 + random() % 40);
    const auto parked = static_cast<int64_t>(random() % 40);
    const auto largest = static_cast<int64_t>(1 + random() % 12);
    const int64_t unit = random() % 2 == 0 ? 1 : 3;
    CacheReservations reservations(cache, parked);
    Places places(cache, parked);
    for (int event = 0; event < 200; ++event) {
      const int64_t bytes = unit * static_cast<int64_t>(1 + random() % static_cast<size_t>(largest));
      if (random() % 3 == 0 && reservations.Fits(bytes)) {
        reservations.Add(bytes);
        places.Join(bytes);
        beyond_cache += reservations.total_bytes() > cache ? 1 : 0;
      } else if (places.size() > 0 && random() % 10 == 0) {
        const size_t gone = random() % places.size();
        reservations.Remove(places.bytes(gone));
        places.Leave(gone);
      } else if (places.size() > 0) {
        ASSERT_TRUE(places.Bring(random() % places.size(), random)) << "world " << world;
      }
    }
  }
  EXPECT_GT(beyond_cache, 10'000);
}

}  // namespace
}  // namespace perennial
