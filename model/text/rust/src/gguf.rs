//! A tokenizer from the arrays that GGUF files carry (`tokenizer.ggml.*`).
//!
//! GGUF says nothing of normalizers. llama.cpp, which defines the format, applies none; neither does this (transformers'
//! own tokenizer of the same model may: Qwen's does NFC).

use crate::pipeline::{CheckedPreTokenizer, Merging, GPT2_PATTERN, SENTINEL};
use crate::sentence_piece::SentencePiece;
use crate::Failure;
use std::collections::{HashMap, HashSet};
use tokenizers::models::bpe::{Vocab, BPE};
use tokenizers::normalizers::{Prepend, Replace, Sequence};
use tokenizers::{AddedToken, NormalizerWrapper};

const LLAMA3_PATTERN: &str = concat!(
    r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|",
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);
const QWEN2_PATTERN: &str = concat!(
    r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|",
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);
const QWEN35_PATTERN: &str = concat!(
    r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}|",
    r" ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);
const TEKKEN_PATTERN: &str = concat!(
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}|",
    r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);
const DIGIT_PATTERN: &str = r"\p{N}";
const FALCON_MARKS_PATTERN: &str = r"[\p{P}$+<=>^~|`]+";
const THREE_DIGITS_PATTERN: &str = "[0-9][0-9][0-9]";

const PRE_TOKENIZERS: &str = "falcon, gpt-2, llama-bpe, mpt, olmo, qwen2, qwen35, smollm, tekken";

/// `tokenizer.ggml.token_type`.
mod token_type {
    pub const NORMAL: i32 = 1;
    pub const UNKNOWN: i32 = 2;
    pub const CONTROL: i32 = 3;
    pub const USER_DEFINED: i32 = 4;
    pub const BYTE: i32 = 6;
}

/// The arrays, borrowed from the caller. `types`, and `scores` where the model needs them, are as long as `tokens`.
pub struct Arrays<'a> {
    pub model: &'a str,
    pub pre: &'a str,
    pub tokens: Vec<&'a [u8]>,
    pub types: &'a [i32],
    pub scores: &'a [f32],
    pub merges: Vec<&'a [u8]>,
    pub add_space_prefix: bool,
    pub controls_take_space_after: bool,
}

/// What keeps the white space after it where `controls_take_space_after`: Phi-3's tokens that are not of its chats.
const KEEP_SPACE_AFTER: [&str; 3] = ["<unk>", "<s>", "<|endoftext|>"];

/// What `text_tokenizer` assembles pipelines from.
pub struct Parts {
    pub merging: Merging,
    pub normalizer: Option<NormalizerWrapper>,
    pub pre_tokenizer: CheckedPreTokenizer,
    pub added_tokens: Vec<AddedToken>,
    pub byte_level: bool,
    pub unknown: Option<u32>,
    /// Bytes of tokens that no text can give: not UTF-8, or a second time in the vocabulary.
    pub unreachable: HashMap<u32, Vec<u8>>,
}

pub fn build(arrays: &Arrays) -> Result<Parts, Failure> {
    let count = arrays.tokens.len();
    if count == 0 {
        return Err("tokenizer.ggml.tokens is empty".into());
    }
    if arrays.types.len() != count {
        let types = arrays.types.len();
        return Err(format!("tokenizer.ggml.token_type has {types} values, tokenizer.ggml.tokens has {count}").into());
    }
    let (tokens, unreachable) = distinct_tokens(&arrays.tokens);
    let unknown = (0u32..).zip(arrays.types).find(|(_, kind)| **kind == token_type::UNKNOWN).map(|(id, _)| id);
    let added_tokens = (0u32..)
        .zip(tokens.iter().zip(arrays.types))
        .filter(|(id, (token, _))| !unreachable.contains_key(id) && !token.is_empty())
        .filter_map(|(_, (token, kind))| match *kind {
            token_type::UNKNOWN | token_type::CONTROL => Some(AddedToken::from(token.clone(), true)),
            token_type::USER_DEFINED => Some(AddedToken::from(token.clone(), false).normalized(false)),
            _ => None,
        })
        .map(|token| {
            let takes_space = arrays.controls_take_space_after && !KEEP_SPACE_AFTER.contains(&token.content.as_str());
            token.rstrip(takes_space)
        })
        .collect();
    match arrays.model {
        "gpt2" => {
            let (pre_tokenizer, ignore_merges) = pre_tokenizer(arrays.pre)?;
            let merging = byte_level_bpe(tokens, &arrays.merges, ignore_merges)?;
            Ok(Parts { merging, normalizer: None, pre_tokenizer, added_tokens, byte_level: true, unknown, unreachable })
        }
        "llama" => Ok(Parts {
            merging: Merging::SentencePiece(Box::new(sentence_piece(tokens, arrays, unknown)?)),
            normalizer: Some(space_marks(arrays.add_space_prefix)?),
            pre_tokenizer: CheckedPreTokenizer::new(None)?,
            added_tokens,
            byte_level: false,
            unknown,
            unreachable,
        }),
        other => Err(format!("tokenizer.ggml.model is {other:?}; supported: \"gpt2\", \"llama\"").into()),
    }
}

