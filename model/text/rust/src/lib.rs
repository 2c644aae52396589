//! Tokenizers, chat templates and JSON Schema constraints for Perennial, behind the C interface of `perennial_text.h`.
//!
//! | module | does |
//! |---|---|
//! | `interface`, `constraint_interface` | the C functions; no panic leaves them |
//! | `text_tokenizer` | text to tokens and back, in two readings: typed text and rendered templates |
//! | `control` | which tokens are control tokens; defusing text that spells them |
//! | `gguf`, `sentence_piece`, `byte_alphabet` | tokenizers from GGUF's arrays |
//! | `pipeline` | `tokenizers`' parts with errors reported |
//! | `constraint` | JSON Schema: which tokens may come next |
//! | `template`, `python_format` | Jinja as transformers runs it |

mod byte_alphabet;
mod constraint;
mod constraint_interface;
mod control;
mod gguf;
mod interface;
mod pipeline;
mod python_format;
mod sentence_piece;
mod template;
mod text_tokenizer;

/// Why something could not be done, for people.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;
