#include "server/request_identity.h"

#include <gtest/gtest.h>

#include <string>

#include "perennial/v1/chat_service.pb.h"
#include "server/engine/error.h"

namespace perennial {
namespace {

v1::ChatRequest Request() {
  v1::ChatRequest request;
  request.set_session_id("s");
  request.set_message("hello");
  request.set_request_id("r");
  return request;
}

absl::uint128 FingerprintOf(const v1::ChatRequest& request) { return TagOf("r", request)->fingerprint; }

TEST(RequestIdentityTest, WithoutAnIdThereIsNoTag) {
  EXPECT_TRUE(TagOf("", Request())->empty());
  EXPECT_EQ(TagOf("r", Request())->id, "r");
}

TEST(RequestIdentityTest, WhatIsAskedForMakesTheFingerprint) {
  const absl::uint128 fingerprint = FingerprintOf(Request());
  EXPECT_EQ(FingerprintOf(Request()), fingerprint);
  v1::ChatRequest other = Request();
  other.set_message("hello!");
  EXPECT_NE(FingerprintOf(other), fingerprint);
  other = Request();
  other.mutable_sampling()->set_seed(0);
  EXPECT_NE(FingerprintOf(other), fingerprint) << "given, even where it is 0";
  // Another kind of request with the same bytes.
  v1::CreateSessionRequest create;
  v1::DeleteSessionRequest remove;
  EXPECT_NE(TagOf("r", create)->fingerprint, TagOf("r", remove)->fingerprint);
}

TEST(RequestIdentityTest, HowToWaitForItDoesNot) {
  v1::ChatRequest retry = Request();
  retry.set_request_id("other");
  retry.set_if_busy(v1::IF_BUSY_REJECT);
  retry.set_on_disconnect(v1::ON_DISCONNECT_CONTINUE);
  retry.set_expected_turn(3);
  retry.set_priority(v1::PRIORITY_BATCH);
  EXPECT_EQ(FingerprintOf(retry), FingerprintOf(Request()));
}

TEST(RequestIdentityTest, TheOrderOfAMapDoesNot) {
  v1::CreateSessionRequest forth, back;
  for (int i = 0; i < 50; ++i) {
    (*forth.mutable_config()->mutable_labels())[std::to_string(i)] = "x";
    (*back.mutable_config()->mutable_labels())[std::to_string(49 - i)] = "x";
  }
  EXPECT_EQ(TagOf("r", forth)->fingerprint, TagOf("r", back)->fingerprint);
}

TEST(RequestIdentityTest, AnIdIsShortAndPrintable) {
  for (const std::string& good : {std::string(), std::string("a b~!"), std::string(128, 'x')}) {
    EXPECT_TRUE(CheckRequestId(good).ok());
  }
  for (const std::string& bad : {std::string(129, 'x'), std::string("\n"), std::string("é"), std::string(1, '\0')}) {
    EXPECT_EQ(ReasonOf(CheckRequestId(bad)), ErrorReason::kInvalidField);
    EXPECT_FALSE(TagOf(bad, Request()).ok());
  }
}

// The published values of FNV-1a with 128 bits.
TEST(RequestIdentityTest, TheFingerprintIsFnv1a) {
  EXPECT_EQ(Fingerprint(""), absl::MakeUint128(0x6c62272e07bb0142, 0x62b821756295c58d));
  EXPECT_EQ(Fingerprint("a"), absl::MakeUint128(0xd228cb696f1a8caf, 0x78912b704e4a8964));
}

}  // namespace
}  // namespace perennial