/// Tokens as text. What cannot be a key of a vocabulary (not UTF-8, or there already) gets a key that no text contains,
/// since the sentinel is stripped from all text; its bytes are returned beside.
fn distinct_tokens(raw: &[&[u8]]) -> (Vec<String>, HashMap<u32, Vec<u8>>) {
    let mut seen = HashSet::with_capacity(raw.len());
    let mut unreachable = HashMap::new();
    let tokens = (0u32..)
        .zip(raw)
        .map(|(id, bytes)| match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains(SENTINEL) && seen.insert(text) => text.to_owned(),
            _ => {
                unreachable.insert(id, bytes.to_vec());
                format!("{SENTINEL}{id}")
            }
        })
        .collect();
    (tokens, unreachable)
}

/// The splitting rules that a pre-tokenizer's name stands for in llama.cpp, and whether a piece that is a whole token is
/// taken without merging.
fn pre_tokenizer(name: &str) -> Result<(CheckedPreTokenizer, bool), Failure> {
    let (patterns, ignore_merges): (&[&str], bool) = match name {
        "gpt-2" | "phi-2" | "olmo" | "mpt" | "jais" => (&[GPT2_PATTERN], false),
        "smollm" | "starcoder" | "refact" | "command-r" => (&[DIGIT_PATTERN, GPT2_PATTERN], false),
        "llama-bpe" | "llama3" | "llama-v3" | "falcon3" => (&[LLAMA3_PATTERN], true),
        "smaug-bpe" | "dbrx" => (&[LLAMA3_PATTERN], false),
        "qwen2" | "deepseek-r1-qwen" | "stablelm2" => (&[QWEN2_PATTERN], false),
        "qwen35" => (&[QWEN35_PATTERN], false),
        "falcon" => (&[FALCON_MARKS_PATTERN, GPT2_PATTERN, THREE_DIGITS_PATTERN], false),
        "tekken" => (&[TEKKEN_PATTERN], true),
        other => {
            return Err(format!("tokenizer.ggml.pre is {other:?}, which is unknown; supported: {PRE_TOKENIZERS}").into())
        }
    };
    Ok((CheckedPreTokenizer::byte_level(patterns)?, ignore_merges))
}

fn byte_level_bpe(tokens: Vec<String>, merges: &[&[u8]], ignore_merges: bool) -> Result<Merging, Failure> {
    let vocabulary: Vocab = tokens.into_iter().zip(0u32..).collect();
    let merges = merges.iter().zip(0usize..).map(|(merge, rank)| parse_merge(merge, rank)).collect::<Result<_, _>>()?;
    let bpe = BPE::builder().vocab_and_merges(vocabulary, merges).ignore_merges(ignore_merges).build()?;
    Ok(Merging::Library(Box::new(bpe.into())))
}

/// "left right". Neither side is empty, so the space that separates is never the first character.
fn parse_merge(merge: &[u8], rank: usize) -> Result<(String, String), Failure> {
    let broken = || format!("tokenizer.ggml.merges[{rank}] is not two pieces of UTF-8 separated by a space");
    let text = std::str::from_utf8(merge).map_err(|_| broken())?;
    let first = text.chars().next().map_or(0, char::len_utf8);
    let space = text[first..].find(' ').ok_or_else(broken)? + first;
    Ok((text[..space].to_owned(), text[space + 1..].to_owned()))
}

fn sentence_piece(tokens: Vec<String>, arrays: &Arrays, unknown: Option<u32>) -> Result<SentencePiece, Failure> {
    let (count, scores) = (tokens.len(), arrays.scores.len());
    if scores != count {
        return Err(format!("tokenizer.ggml.scores has {scores} values, tokenizer.ggml.tokens has {count}").into());
    }
    if let Some(id) = arrays.scores.iter().position(|score| score.is_nan()) {
        return Err(format!("tokenizer.ggml.scores[{id}] is not a number").into());
    }
    let may_merge: Vec<bool> =
        arrays.types.iter().map(|kind| matches!(*kind, token_type::NORMAL | token_type::USER_DEFINED)).collect();
    let is_byte: Vec<bool> = arrays.types.iter().map(|kind| *kind == token_type::BYTE).collect();
    Ok(SentencePiece::new(tokens, arrays.scores, &may_merge, &is_byte, unknown))
}

/// Spaces as SentencePiece writes them, and one more before every stretch of text between control tokens.
fn space_marks(prefix: bool) -> Result<NormalizerWrapper, Failure> {
    let mark = crate::sentence_piece::SPACE_MARK.to_string();
    let mut steps: Vec<NormalizerWrapper> = Vec::new();
    if prefix {
        steps.push(Prepend::new(mark.clone()).into());
    }
    steps.push(Replace::new(" ", mark)?.into());
    Ok(Sequence::new(steps).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_may_begin_with_a_space_but_needs_two_sides() {
        assert_eq!(parse_merge(b"a b", 0).unwrap(), ("a".into(), "b".into()));
        assert_eq!(parse_merge("Ġ Ġt".as_bytes(), 0).unwrap(), ("Ġ".into(), "Ġt".into()));
        assert!(parse_merge(b"ab", 7).unwrap_err().to_string().contains("[7]"));
        assert!(parse_merge(b"", 0).is_err());
    }

    #[test]
    fn tokens_that_are_not_text_or_come_twice_keep_their_bytes_and_match_nothing() {
        let (tokens, unreachable) = distinct_tokens(&[b"a", b"\xFF", b"a"]);
        assert_eq!(tokens[0], "a");
        assert_eq!(unreachable[&1], b"\xFF");
        assert_eq!(unreachable[&2], b"a");
        assert_ne!(tokens[1], tokens[2]);
    }
}
