/* Tokenizers, chat templates and JSON Schema constraints: the C interface of the Rust library in this folder.
 *
 * Rules for every function:
 * - Memory. A PerennialSlice is borrowed for the length of the call. PerennialBytes, PerennialTokens and the
 * handles are given to the caller, who gives each back exactly once with its _free function. Outputs are overwritten,
 * not freed: pass empty ones. A null output pointer means "not wanted".
 * - Errors. Functions that can fail return false or a null handle and then write a message (UTF-8, one line, for
 * people) to `error` or `out`. A panic inside becomes such a message; none leaves the library.
 * - Threads. Handles are immutable, but for PerennialConstraint: any number of threads may use one at once. A
 * constraint's functions are for one thread at a time. Freeing a handle must be its last use.
 */

#ifndef PERENNIAL_MODEL_TEXT_RUST_PERENNIAL_TEXT_H_
#define PERENNIAL_MODEL_TEXT_RUST_PERENNIAL_TEXT_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Borrowed bytes. `data` may be null if `size` is 0. */
typedef struct PerennialSlice {
  const uint8_t* data;
  size_t size;
} PerennialSlice;

/* Owned bytes; `capacity` is the library's. */
typedef struct PerennialBytes {
  uint8_t* data;
  size_t size;
  size_t capacity;
} PerennialBytes;

/* Owned token ids. */
typedef struct PerennialTokens {
  int32_t* data;
  size_t size;
  size_t capacity;
} PerennialTokens;

/* GGUF's `tokenizer.ggml.*`; see GgufVocabulary in model/checkpoint/checkpoint.h. Lengths that do not fit together are
 * reported, not trusted. */
typedef struct PerennialGgufVocabulary {
  PerennialSlice model;
  PerennialSlice pre;
  const PerennialSlice* tokens; /* [num_tokens] */
  size_t num_tokens;
  const int32_t* types; /* [num_types] */
  size_t num_types;
  const float* scores; /* [num_scores] */
  size_t num_scores;
  const PerennialSlice* merges; /* [num_merges] */
  size_t num_merges;
  bool add_space_prefix;
  bool controls_take_space_after;
} PerennialGgufVocabulary;

typedef struct PerennialTokenizer PerennialTokenizer;
typedef struct PerennialTemplate PerennialTemplate;
typedef struct PerennialConstraint PerennialConstraint;

/* Which tokens may come next: bit t % 32 of words[t / 32] is token t's. Borrowed until the constraint moves on or is
 * freed. All zero: the text is complete and nothing can follow. */
typedef struct PerennialAllowed {
  const uint32_t* words; /* [num_words] */
  size_t num_words;
  bool complete; /* the text may end here */
} PerennialAllowed;

void perennial_bytes_free(PerennialBytes bytes);
void perennial_tokens_free(PerennialTokens tokens);

/* A tokenizer from the text of a tokenizer.json, or from GGUF's arrays. `chat_template` (may be empty) names literals,
 * such as </think>, that are to be treated like control tokens in what users type. Null: failed, see `error`. */
PerennialTokenizer* perennial_tokenizer_from_json(PerennialSlice json, PerennialSlice chat_template,
                                                  PerennialBytes* error);
PerennialTokenizer* perennial_tokenizer_from_gguf(const PerennialGgufVocabulary* vocabulary,
                                                  PerennialSlice chat_template, PerennialBytes* error);
void perennial_tokenizer_free(PerennialTokenizer* tokenizer); /* null is allowed */

/* Highest token id + 1. */
size_t perennial_tokenizer_size(const PerennialTokenizer* tokenizer);

/* Text to tokens. `rendered` false: typed text, no control token comes out. True: a rendered template, control literals
 * in it are control tokens except where `defuse` broke them up. */
bool perennial_tokenizer_encode(const PerennialTokenizer* tokenizer, PerennialSlice text, bool rendered,
                                PerennialTokens* tokens, PerennialBytes* error);

/* The bytes that `id` adds to a reply; none for a control token or an id that the vocabulary lacks. */
bool perennial_tokenizer_token_bytes(const PerennialTokenizer* tokenizer, int32_t id, PerennialBytes* out);

/* The id of the control token written `literal`, or -1. */
int32_t perennial_tokenizer_control_token(const PerennialTokenizer* tokenizer, PerennialSlice literal);

/* True if typed text must never give `id`: control tokens, but not the one that stands for unknown characters. */
bool perennial_tokenizer_is_control(const PerennialTokenizer* tokenizer, int32_t id);

/* A message's text made safe to be rendered by a template: control literals in it are broken up with U+FDD0, which
 * `encode` removes again; U+FDD0 that was in it is dropped. `keep_template_literals`: leaves alone those that only the
 * template names (an assistant's own </think>). */
bool perennial_tokenizer_defuse(const PerennialTokenizer* tokenizer, PerennialSlice text, bool keep_template_literals,
                                PerennialBytes* out);

/* Compiles a Jinja chat template. Null: failed, see `error`. */
PerennialTemplate* perennial_template_new(PerennialSlice source, PerennialBytes* error);
void perennial_template_free(PerennialTemplate* chat_template); /* null is allowed */

/* Renders with the variables of a JSON object. `perennial_unix_seconds` among them is the time that strftime_now shows.
 * `fuel`: about one per instruction and per 64 bytes made; running out is a failure. `out`: the text, or the message.
 */
bool perennial_template_render(const PerennialTemplate* chat_template, PerennialSlice context_json, uint64_t fuel,
                               PerennialBytes* out);

/* The state of a text that is to satisfy a JSON Schema, at its beginning. Takes milliseconds, the first time for a
 * tokenizer about as long as making that. Null: the schema is not one, cannot be satisfied, is too complex, or says
 * what is not understood; see `error`. May outlive the tokenizer. */
PerennialConstraint* perennial_constraint_new(const PerennialTokenizer* tokenizer, PerennialSlice json_schema,
                                              PerennialBytes* error);
void perennial_constraint_free(PerennialConstraint* constraint); /* null is allowed */

PerennialAllowed perennial_constraint_allowed(const PerennialConstraint* constraint);

/* The text goes on with `token`, which is allowed. False: too complex to go on, see `error`; then only free it. */
bool perennial_constraint_accept(PerennialConstraint* constraint, int32_t token, PerennialBytes* error);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* PERENNIAL_MODEL_TEXT_RUST_PERENNIAL_TEXT_H_ */
