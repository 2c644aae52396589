// One chat template as a function from messages to text. Private to model/text: ChatTemplate is what others use.

#ifndef PERENNIAL_MODEL_TEXT_TEMPLATE_RENDERING_H_
#define PERENNIAL_MODEL_TEXT_TEMPLATE_RENDERING_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "model/text/rust_text.h"

namespace perennial::text_internal {

// A message as the template sees it.
struct TemplateMessage {
  absl::string_view role;  // "system", "user", "assistant"
  std::string content;     // UTF-8, defused
};

// Whether the rendering ends with the header of the reply to come (Jinja's add_generation_prompt).
enum class Ending { kAfterLastMessage, kBeforeReply };

// A compiled template with the variables that are the same in every rendering. Immutable; thread-safe.
class TemplateRendering {
 public:
  struct Options {
    std::string source;    // Jinja
    std::string bos_text;  // `bos_token`
    std::string eos_text;  // `eos_token`
    int64_t fuel = 0;      // minijinja's, > 0, for one rendering
  };

  // INVALID_ARGUMENT if the template does not compile or fuel is not positive.
  static absl::StatusOr<TemplateRendering> Create(const Options& options);

  // INVALID_ARGUMENT where the template raises or runs out of fuel. `now` is what strftime_now shows.
  absl::StatusOr<std::string> Render(absl::Span<const TemplateMessage> messages, Ending ending, absl::Time now) const;

  const std::string& eos_text() const { return options_.eos_text; }

 private:
  TemplateRendering(Options options, PerennialTemplate* chat_template);

  Options options_;
  std::unique_ptr<PerennialTemplate, FreeTemplate> template_;  // never null
};

}  // namespace perennial::text_internal

#endif  // PERENNIAL_MODEL_TEXT_TEMPLATE_RENDERING_H_
