#include "client/command/session_flags.h"

#include "gtest/gtest.h"

namespace perennial {
namespace {

// The config made of these arguments.
absl::StatusOr<v1::SessionConfig> Config(const std::vector<std::string>& arguments) {
  SessionFlags session;
  FlagSet flags;
  session.AddTo(flags);
  if (const auto parsed = flags.Parse(arguments); !parsed.ok()) return parsed.status();
  EXPECT_EQ(session.any_given(), !arguments.empty());
  return session.Config();
}

TEST(SessionFlagsTest, WhatIsNotGivenIsLeftToTheServer) { EXPECT_EQ(Config({})->ByteSizeLong(), 0U); }

TEST(SessionFlagsTest, EveryFlagReachesItsField) {
  const auto config = Config({"--system=Be brief.", "--cache_tokens=512", "--sink_tokens=0", "--note_tokens=100",
                              "--eviction=token_wise", "--pinned_head=SINKS_ONLY", "--idle_timeout=90m",
                              "--label=owner=Ada", "--label=note=a=b"});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->history(0).text(), "Be brief.");
  EXPECT_EQ(config->cache_tokens(), 512);
  EXPECT_TRUE(config->has_sink_tokens());
  EXPECT_EQ(config->note_tokens(), 100);
  EXPECT_EQ(config->eviction(), v1::EVICTION_POLICY_TOKEN_WISE);
  EXPECT_EQ(config->pinned_head(), v1::PINNED_HEAD_SINKS_ONLY);
  EXPECT_EQ(config->idle_timeout().seconds(), 5400);
  EXPECT_EQ(config->labels().at("owner"), "Ada");
  EXPECT_EQ(config->labels().at("note"), "a=b");
}

TEST(SessionFlagsTest, RefusesWhatCannotBeSent) {
  EXPECT_FALSE(Config({"--system=\xff"}).ok());
  EXPECT_FALSE(Config({"--label=plain"}).ok());
  EXPECT_FALSE(Config({"--label==x"}).ok());
  EXPECT_FALSE(Config({"--idle_timeout=-1s"}).ok());
  EXPECT_FALSE(Config({"--idle_timeout=inf"}).ok());
  EXPECT_FALSE(Config({"--idle_timeout=30"}).ok()) << "without a unit";
  EXPECT_EQ(Config({"--eviction=oldest"}).status().message(), "--eviction='oldest' is not token_wise or turn_wise");
  EXPECT_FALSE(Config({"--pinned_head=unspecified"}).ok());
}

}  // namespace
}  // namespace perennial
